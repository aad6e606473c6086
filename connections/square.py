"""The square: the demo's own little platform, spoken to over HTTP like any other.

`GET /api/posts?after=N` gives what was said since, `GET /api/posts/ID` one post, and `POST /api/posts` says something;
its `key` makes saying it again say it once.
"""

from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from connections.http import call, refused
from models.errors import Rejected, Unavailable

T = TypeVar("T")
FIX: Final = "The square asks for no credentials: check its `url` in ascolto.toml."


class SquarePost(msgspec.Struct, frozen=True, kw_only=True):
    """As the square's API spells it. `number` counts up; `kind` says what happened to the post at that number."""

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
        """Proves that the square answers."""
        await self.posts(after=2**53, wait=0)

    async def posts(self, after: int, wait: float) -> list[SquarePost]:
        """What happened after a number; waits up to `wait` seconds for something to happen."""
        return _decode(await self._call("GET", f"/api/posts?after={after}&wait={wait:g}"), list[SquarePost])

    async def post(self, native_id: str) -> SquarePost | None:
        try:
            return _decode(await self._call("GET", f"/api/posts/{quote(native_id, safe='')}"), SquarePost)
        except Rejected:
            return None

    async def by_key(self, key: str) -> SquarePost | None:
        found = _decode(await self._call("GET", f"/api/posts?key={quote(key, safe='')}"), list[SquarePost])
        return found[0] if found else None

    async def say(self, *, key: str, text: str, under: str) -> SquarePost:
        body = {"key": key, "text": text, "under": under}
        return _decode(await self._call("POST", "/api/posts", body, changes=True), SquarePost)

    async def _call(self, method: str, path: str, json: object = None, *, changes: bool = False) -> bytes:
        answer = await call(self._http, method, self._url + path, json=json, changes=changes)
        if error := refused(answer, FIX, changes=changes):
            raise error
        return answer.body

    async def close(self) -> None:
        """Nothing is held: the HTTP session is shared."""


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise Unavailable(f"The square answered something else than expected: {error}") from error
