"""Hearing Hacker News through Algolia's search, which needs no credentials.

https://hn.algolia.com/api

The native id is the item's number. The bookmark holds the time of the newest item and checksums of those of the last minutes,
which are asked for again: the index lags, and authors edit. It says nothing of deletions, and nobody can be answered by machine.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import msgspec

from connections.http import call, refused
from models.errors import EdgeError, Unavailable
from models.post import NOTHING_AROUND, Around, Heard, Post, PostAuthor, Sought
from models.text import plain

T = TypeVar("T")

OVERLAP: Final = 900
"""Seconds before the newest item that are asked for again."""
PAGE: Final = 200
PAGES: Final = 5
PULSE: Final = 25.0
PARENTS: Final = 4
FIX: Final = "The search needs no credentials: check `api` in ascolto.toml."
SITE: Final = "https://news.ycombinator.com/item?id="


class Place(msgspec.Struct):
    """The bookmark. `seen` maps the items since `newest` less the overlap to checksums of their texts."""

    newest: int = 0
    seen: dict[str, int] = {}


class HackerNewsEar:
    platform = "hackernews"

    def __init__(self, name: str, query: str, interval: float, api: str, http: aiohttp.ClientSession) -> None:
        self.name = name
        self.silence = max(90.0, 2 * interval)
        self._query = query
        self._interval = interval
        self._api = api.rstrip("/")
        self._http = http

    async def connect(self) -> None:
        await self._hits(0, 0, 1)

    async def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        place = msgspec.json.decode(bookmark, type=Place) if bookmark else None
        while True:
            hits = await self._since(place)
            posts, edits, place = compare(hits, place)
            yield Heard(bookmark=msgspec.json.encode(place).decode(), posts=tuple(posts), edits=tuple(edits))
            left = self._interval
            while left > 0:
                await asyncio.sleep(min(left, PULSE))
                left -= PULSE
                yield Heard(bookmark=msgspec.json.encode(place).decode())

    async def _since(self, place: Place | None) -> "list[Hit]":
        """What is new, newest first; at the first look the last few."""
        if place is None:
            return read((await self._hits(0, 0, 20)).hits)
        found: list[Hit] = []
        for number in range(PAGES):
            page = await self._hits(place.newest - OVERLAP, number, PAGE)
            found += read(page.hits)
            if number + 1 >= page.nb_pages:
                break
        return found

    async def _hits(self, since: int, page: int, count: int) -> "_Page":
        wanted = {
            "query": self._query,
            "tags": "(story,comment)",
            "numericFilters": f"created_at_i>{max(since, 0)}",
            "page": str(page),
            "hitsPerPage": str(count),
        }
        return await self._get(f"/search_by_date?{urlencode(wanted)}", _Page)

    async def _get(self, path: str, kind: type[T]) -> T:
        answer = await call(self._http, "GET", self._api + path)
        if error := refused(answer, FIX):
            raise error
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.DecodeError as error:
            raise Unavailable(f"The search answered something else than expected: {error}") from error

    async def find(self, url: str) -> Post | None:
        """https://news.ycombinator.com/item?id=NUMBER"""
        parts = urlsplit(url)
        number = parse_qs(parts.query).get("id", [""])[0]
        if parts.hostname != "news.ycombinator.com" or not number.isdigit():
            return None
        try:
            return _from_item(await self._get(f"/items/{number}", _Item))
        except EdgeError:
            return None

    async def around(self, sought: Sought) -> Around:
        """The items above it."""
        before: list[Post] = []
        above = sought.parent
        while above and len(before) < PARENTS:
            item = await self._get(f"/items/{above}", _Item)
            if (post := _from_item(item)) is not None:
                before.append(post)
            above = str(item.parent_id) if item.parent_id else None
        return Around(before=tuple(reversed(before))) if before else NOTHING_AROUND

    async def close(self) -> None:
        """Nothing is held: the HTTP session is shared."""


class Hit(msgspec.Struct, rename={"id": "objectID"}):
    id: str
    author: str = ""
    created_at_i: int = 0
    title: str | None = None
    story_text: str | None = None
    comment_text: str | None = None
    story_id: int | None = None
    parent_id: int | None = None
    points: int | None = None


class _Page(msgspec.Struct, rename="camel"):
    hits: list[msgspec.Raw]
    nb_pages: int = 1


class _Item(msgspec.Struct):
    id: int
    author: str | None = None
    created_at_i: int = 0
    title: str | None = None
    text: str | None = None
    parent_id: int | None = None
    story_id: int | None = None


_hit = msgspec.json.Decoder(Hit)


def read(rows: list[msgspec.Raw]) -> list[Hit]:
    """The hits of a page; one that cannot be read keeps nobody from the others."""
    found: list[Hit] = []
    for row in rows:
        with suppress(msgspec.DecodeError):
            found.append(_hit.decode(row))
    return found


def compare(hits: list[Hit], place: Place | None) -> tuple[list[Post], list[Post], Place]:
    """What is new since the bookmark, what was edited, and the next bookmark; what the first look finds is the past."""
    found = {hit.id: hit for hit in sorted(hits, key=lambda hit: (hit.created_at_i, hit.id))}
    sums = {number: zlib.crc32(_text(hit).encode()) for number, hit in found.items()}
    before = place.seen if place else {}
    news = [to_post(hit, first=place is None) for number, hit in found.items() if number not in before and _text(hit)]
    edits = [to_post(hit) for number, hit in found.items() if before.get(number, sums[number]) != sums[number]]
    newest = max([place.newest if place else 0, *(hit.created_at_i for hit in hits)])
    kept = {number: sums[number] for number, hit in found.items() if hit.created_at_i > newest - 2 * OVERLAP}
    return news, edits, Place(newest, kept)


def _text(hit: Hit) -> str:
    return "\n".join(plain(part) for part in (hit.title, hit.story_text, hit.comment_text) if part)


def to_post(hit: Hit, *, first: bool = False) -> Post:
    comment = hit.comment_text is not None
    return Post(
        platform="hackernews",
        native_id=hit.id,
        url=SITE + hit.id,
        author=_author(hit.author),
        text=_text(hit),
        language="en",
        thread=str(hit.story_id or hit.id),
        parent=str(hit.parent_id) if comment and hit.parent_id else None,
        created_at=datetime.fromtimestamp(hit.created_at_i, UTC),
        origin="backfill" if first else "live",
        metrics={"likes": hit.points} if hit.points is not None else {},
    )


def _author(name: str) -> PostAuthor:
    return PostAuthor(handle=name, url=f"https://news.ycombinator.com/user?id={name}")


def _from_item(item: _Item) -> Post | None:
    """None for one that was deleted."""
    text = "\n".join(plain(part) for part in (item.title, item.text) if part)
    if not text or not item.author:
        return None
    fields: dict[str, Any] = {"parent": str(item.parent_id) if item.parent_id else None}
    return Post(
        platform="hackernews",
        native_id=str(item.id),
        url=f"{SITE}{item.id}",
        author=_author(item.author),
        text=text,
        language="en",
        thread=str(item.story_id or item.id),
        created_at=datetime.fromtimestamp(item.created_at_i, UTC),
        **fields,
    )
