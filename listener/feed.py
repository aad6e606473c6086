"""Hearing an RSS or Atom feed, one connection each.

https://www.rssboard.org/rss-specification, https://www.rfc-editor.org/rfc/rfc4287, https://feedparser.readthedocs.io

The native id is `host:guid`. The bookmark keeps what the server wants to see again (ETag, Last-Modified) and a checksum
of every entry in the feed, so that an entry that changed is an edit. A feed says nothing of deletions.
"""

import asyncio
import calendar
import zlib
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from connections.guard import Fetcher
from connections.http import Answer, refused
from models.errors import Rejected, Unauthorized, Unavailable
from models.post import NOTHING_AROUND, Around, Heard, Post, PostAuthor, Sought
from models.text import plain

MAX_FEED: Final = 5_000_000
"""Bytes."""
MAX_ENTRIES: Final = 1_000
FIX: Final = "Check the feed's address in a browser, and its `url` in ascolto.toml."


class Place(msgspec.Struct):
    """The bookmark. `seen` maps each entry's id to the checksum of its text."""

    etag: str = ""
    modified: str = ""
    seen: dict[str, int] = {}


class FeedEar:
    platform = "feed"

    def __init__(self, name: str, url: str, interval: float, fetcher: Fetcher, now: Callable[[], datetime]) -> None:
        self.name = name
        self.silence = 2 * interval
        self._url = url
        self._interval = interval
        self._fetcher = fetcher
        self._now = now

    async def connect(self) -> None:
        await self._fetch(Place())

    async def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        first = bookmark is None
        place = msgspec.json.decode(bookmark, type=Place) if bookmark else Place()
        while True:
            answer = await self._fetch(place)
            if answer is not None:
                posts = await asyncio.to_thread(read_feed, answer.body, self._url, self._now(), first)
                place, news, edits = compare(place, answer, posts)
                yield Heard(bookmark=msgspec.json.encode(place).decode(), posts=news, edits=edits)
                first = False
            else:
                yield Heard(bookmark=msgspec.json.encode(place).decode())
            await asyncio.sleep(self._interval)

    async def _fetch(self, place: Place) -> Answer | None:
        """The feed, or None when it has not changed since the bookmark."""
        headers = {"Accept": "application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.1"}
        if place.etag:
            headers["If-None-Match"] = place.etag
        if place.modified:
            headers["If-Modified-Since"] = place.modified
        answer = await self._fetcher.get(self._url, headers, limit=MAX_FEED)
        if answer.status == 304:
            return None
        if answer.status in (404, 410):
            raise Unauthorized(f"The feed is not there any more (status {answer.status})", FIX)
        if error := refused(answer, FIX):
            raise error
        return answer

    async def find(self, url: str) -> Post | None:  # noqa: ARG002 - a feed cannot be asked for one entry
        return None

    async def around(self, sought: Sought) -> Around:  # noqa: ARG002 - nothing more can be asked
        return NOTHING_AROUND

    async def close(self) -> None:
        await self._fetcher.close()


def compare(place: Place, answer: Answer, posts: list[Post]) -> tuple[Place, tuple[Post, ...], tuple[Post, ...]]:
    """The next bookmark, what is new since the last one, and what has changed."""
    sums = {post.native_id: zlib.crc32(post.text.encode(errors="replace")) for post in posts}
    news = tuple(post for post in posts if post.native_id not in place.seen)
    edits = tuple(
        post for post in posts if place.seen.get(post.native_id, sums[post.native_id]) != sums[post.native_id]
    )
    after = Place(answer.headers.get("etag", ""), answer.headers.get("last-modified", ""), sums)
    return after, news, edits


def read_feed(body: bytes, url: str, now: datetime, first: bool) -> list[Post]:
    """The entries, oldest first; raises Rejected for what is no feed. Entries found at the first look are backfill."""
    import feedparser

    try:
        feed = feedparser.parse(body, response_headers={"content-location": url})
    except (ValueError, RecursionError, LookupError) as error:
        raise Unavailable(f"The feed cannot be read: {type(error).__name__}") from error
    if not feed.version and not feed.entries:
        raise Rejected(f"What {url} gives is not a feed.")
    language = feed.feed.get("language") or None
    title = plain(feed.feed.get("title", ""))
    found = [_to_post(entry, url, title, language, now, first) for entry in feed.entries[:MAX_ENTRIES]]
    posts = {post.native_id: post for post in found if post is not None}
    return sorted(posts.values(), key=lambda post: post.created_at)


def _to_post(entry: Any, url: str, title: str, language: str | None, now: datetime, first: bool) -> Post | None:
    content = next((part.get("value", "") for part in entry.get("content", ())), "") or entry.get("summary", "")
    headline, body = plain(entry.get("title", "")), plain(content)
    text = headline if body.startswith(headline) and not body else "\n".join(filter(None, (headline, body)))
    guid = entry.get("id") or entry.get("link") or ""
    if not text.strip() or not guid:
        return None
    host = urlsplit(url).hostname or url
    link = entry.get("link", "")
    author = plain(entry.get("author", "")) or title or host
    return Post(
        platform="feed",
        native_id=f"{host}:{guid}"[:500],
        url=link if urlsplit(link).scheme in ("http", "https") else "",
        author=PostAuthor(handle=author[:100], native_id=f"{host}:{author}"[:300], name=author[:100]),
        text=text,
        language=language,
        created_at=min(_time(entry) or now, now),
        origin="backfill" if first else "live",
    )


def _time(entry: Any) -> datetime | None:
    """feedparser gives nine numbers in UTC."""
    parsed = entry.get("published_parsed") or entry.get("updated_parsed")
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (OverflowError, ValueError, OSError):
        return None
