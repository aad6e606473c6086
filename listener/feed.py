"""An RSS or Atom feed, one connection each.

https://www.rssboard.org/rss-specification, https://www.rfc-editor.org/rfc/rfc4287, https://feedparser.readthedocs.io

The native id is `host:guid`. The cursor holds the validators of the last response (ETag, Last-Modified) and a checksum of every
entry in the feed, so that an entry that changed is an edit. A feed does not report deletions.
"""

import asyncio
import calendar
import zlib
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from connections.http import HttpResponse, http_error
from connections.safe_fetch import Fetcher
from models.errors import Rejected, Unauthorized, Unavailable
from models.incoming import (
    NO_CONTEXT,
    ContextRequest,
    IncomingAuthor,
    IncomingPost,
    ListenerBatch,
    Origin,
    ThreadContext,
)
from models.text import html_to_text

MAX_FEED: Final = 5_000_000
"""Bytes."""
MAX_ENTRIES: Final = 1_000
FIX: Final = "Open the feed's URL in a browser, and check its `url` in ascolto.toml."


class Cursor(msgspec.Struct):
    """`seen` maps each entry's native id to the checksum of its text."""

    etag: str = ""
    modified: str = ""
    seen: dict[str, int] = {}


class FeedListener:
    platform = "feed"

    def __init__(self, name: str, url: str, interval: float, fetcher: Fetcher, now: Callable[[], datetime]) -> None:
        self.name = name
        self.silence_timeout = 2 * interval
        self._url = url
        self._interval = interval
        self._fetcher = fetcher
        self._now = now

    async def connect(self) -> None:
        await self._fetch(Cursor())

    async def listen(self, cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        origin: Origin = "live" if cursor is not None else "backfill"
        position = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
        while True:
            response = await self._fetch(position)
            if response is not None:
                entries = await asyncio.to_thread(read_feed, response.body, self._url, self._now(), origin)
                position, posts, edits = compare(position, response, entries)
                yield ListenerBatch(cursor=_encode(position), posts=posts, edits=edits)
                origin = "live"
            else:
                yield ListenerBatch(cursor=_encode(position))
            await asyncio.sleep(self._interval)

    async def _fetch(self, position: Cursor) -> HttpResponse | None:
        """The feed, or None when it has not changed since the cursor."""
        headers = {"Accept": "application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.1"}
        if position.etag:
            headers["If-None-Match"] = position.etag
        if position.modified:
            headers["If-Modified-Since"] = position.modified
        response = await self._fetcher.get(self._url, headers, limit=MAX_FEED)
        if response.status == 304:
            return None
        if response.status in (404, 410):
            raise Unauthorized(f"The feed no longer exists (status {response.status})", FIX)
        if error := http_error(response, FIX):
            raise error
        return response

    async def find(self, url: str) -> IncomingPost | None:  # noqa: ARG002 - a single entry cannot be fetched
        return None

    async def fetch_context(self, request: ContextRequest) -> ThreadContext:  # noqa: ARG002 - there is nothing more to fetch
        return NO_CONTEXT

    async def close(self) -> None:
        await self._fetcher.close()


def _encode(position: Cursor) -> str:
    return msgspec.json.encode(position).decode()


def compare(
    position: Cursor, response: HttpResponse, entries: list[IncomingPost]
) -> tuple[Cursor, tuple[IncomingPost, ...], tuple[IncomingPost, ...]]:
    """The next cursor, the new posts since the last one, and the edits."""
    checksums = {post.native_id: zlib.crc32(post.text.encode(errors="replace")) for post in entries}
    posts = tuple(post for post in entries if post.native_id not in position.seen)
    edits = tuple(
        post
        for post in entries
        if position.seen.get(post.native_id, checksums[post.native_id]) != checksums[post.native_id]
    )
    after = Cursor(response.headers.get("etag", ""), response.headers.get("last-modified", ""), checksums)
    return after, posts, edits


def read_feed(body: bytes, url: str, now: datetime, origin: Origin) -> list[IncomingPost]:
    """The entries, oldest first; raises Rejected for what is not a feed."""
    import feedparser

    try:
        feed = feedparser.parse(body, response_headers={"content-location": url})
    except (ValueError, RecursionError, LookupError) as error:
        raise Unavailable(f"The feed cannot be read: {type(error).__name__}") from error
    if not feed.version and not feed.entries:
        raise Rejected(f"The content of {url} is not a feed.")
    language = feed.feed.get("language") or None
    title = html_to_text(feed.feed.get("title", ""))
    posts = [to_post(entry, url, title, language, now, origin) for entry in feed.entries[:MAX_ENTRIES]]
    unique = {post.native_id: post for post in posts if post is not None}
    return sorted(unique.values(), key=lambda post: post.created_at)


def to_post(
    entry: Any, url: str, title: str, language: str | None, now: datetime, origin: Origin
) -> IncomingPost | None:
    """None for an entry without a text or an id."""
    content = next((part.get("value", "") for part in entry.get("content", ())), "") or entry.get("summary", "")
    headline, body = html_to_text(entry.get("title", "")), html_to_text(content)
    text = headline if body.startswith(headline) and not body else "\n".join(filter(None, (headline, body)))
    guid = entry.get("id") or entry.get("link") or ""
    if not text.strip() or not guid:
        return None
    host = urlsplit(url).hostname or url
    link = entry.get("link", "")
    author = html_to_text(entry.get("author", "")) or title or host
    return IncomingPost(
        platform="feed",
        native_id=f"{host}:{guid}"[:500],
        url=link if urlsplit(link).scheme in ("http", "https") else "",
        author=IncomingAuthor(handle=author[:100], native_id=f"{host}:{author}"[:300], name=author[:100]),
        text=text,
        language=language,
        created_at=min(_time(entry) or now, now),
        origin=origin,
    )


def _time(entry: Any) -> datetime | None:
    """feedparser returns nine numbers in UTC."""
    parsed = entry.get("published_parsed") or entry.get("updated_parsed")
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (OverflowError, ValueError, OSError):
        return None
