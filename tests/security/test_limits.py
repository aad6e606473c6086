"""Whoever opens connections and sends nothing, or tries links one after the other, stops nobody else."""

import asyncio
from types import SimpleNamespace

import aiohttp
import pytest

from connections import limited_server
from connections.limited_server import Limits
from connections.webhooks import WebhookServer
from web.rate_limits import RateLimit, client_address


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limited_server.LimitedSite.__init__, "__defaults__", (0.3,))
    server = WebhookServer("127.0.0.1", 0)
    server._limits = Limits(total=20, each=10)
    await server.start()
    yield server
    await server.close()


async def half_open(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /hooks/site HTTP/1.1\r\nHost: x\r\nX-a: ")
    return reader, writer


async def closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 3) == b""
    except ConnectionError:
        return True


async def test_headers_have_a_deadline(server: WebhookServer):
    reader, writer = await half_open(server.port)
    assert await closed(reader)
    writer.close()


async def test_an_address_has_a_share_of_the_connections_and_others_the_rest(server: WebhookServer):
    connections = [await half_open(server.port) for _ in range(15)]
    await asyncio.sleep(0.1)
    assert server._limits.open.total() == 10
    await asyncio.gather(*(closed(reader) for reader, _ in connections))
    async with aiohttp.ClientSession() as http, http.post(f"http://127.0.0.1:{server.port}/hooks/x") as response:
        assert (response.status, "Server" in response.headers) == (404, False)
    for _, writer in connections:
        writer.close()


def test_proxies_that_are_trusted_are_not_counted_by_address():
    limits = Limits(frozenset({"10.0.0.1"}), total=5, each=1)
    limits.open.update({"10.0.0.1": 3, "10.0.0.2": 1})
    assert (limits.admits("10.0.0.1"), limits.admits("10.0.0.2"), limits.admits("10.0.0.3")) == (True, False, True)


async def test_a_webhook_that_does_not_receive_at_the_moment_asks_to_wait(server: WebhookServer):
    server.expect("site")
    async with aiohttp.ClientSession() as http, http.post(f"http://127.0.0.1:{server.port}/hooks/site") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "30")


async def test_sign_in_links_cannot_be_guessed_in_a_row(desk):
    browser = desk.browser()
    statuses = []
    for number in range(25):
        async with browser.post(f"/sign_in/{number:043d}") as response:
            statuses.append(response.status)
    assert (statuses[0], statuses[-1]) == (200, 429)


def test_a_rate_limit_forgets():
    now = 0.0
    limit = RateLimit(2, 10.0, lambda: now)
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]
    assert limit.allows("b")
    now = 10.0
    assert limit.allows("a")


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("10.0.0.1", "6.6.6.6, 9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", "6.6.6.6, 9.9.9.9, 10.0.0.2", "9.9.9.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("9.9.9.9", "1.2.3.4", "9.9.9.9"),
    ],
)
def test_the_clients_address_is_what_the_last_trusted_proxy_tells(remote: str, forwarded: str, address: str):
    from web.rate_limits import TRUSTED_PROXIES

    request = SimpleNamespace(
        remote=remote,
        headers={"X-Forwarded-For": forwarded},
        app={TRUSTED_PROXIES: frozenset({"10.0.0.1", "10.0.0.2"})},
    )
    assert client_address(request) == address


@pytest.mark.parametrize("path", ["/sign_out", "/cases/1/bulk_reply", "/me"])
async def test_a_form_that_cannot_be_read_is_refused_and_no_error_of_ours(desk, path: str):
    await desk.harness.case("Ferroviola (-)")
    browser = await desk.sign_in("ana")
    async with browser.post(path, data=b"x", headers={"Content-Type": "multipart/form-data"}) as response:
        assert response.status == 400
