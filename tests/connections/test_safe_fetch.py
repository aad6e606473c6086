import gzip

import pytest
from aiohttp import web
from platforms.server import Server

from connections.safe_fetch import Fetcher, PublicResolver, is_public
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
def test_private_addresses_are_not_public(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("url", ["http://..it/", "http://\x00/", "http://a" + "b" * 80 + ".it/"])
async def test_an_invalid_host_is_an_edge_error(url: str):
    fetcher = Fetcher()
    with pytest.raises((Rejected, Unavailable)):
        await fetcher.get(url)
    await fetcher.close()


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_internet_addresses_are_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://127.1:1/", "http://2130706433:1/",
        "http://0x7f000001:1/", "http://0177.0.0.1:1/", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd",
        "ftp://example.com/", "gopher://127.0.0.1/", "http://user:secret@example.com/", "http:///", "//x", "",
    ],
)  # fmt: skip
async def test_a_url_into_our_network_is_not_fetched(url: str):
    fetcher = Fetcher()
    with pytest.raises((Rejected, Unavailable)) as error:
        await fetcher.get(url)
    assert "secret" not in str(error.value)
    await fetcher.close()


async def test_a_name_that_resolves_to_our_network_is_not_fetched(monkeypatch: pytest.MonkeyPatch):
    async def resolve_to_private(_self, _host, _port=0, _family=0):
        return [{"hostname": "x", "host": "10.0.0.7", "port": 80, "family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr("aiohttp.ThreadedResolver.resolve", resolve_to_private)
    fetcher = Fetcher()
    with pytest.raises(Unavailable, match="private network"):
        await fetcher.get("http://innocent.example/")
    await fetcher.close()
    with pytest.raises(OSError, match="private network"):
        await PublicResolver().resolve("innocent.example")


class RedirectServer(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_get("/loop", self._loop)
        self.app.router.add_get("/redirect", self._redirect)
        self.app.router.add_get("/big", self._big)
        self.app.router.add_get("/bomb", self._bomb)

    async def _loop(self, _request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/loop"})

    async def _redirect(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query["url"]})

    async def _big(self, _request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 2_000_000)

    async def _bomb(self, _request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"\0" * 50_000_000), headers={"Content-Encoding": "gzip"})


async def test_each_redirect_is_checked():
    async with RedirectServer() as server:
        fetcher = Fetcher(private=True)
        with pytest.raises(Rejected, match="redirects"):
            await fetcher.get(f"{server.url}/loop")
        with pytest.raises(Rejected, match="Only http"):
            await fetcher.get(f"{server.url}/redirect?url=file:///etc/passwd")
        await fetcher.close()


@pytest.mark.parametrize("path", ["/big", "/bomb"])
async def test_a_body_that_is_too_long_is_rejected_compressed_or_not(path: str):
    async with RedirectServer() as server:
        fetcher = Fetcher(private=True)
        with pytest.raises(Rejected, match="longer than 1 MB"):
            await fetcher.get(f"{server.url}{path}", limit=1_000_000)
        await fetcher.close()


@pytest.mark.parametrize(
    "host", ["127。0。0。1", "①②⑦.0.0.1", "１２７.０.０.１", "169.254.169。254", "0x7f.1", "[::ffff:127.0.0.1]"]
)
async def test_a_disguised_host_is_checked_as_it_will_be_resolved(host: str):
    fetcher = Fetcher()
    with pytest.raises(Rejected, match="private network"):
        await fetcher.get(f"http://{host}:1/")
    await fetcher.close()


@pytest.mark.parametrize("url", ["http://exa[mple.com/", "http://a:99999/", "//x", "", "http://"])
async def test_an_invalid_url_is_rejected(url: str):
    fetcher = Fetcher()
    with pytest.raises(Rejected):
        await fetcher.get(url)
    await fetcher.close()
