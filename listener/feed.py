"""An RSS or Atom feed, one connection each.

https://www.rssboard.org/rss-specification, https://www.rfc-editor.org/rfc/rfc4287

The native id is `host:guid`; where the guid does not tell entries apart, the link, else the text. The cursor holds the
address, the validators of the last response (ETag, Last-Modified) and a checksum of every entry in the feed, so that an entry
that changed is an edit, and one that is there again under another guid is known. A feed does not report deletions.
"""

import asyncio
import hashlib
import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from connections.feeds import Entry, Feed, FeedReader
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
from models.text import safe_url

MAX_FEED: Final = 5_000_000
"""Bytes."""
FIX: Final = "Open the feed's URL in a browser, and check its `url` in ascolto.toml."


class Cursor(msgspec.Struct):
    """`seen` maps each entry's native id to the checksum of its text."""

    etag: str = ""
    modified: str = ""
    seen: dict[str, int] = {}
    url: str = ""


class FeedListener:
    platform = "feed"

    def __init__(
        self, name: str, url: str, interval: float, fetcher: Fetcher, reader: FeedReader, now: Callable[[], datetime]
    ) -> None:
        self.name = name
        self.silence_timeout = 2 * interval
        self._url = url
        self._interval = interval
        self._fetcher = fetcher
        self._reader = reader
        self._now = now

    async def connect(self) -> None:
        await self._fetch(Cursor())

    async def listen(self, cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        position = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
        if position.url not in (
            "",
            self._url,
        ):  # the validators of another address say nothing, and all of it is new here
            cursor, position = None, Cursor(seen=position.seen)
        origin: Origin = "live" if cursor is not None else "backfill"
        while True:
            response = await self._fetch(position)
            if response is not None:
                posts = to_posts(await self._read(response), self._url, self._now(), origin)
                position, new, edits = compare(position, response, self._url, posts)
                yield ListenerBatch(cursor=_encode(position), posts=new, edits=edits)
                origin = "live"
            else:
                yield ListenerBatch(cursor=_encode(position))
            await asyncio.sleep(self._interval)

    async def _read(self, response: HttpResponse) -> Feed:
        try:
            feed = await self._reader.read(response.body, self._url, response.charset)
        except TimeoutError as error:
            raise Unavailable("The feed takes too long to read: something in it is malformed.") from error
        if not feed.is_feed:
            raise Rejected(f"The content of {self._url} is not a feed.")
        return feed

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
    position: Cursor, response: HttpResponse, url: str, posts: Sequence[IncomingPost]
) -> tuple[Cursor, tuple[IncomingPost, ...], tuple[IncomingPost, ...]]:
    """The next cursor, the new posts since the last one, and the edits.

    An entry that vanished under one id and is there under another is not new: the site has changed its ids.
    """
    checksums = {post.native_id: zlib.crc32(post.text.encode(errors="replace")) for post in posts}
    renamed = {checksum for native_id, checksum in position.seen.items() if native_id not in checksums}
    new = tuple(
        post for post in posts if post.native_id not in position.seen and checksums[post.native_id] not in renamed
    )
    edits = tuple(
        post
        for post in posts
        if position.seen.get(post.native_id, checksums[post.native_id]) != checksums[post.native_id]
    )
    headers = response.headers
    return Cursor(headers.get("etag", ""), headers.get("last-modified", ""), checksums, url), new, edits


def to_posts(feed: Feed, url: str, now: datetime, origin: Origin) -> list[IncomingPost]:
    """The entries with a text, oldest first."""
    guids = Counter(entry.guid for entry in feed.entries)
    links = Counter(entry.link for entry in feed.entries)
    posts: dict[str, IncomingPost] = {}
    for entry in feed.entries:
        identity = next(
            (name for name, count in ((entry.guid, guids), (entry.link, links)) if name and count[name] == 1), ""
        )
        if post := to_post(entry, feed, url, identity or _fingerprint(entry), now, origin):
            posts.setdefault(post.native_id, post)
    return sorted(posts.values(), key=lambda post: post.created_at)


def _fingerprint(entry: Entry) -> str:
    """What tells an entry from others where the publisher's ids do not."""
    words = "\n".join((entry.guid, entry.link, entry.title or entry.body, str(entry.published)))
    return hashlib.sha256(words.encode(errors="replace")).hexdigest()[:32]


def to_post(entry: Entry, feed: Feed, url: str, identity: str, now: datetime, origin: Origin) -> IncomingPost | None:
    """None for an entry without a text."""
    repeated = entry.body.startswith(entry.title.removesuffix("…").removesuffix("...").rstrip())
    text = entry.body if entry.title and repeated else "\n".join(filter(None, (entry.title, entry.body)))
    if not text.strip():
        return None
    host = urlsplit(url).hostname or url
    author = entry.author or feed.title or host
    return IncomingPost(
        platform="feed",
        native_id=f"{host}:{identity}"[:500],
        url=safe_url(entry.link),
        author=IncomingAuthor(handle=author[:100], native_id=f"{host}:{author}"[:300], name=author[:100]),
        text=text,
        language=feed.language or None,
        created_at=min(entry.published or now, now),
        dated=entry.published is not None,
        origin=origin,
    )
