"""Hearing Reddit: new posts and comments of some subreddits, a search, and with a key what is written to the account.

https://www.reddit.com/wiki/rss, https://www.reddit.com/dev/api#GET_new

The native id is the full name (t3_ a post, t1_ a comment). The bookmark holds a checksum of everything that stood in each listing
at the last look: what is not in it is new, what has another checksum was edited. Feeds hold the last hundred, and are looked at
often enough for that; with a key the listing is read on until something known is met.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from connections.reddit import PAGE, Reddit, Thing
from models.errors import EdgeError
from models.post import NOTHING_AROUND, Around, Heard, Post, PostAuthor, Sought

PAGES: Final = 10
"""Most pages that are read after a break, with a key."""
PULSE: Final = 25.0

Seen = dict[str, dict[str, int]]
"""Listing → full name → checksum."""


class RedditEar:
    platform = "reddit"

    def __init__(self, connection: Reddit, *, subreddits: Sequence[str], search: str, interval: float) -> None:
        self.name = connection.name
        self.silence = max(90.0, 2 * interval)
        self._connection = connection
        self._interval = interval
        self._listings = _listings([name.removeprefix("r/") for name in subreddits], search, keyed=connection.keyed)

    async def connect(self) -> str | None:
        await self._connection.prove()
        for path, parameters in self._listings.values():
            await self._connection.listing(path, {**parameters, "limit": "1"})
        return None if self._listings else "it has neither `subreddits` nor a `search`, so nothing is heard."

    async def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        seen = msgspec.json.decode(bookmark, type=Seen) if bookmark else {}
        await self._connection.open()
        while True:
            for name in self._listings:
                found = await self._since(name, seen.get(name))
                posts, edits, seen[name] = compare(found, seen.get(name), self._connection.account)
                to_us = name == "inbox"
                posts = [msgspec.structs.replace(post, to_us=to_us and not post.ours) for post in posts]
                yield Heard(bookmark=_written(seen), posts=tuple(posts), edits=tuple(edits))
            left = self._interval
            while left > 0:
                await asyncio.sleep(min(left, PULSE))
                left -= PULSE
                yield Heard(bookmark=_written(seen))

    async def _since(self, name: str, known: dict[str, int] | None) -> list[Thing]:
        """A listing down to what is known."""
        path, parameters = self._listings[name]
        found = await self._connection.listing(path, parameters)
        page = found
        for _ in range(PAGES - 1):
            met = known is None or any(thing.id in known for thing in page)
            if met or len(page) < PAGE or not self._connection.keyed:
                break
            page = await self._connection.listing(path, {**parameters, "after": page[-1].id})
            found = found + page
        return found

    async def gone(self, native_ids: Sequence[str]) -> Collection[str]:
        """Which of these are not there any more; nothing can be told without a key."""
        if not self._connection.keyed:
            return ()
        asked = [native_id for native_id in native_ids if native_id.startswith(("t1_", "t3_"))]
        found = await self._connection.listing("/api/info", {"id": ",".join(asked)}) if asked else []
        there = {thing.id for thing in found if not thing.gone}
        return [native_id for native_id in asked if native_id not in there]

    async def find(self, url: str) -> Post | None:
        """An address of a post or a comment, looked up with a key."""
        parts = urlsplit(url).path.strip("/").split("/")
        if len(parts) < 4 or (parts[0], parts[2]) != ("r", "comments") or not self._connection.keyed:
            return None
        native_id = f"t1_{parts[5]}" if len(parts) > 5 else f"t3_{parts[3]}"
        try:
            found = await self._connection.listing("/api/info", {"id": native_id})
        except EdgeError:
            return None
        return to_post(found[0], self._connection.account) if found else None

    async def around(self, sought: Sought) -> Around:
        """What it answers, and the post above all, with a key."""
        names = dict.fromkeys(name for name in (sought.thread, sought.parent) if name and name != sought.native_id)
        wanted = [name for name in names if name.startswith(("t1_", "t3_"))]
        if not wanted or not self._connection.keyed:
            return NOTHING_AROUND
        found = await self._connection.listing("/api/info", {"id": ",".join(wanted)})
        posts = [to_post(thing, self._connection.account) for thing in found if not thing.gone]
        return Around(before=tuple(sorted(posts, key=lambda post: post.created_at)))

    async def close(self) -> None:
        await self._connection.close()


def _listings(subreddits: Sequence[str], search: str, *, keyed: bool) -> dict[str, tuple[str, dict[str, str]]]:
    """Name → path and parameters."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    if subreddits:
        where = "+".join(subreddits)
        found["posts"] = (f"/r/{where}/new", {})
        found["comments"] = (f"/r/{where}/comments", {})
    if search:
        found["search"] = ("/search", {"q": search, "sort": "new"})
    if keyed:
        found["inbox"] = ("/message/inbox", {})
    return found


def compare(
    found: Sequence[Thing], known: dict[str, int] | None, own: str
) -> tuple[list[Post], list[Post], dict[str, int]]:
    """What is new since the last look, what was edited, and the checksums of this one; the first look is the past."""
    sums = {thing.id: zlib.crc32(thing.text.encode(errors="replace")) for thing in found}
    there = [thing for thing in found if not thing.gone and thing.author]
    origin = "backfill" if known is None else "live"
    before = known or {}
    news = [to_post(thing, own) for thing in there if thing.id not in before]
    news = [msgspec.structs.replace(post, origin=origin) for post in news]
    edits = [to_post(thing, own) for thing in there if before.get(thing.id, sums[thing.id]) != sums[thing.id]]
    news.sort(key=lambda post: post.created_at)
    return news, edits, sums or before


def _written(seen: Seen) -> str:
    return msgspec.json.encode(seen).decode()


def to_post(thing: Thing, own: str) -> Post:
    return Post(
        platform="reddit",
        native_id=thing.id,
        url=thing.url if urlsplit(thing.url).scheme in ("http", "https") else "",
        author=PostAuthor(handle=thing.author),
        text=thing.text,
        thread=thing.thread,
        parent=thing.parent,
        created_at=thing.at,
        ours=bool(own) and thing.author.casefold() == own.casefold(),
    )
