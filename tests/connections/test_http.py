import asyncio

import aiohttp
import pytest
from aiohttp import web
from platforms.server import Server

from connections.http import HttpResponse, call, http_error, session
from models.errors import Rejected, Unauthorized, Unavailable, Uncertain


class BrokenServer(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_route("*", "/cut", self._cut)
        self.app.router.add_post("/slow", self._slow)
        self.released = asyncio.Event()

    async def _cut(self, request: web.Request) -> web.Response:
        await request.read()
        request.transport.close()
        return web.Response()

    async def _slow(self, request: web.Request) -> web.Response:
        await self.released.wait()
        return web.Response()


async def test_a_call_that_was_never_sent_is_unavailable_not_uncertain():
    async with session() as http:
        with pytest.raises(Unavailable) as error:
            await call(http, "POST", "http://127.0.0.1:9/", json={}, writes=True)
    assert not isinstance(error.value, Uncertain)


async def test_an_error_that_may_come_after_sending_is_uncertain(monkeypatch: pytest.MonkeyPatch):
    async def fail(*_: object) -> bytes:
        raise ValueError("the response could not be read")

    monkeypatch.setattr("connections.http.read_limited", fail)
    async with BrokenServer() as server, session() as http:
        server.released.set()
        with pytest.raises(Uncertain):
            await call(http, "POST", f"{server.url}/slow", json={}, writes=True)


async def test_a_call_interrupted_after_it_was_sent_is_uncertain_if_it_writes():
    async with BrokenServer() as server, session() as http:
        with pytest.raises(Uncertain):
            await call(http, "POST", f"{server.url}/cut", json={}, writes=True)
        with pytest.raises(Unavailable) as error:
            await call(http, "GET", f"{server.url}/cut")
    assert not isinstance(error.value, Uncertain)


@pytest.mark.parametrize(
    ("status", "headers", "writes", "kind", "wait"),
    [
        (200, {}, True, None, None),
        (401, {}, True, Unauthorized, None),
        (403, {}, False, Unauthorized, None),
        (404, {}, True, Rejected, None),
        (429, {"retry-after": "17"}, True, Unavailable, 17),
        (429, {}, True, Unavailable, None),
        (429, {"retry-after": "soon"}, True, Unavailable, None),
        (503, {}, True, Unavailable, None),
        (502, {}, True, Uncertain, None),
        (502, {}, False, Unavailable, None),
        (504, {}, True, Uncertain, None),
    ],
)
def test_each_status_is_an_edge_error(status, headers, writes, kind, wait):
    error = http_error(HttpResponse(status, headers, b"", ""), "the fix", writes=writes)
    assert type(error) is (kind or type(None))
    assert getattr(error, "retry_after", None) == wait


async def test_a_slow_server_ends_in_a_timeout():
    async with BrokenServer() as server, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.2)) as http:
        with pytest.raises(Uncertain):
            await call(http, "POST", f"{server.url}/slow", json={}, writes=True)
        server.released.set()
