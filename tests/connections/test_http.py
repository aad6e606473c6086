import asyncio

import aiohttp
import pytest
from aiohttp import web
from platforms.server import Server

from connections.http import Answer, call, refused, session
from models.errors import Rejected, Unauthorized, Unavailable, Uncertain


class Far(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_route("*", "/cut", self._cut)
        self.app.router.add_post("/slow", self._slow)
        self.over = asyncio.Event()

    async def _cut(self, request: web.Request) -> web.Response:
        await request.read()
        request.transport.close()
        return web.Response()

    async def _slow(self, request: web.Request) -> web.Response:
        await self.over.wait()
        return web.Response()


async def test_a_call_that_never_left_was_not_carried_out():
    async with session() as http:
        with pytest.raises(Unavailable) as error:
            await call(http, "POST", "http://127.0.0.1:9/", json={}, changes=True)
    assert not isinstance(error.value, Uncertain)


async def test_what_broke_without_saying_when_may_have_been_carried_out(monkeypatch: pytest.MonkeyPatch):
    async def odd(*_: object) -> bytes:
        raise ValueError("what came back could not be read")

    monkeypatch.setattr("connections.http.read_capped", odd)
    async with Far() as far, session() as http:
        far.over.set()
        with pytest.raises(Uncertain):
            await call(http, "POST", f"{far.url}/slow", json={}, changes=True)


async def test_a_call_cut_off_after_it_was_sent_may_have_been_carried_out():
    async with Far() as far, session() as http:
        with pytest.raises(Uncertain):
            await call(http, "POST", f"{far.url}/cut", json={}, changes=True)
        with pytest.raises(Unavailable) as error:
            await call(http, "GET", f"{far.url}/cut")
    assert not isinstance(error.value, Uncertain)


@pytest.mark.parametrize(
    ("status", "headers", "changes", "kind", "wait"),
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
def test_each_status_is_one_of_three(status, headers, changes, kind, wait):
    error = refused(Answer(status, headers, b"", ""), "the fix", changes=changes)
    assert type(error) is (kind or type(None))
    assert getattr(error, "retry_after", None) == wait


async def test_a_slow_far_side_ends_in_a_timeout_of_ours():
    async with Far() as far, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.2)) as http:
        with pytest.raises(Uncertain):
            await call(http, "POST", f"{far.url}/slow", json={}, changes=True)
        far.over.set()
