import gzip

import pytest
from aiohttp import web
from platforms.server import Server

from connections.guard import Fetcher, PublicResolver, is_public
from models.errors import Rejected, Unavailable


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1%eth0", "not an address",
        "64:ff9b:1::7f00:1", "fec0::1", "::127.0.0.1", "168.63.129.16",
    ],
)  # fmt: skip
def test_our_own_network_is_not_public(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("url", ["http://..it/", "http://\x00/", "http://a" + "b" * 80 + ".it/"])
async def test_what_cannot_be_a_host_is_refused_in_our_words(url: str):
    fetcher = Fetcher()
    with pytest.raises((Rejected, Unavailable)):
        await fetcher.get(url)
    await fetcher.close()


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_the_internet_is_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://127.1:1/", "http://2130706433:1/",
        "http://0x7f000001:1/", "http://0177.0.0.1:1/", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd",
        "ftp://example.com/", "gopher://127.0.0.1/", "http://user:secret@example.com/", "http:///", "//x", "",
    ],
)  # fmt: skip
async def test_a_strangers_address_does_not_lead_into_our_network(url: str):
    fetcher = Fetcher()
    with pytest.raises((Rejected, Unavailable)) as refused:
        await fetcher.get(url)
    assert "secret" not in str(refused.value)
    await fetcher.close()


async def test_a_name_that_resolves_to_our_network_is_not_followed(monkeypatch: pytest.MonkeyPatch):
    async def inside(_self, _host, _port=0, _family=0):
        return [{"hostname": "x", "host": "10.0.0.7", "port": 80, "family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr("aiohttp.ThreadedResolver.resolve", inside)
    fetcher = Fetcher()
    with pytest.raises(Unavailable, match="private network"):
        await fetcher.get("http://innocent.example/")
    await fetcher.close()
    with pytest.raises(OSError, match="private network"):
        await PublicResolver().resolve("innocent.example")


class Far(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_get("/loop", self._loop)
        self.app.router.add_get("/to", self._to)
        self.app.router.add_get("/big", self._big)
        self.app.router.add_get("/bomb", self._bomb)

    async def _loop(self, _request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/loop"})

    async def _to(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query["url"]})

    async def _big(self, _request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 2_000_000)

    async def _bomb(self, _request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"\0" * 50_000_000), headers={"Content-Encoding": "gzip"})


async def test_each_redirect_is_checked_anew():
    async with Far() as far:
        fetcher = Fetcher(private=True)
        with pytest.raises(Rejected, match="redirects"):
            await fetcher.get(f"{far.url}/loop")
        with pytest.raises(Rejected, match="Only http"):
            await fetcher.get(f"{far.url}/to?url=file:///etc/passwd")
        await fetcher.close()


@pytest.mark.parametrize("path", ["/big", "/bomb"])
async def test_a_body_too_large_is_dropped_on_the_way_packed_or_not(path: str):
    async with Far() as far:
        fetcher = Fetcher(private=True)
        with pytest.raises(Rejected, match="longer than 1 MB"):
            await fetcher.get(f"{far.url}{path}", limit=1_000_000)
        await fetcher.close()


@pytest.mark.parametrize(
    "host", ["127。0。0。1", "①②⑦.0.0.1", "１２７.０.０.１", "169.254.169。254", "0x7f.1", "[::ffff:127.0.0.1]"]
)
async def test_a_host_spelled_to_deceive_is_read_as_it_will_be_called(host: str):
    fetcher = Fetcher()
    with pytest.raises(Rejected, match="private network"):
        await fetcher.get(f"http://{host}:1/")
    await fetcher.close()


@pytest.mark.parametrize("address", ["http://exa[mple.com/", "http://a:99999/", "//x", "", "http://"])
async def test_what_is_no_address_is_rejected(address: str):
    fetcher = Fetcher()
    with pytest.raises(Rejected):
        await fetcher.get(address)
    await fetcher.close()
