"""The square: the demo's own small platform, called over HTTP like any other.

`GET /api/posts?after=N` returns what happened since, `GET /api/posts/ID` one post, and `POST /api/posts` publishes one;
with the same `key` again, it returns the first.
"""

from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from connections.http import call, http_error
from models.errors import Rejected, Unavailable

T = TypeVar("T")

FIX: Final = "The square needs no credentials: check its `url` in ascolto.toml."


class SquarePost(msgspec.Struct, frozen=True, kw_only=True):
    """As in the square's API. `number` counts events; `kind` is what happened to the post: post, edit or deletion."""

    number: int
    id: str
    kind: str = "post"
    author: str
    name: str = ""
    followers: int | None = None
    text: str = ""
    lang: str | None = None
    thread: str = ""
    parent: str | None = None
    at: datetime
    url: str = ""


class Square:
    platform = "square"

    def __init__(self, name: str, url: str, http: aiohttp.ClientSession) -> None:
        self.name = name
        self._url = url.rstrip("/")
        self._http = http

    async def open(self) -> None:
        """Checks by a call that the square is running."""
        await self.posts(after=2**53, wait=0)

    async def posts(self, after: int, wait: float) -> list[SquarePost]:
        """What happened after a number; waits up to `wait` seconds for something to happen."""
        return _decode(await self._call("GET", f"/api/posts?after={after}&wait={wait:g}"), list[SquarePost])

    async def post(self, native_id: str) -> SquarePost | None:
        try:
            return _decode(await self._call("GET", f"/api/posts/{quote(native_id, safe='')}"), SquarePost)
        except Rejected:
            return None

    async def post_by_key(self, key: str) -> SquarePost | None:
        posts = _decode(await self._call("GET", f"/api/posts?key={quote(key, safe='')}"), list[SquarePost])
        return posts[0] if posts else None

    async def publish(self, *, key: str, text: str, in_reply_to: str) -> SquarePost:
        body = {"key": key, "text": text, "in_reply_to": in_reply_to}
        return _decode(await self._call("POST", "/api/posts", body, writes=True), SquarePost)

    async def _call(self, method: str, path: str, json: object = None, *, writes: bool = False) -> bytes:
        response = await call(self._http, method, self._url + path, json=json, writes=writes)
        if error := http_error(response, FIX, writes=writes):
            raise error
        return response.body

    async def close(self) -> None:
        """Nothing to close: the HTTP session is shared."""


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise Unavailable(f"The square returned an unexpected response: {error}") from error
