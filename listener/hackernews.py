"""Hacker News through Algolia's search, which needs no credentials.

https://hn.algolia.com/api

The native id is the item's number. The cursor holds the time of the newest item and checksums of those of the last minutes, which
are searched again: the index lags, and authors edit. Deletions are not reported, and there is no API for replies.
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

from connections.http import call, http_error
from models.errors import EdgeError, Unavailable
from models.html import html_to_text
from models.incoming import (
    NO_CONTEXT,
    ContextRequest,
    IncomingAuthor,
    IncomingPost,
    ListenerBatch,
    Origin,
    ThreadContext,
)

T = TypeVar("T")

OVERLAP: Final = 900
"""Seconds before the newest item that are searched again."""
FIRST_SEARCH: Final = 20
"""Items."""
PAGE_SIZE: Final = 200
MAX_PAGES: Final = 5
HEARTBEAT: Final = 25.0
"""Seconds between empty batches until the next search."""
MAX_PARENTS: Final = 4
FIX: Final = "The search needs no credentials: check `api` in ascolto.toml."
SITE: Final = "https://news.ycombinator.com/item?id="


class Cursor(msgspec.Struct):
    """`seen` maps the items since `newest`, less the overlap, to checksums of their texts."""

    newest: int = 0
    seen: dict[str, int] = {}


class HackerNewsListener:
    platform = "hackernews"

    def __init__(self, name: str, query: str, interval: float, api: str, http: aiohttp.ClientSession) -> None:
        self.name = name
        self.silence_timeout = max(90.0, 2 * interval)
        self._query = query
        self._interval = interval
        self._api = api.rstrip("/")
        self._http = http

    async def connect(self) -> None:
        await self._search(0, 0, 1)

    async def listen(self, cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        position = msgspec.json.decode(cursor, type=Cursor) if cursor else None
        while True:
            hits = await self._hits_since(position)
            posts, edits, position = compare(hits, position)
            yield ListenerBatch(cursor=_encode(position), posts=tuple(posts), edits=tuple(edits))
            remaining = self._interval
            while remaining > 0:
                await asyncio.sleep(min(remaining, HEARTBEAT))
                remaining -= HEARTBEAT
                yield ListenerBatch(cursor=_encode(position))

    async def _hits_since(self, position: Cursor | None) -> "list[Hit]":
        """Newest first; without a cursor, the last few."""
        if position is None:
            return decode_hits((await self._search(0, 0, FIRST_SEARCH)).hits)
        hits: list[Hit] = []
        for number in range(MAX_PAGES):
            page = await self._search(position.newest - OVERLAP, number, PAGE_SIZE)
            hits += decode_hits(page.hits)
            if number + 1 >= page.nb_pages:
                break
        return hits

    async def _search(self, since: int, page: int, count: int) -> "_Page":
        parameters = {
            "query": self._query,
            "tags": "(story,comment)",
            "numericFilters": f"created_at_i>{max(since, 0)}",
            "page": str(page),
            "hitsPerPage": str(count),
        }
        return await self._get(f"/search_by_date?{urlencode(parameters)}", _Page)

    async def _get(self, path: str, kind: type[T]) -> T:
        response = await call(self._http, "GET", self._api + path)
        if error := http_error(response, FIX):
            raise error
        try:
            return msgspec.json.decode(response.body, type=kind)
        except msgspec.DecodeError as error:
            raise Unavailable(f"The search returned an unexpected response: {error}") from error

    async def find(self, url: str) -> IncomingPost | None:
        """https://news.ycombinator.com/item?id=NUMBER"""
        parts = urlsplit(url)
        number = parse_qs(parts.query).get("id", [""])[0]
        if parts.hostname != "news.ycombinator.com" or not number.isdigit():
            return None
        try:
            return item_to_post(await self._get(f"/items/{number}", _Item))
        except EdgeError:
            return None

    async def fetch_context(self, request: ContextRequest) -> ThreadContext:
        """The items above it."""
        earlier_posts: list[IncomingPost] = []
        parent = request.parent
        while parent and len(earlier_posts) < MAX_PARENTS:
            item = await self._get(f"/items/{parent}", _Item)
            if (post := item_to_post(item)) is not None:
                earlier_posts.append(post)
            parent = str(item.parent_id) if item.parent_id else None
        return ThreadContext(earlier_posts=tuple(reversed(earlier_posts))) if earlier_posts else NO_CONTEXT

    async def close(self) -> None:
        """Nothing to close: the HTTP session is shared."""


def _encode(position: Cursor) -> str:
    return msgspec.json.encode(position).decode()


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


_hit_decoder = msgspec.json.Decoder(Hit)


def decode_hits(rows: list[msgspec.Raw]) -> list[Hit]:
    """Without malformed ones."""
    hits: list[Hit] = []
    for row in rows:
        with suppress(msgspec.DecodeError):
            hits.append(_hit_decoder.decode(row))
    return hits


def compare(hits: list[Hit], position: Cursor | None) -> tuple[list[IncomingPost], list[IncomingPost], Cursor]:
    """The new posts since the cursor, the edits, and the next cursor; without a cursor, the posts are backfill."""
    by_id = {hit.id: hit for hit in sorted(hits, key=lambda hit: (hit.created_at_i, hit.id))}
    checksums = {number: zlib.crc32(_text(hit).encode()) for number, hit in by_id.items()}
    seen = position.seen if position else {}
    origin: Origin = "live" if position is not None else "backfill"
    posts = [to_post(hit, origin=origin) for number, hit in by_id.items() if number not in seen and _text(hit)]
    edits = [to_post(hit) for number, hit in by_id.items() if seen.get(number, checksums[number]) != checksums[number]]
    newest = max([position.newest if position else 0, *(hit.created_at_i for hit in hits)])
    recent = {number: checksums[number] for number, hit in by_id.items() if hit.created_at_i > newest - 2 * OVERLAP}
    return posts, edits, Cursor(newest, recent)


def _text(hit: Hit) -> str:
    return "\n".join(html_to_text(part) for part in (hit.title, hit.story_text, hit.comment_text) if part)


def to_post(hit: Hit, *, origin: Origin = "live") -> IncomingPost:
    is_comment = hit.comment_text is not None
    return IncomingPost(
        platform="hackernews",
        native_id=hit.id,
        url=SITE + hit.id,
        author=to_author(hit.author),
        text=_text(hit),
        language="en",
        thread=str(hit.story_id or hit.id),
        parent=str(hit.parent_id) if is_comment and hit.parent_id else None,
        created_at=datetime.fromtimestamp(hit.created_at_i, UTC),
        origin=origin,
        metrics={"likes": hit.points} if hit.points is not None else {},
    )


def to_author(name: str) -> IncomingAuthor:
    return IncomingAuthor(handle=name, url=f"https://news.ycombinator.com/user?id={name}")


def item_to_post(item: _Item) -> IncomingPost | None:
    """None for a deleted item."""
    text = "\n".join(html_to_text(part) for part in (item.title, item.text) if part)
    if not text or not item.author:
        return None
    fields: dict[str, Any] = {"parent": str(item.parent_id) if item.parent_id else None}
    return IncomingPost(
        platform="hackernews",
        native_id=str(item.id),
        url=f"{SITE}{item.id}",
        author=to_author(item.author),
        text=text,
        language="en",
        thread=str(item.story_id or item.id),
        created_at=datetime.fromtimestamp(item.created_at_i, UTC),
        **fields,
    )
