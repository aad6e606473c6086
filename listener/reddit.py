"""Reddit: new posts and comments of some subreddits, a search, and with keys the account's inbox.

https://www.reddit.com/wiki/rss, https://www.reddit.com/dev/api#GET_new

The native id is the full name (t3_ a post, t1_ a comment). The cursor holds a checksum of every entry of each listing when it was
last read: an entry that is not in it is new, one with a different checksum was edited. Feeds hold the last hundred entries, and
are polled often enough for that; with keys a listing is read page by page back to an entry in the cursor.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from connections.reddit import PAGE, Reddit, Thing
from models.errors import EdgeError
from models.incoming import NO_CONTEXT, ContextRequest, IncomingAuthor, IncomingPost, ListenerBatch, ThreadContext

MAX_PAGES: Final = 10
"""Pages that are read after an interruption, with keys."""
HEARTBEAT: Final = 25.0
"""Seconds between empty batches while nothing happens."""

Checksums = dict[str, int]
"""Full name → checksum of the text."""


class RedditListener:
    platform = "reddit"

    def __init__(self, connection: Reddit, *, subreddits: Sequence[str], search: str, interval: float) -> None:
        self.name = connection.name
        self.silence_timeout = max(90.0, 2 * interval)
        self._connection = connection
        self._interval = interval
        self._listings = _listings(
            [name.removeprefix("r/") for name in subreddits], search, has_keys=connection.has_keys
        )

    async def connect(self) -> str | None:
        await self._connection.verify_credentials()
        for path, parameters in self._listings.values():
            await self._connection.listing(path, {**parameters, "limit": "1"})
        return None if self._listings else "it has neither `subreddits` nor a `search`, so it receives nothing."

    async def listen(self, cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        position = msgspec.json.decode(cursor, type=dict[str, Checksums]) if cursor else {}
        await self._connection.open()
        while True:
            for name in self._listings:
                things = await self._since(name, position.get(name))
                posts, edits, position[name] = compare(things, position.get(name), self._connection.account)
                inbox = name == "inbox"
                posts = [msgspec.structs.replace(post, addresses_us=inbox and not post.ours) for post in posts]
                yield ListenerBatch(cursor=_encode(position), posts=tuple(posts), edits=tuple(edits))
            remaining = self._interval
            while remaining > 0:
                await asyncio.sleep(min(remaining, HEARTBEAT))
                remaining -= HEARTBEAT
                yield ListenerBatch(cursor=_encode(position))

    async def _since(self, name: str, previous: Checksums | None) -> list[Thing]:
        """A listing, newest first, back to the first page with an entry that was there before."""
        path, parameters = self._listings[name]
        page = things = await self._connection.listing(path, parameters)
        for _ in range(MAX_PAGES - 1):
            complete = previous is None or any(thing.id in previous for thing in page)
            if complete or len(page) < PAGE or not self._connection.has_keys:
                break
            page = await self._connection.listing(path, {**parameters, "after": page[-1].id})
            things = things + page
        return things

    async def find_deleted(self, native_ids: Sequence[str]) -> Collection[str]:
        """Which of these posts and comments no longer exist; empty without keys, as it cannot be looked up."""
        if not self._connection.has_keys:
            return ()
        names = [native_id for native_id in native_ids if native_id.startswith(("t1_", "t3_"))]
        things = await self._connection.listing("/api/info", {"id": ",".join(names)}) if names else []
        existing = {thing.id for thing in things if not thing.deleted}
        return [name for name in names if name not in existing]

    async def find(self, url: str) -> IncomingPost | None:
        """The permalink of a post or a comment; needs keys."""
        parts = urlsplit(url).path.strip("/").split("/")
        if len(parts) < 4 or (parts[0], parts[2]) != ("r", "comments") or not self._connection.has_keys:
            return None
        native_id = f"t1_{parts[5]}" if len(parts) > 5 else f"t3_{parts[3]}"
        try:
            things = await self._connection.listing("/api/info", {"id": native_id})
        except EdgeError:
            return None
        return to_post(things[0], self._connection.account) if things else None

    async def fetch_context(self, request: ContextRequest) -> ThreadContext:
        """The thread's post and the comment that it answers; needs keys."""
        above = dict.fromkeys(name for name in (request.thread, request.parent) if name and name != request.native_id)
        names = [name for name in above if name.startswith(("t1_", "t3_"))]
        if not names or not self._connection.has_keys:
            return NO_CONTEXT
        things = await self._connection.listing("/api/info", {"id": ",".join(names)})
        posts = [to_post(thing, self._connection.account) for thing in things if not thing.deleted]
        return ThreadContext(earlier_posts=tuple(sorted(posts, key=lambda post: post.created_at)))

    async def close(self) -> None:
        await self._connection.close()


def _listings(subreddits: Sequence[str], search: str, *, has_keys: bool) -> dict[str, tuple[str, dict[str, str]]]:
    """Name → path and parameters."""
    listings: dict[str, tuple[str, dict[str, str]]] = {}
    if subreddits:
        joined = "+".join(subreddits)
        listings["posts"] = (f"/r/{joined}/new", {})
        listings["comments"] = (f"/r/{joined}/comments", {})
    if search:
        listings["search"] = ("/search", {"q": search, "sort": "new"})
    if has_keys:
        listings["inbox"] = ("/message/inbox", {})
    return listings


def compare(
    things: Sequence[Thing], previous: Checksums | None, account: str
) -> tuple[list[IncomingPost], list[IncomingPost], Checksums]:
    """The new posts of a listing, oldest first, its edits and its checksums; without previous ones all posts are backfill."""
    checksums = {thing.id: zlib.crc32(thing.text.encode(errors="replace")) for thing in things}
    existing = [thing for thing in things if not thing.deleted and thing.author]
    origin = "backfill" if previous is None else "live"
    previous = previous or {}
    posts = [to_post(thing, account) for thing in existing if thing.id not in previous]
    posts = [msgspec.structs.replace(post, origin=origin) for post in posts]
    edited = [thing for thing in existing if previous.get(thing.id, checksums[thing.id]) != checksums[thing.id]]
    posts.sort(key=lambda post: post.created_at)
    return posts, [to_post(thing, account) for thing in edited], checksums or previous


def _encode(position: dict[str, Checksums]) -> str:
    return msgspec.json.encode(position).decode()


def to_post(thing: Thing, account: str) -> IncomingPost:
    return IncomingPost(
        platform="reddit",
        native_id=thing.id,
        url=thing.url if urlsplit(thing.url).scheme in ("http", "https") else "",
        author=IncomingAuthor(handle=thing.author),
        text=thing.text,
        thread=thing.thread,
        parent=thing.parent,
        created_at=thing.created_at,
        ours=bool(account) and thing.author.casefold() == account.casefold(),
    )
