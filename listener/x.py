"""Hearing X: what names our account, what a search finds, and if wanted the same search as a stream.

https://docs.x.com/x-api/posts/timelines, https://docs.x.com/x-api/posts/search/introduction,
https://docs.x.com/x-api/posts/filtered-stream/introduction

The native id is the post's, of its first version where it was edited. The bookmark holds the newest id of each source, and what
was spent this month. Every post that is read is paid for: nothing is asked for that the month's budget does not cover.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from html import unescape
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec

from connections.http import Answer
from connections.x import POST_FIELDS, Page, Tweet, User, X, checked
from models.errors import EdgeError, Rejected, Unavailable
from models.post import NOTHING_AROUND, Around, Heard, Post, PostAuthor, Sought

MOST: Final = 100
"""Posts a call."""
PAGES: Final = 10
"""Most pages that are read after a break, of each source."""
FIRST: Final = 10
"""Posts that are read where nothing was before."""
PULSE: Final = 25.0
KEEP_ALIVE: Final = 30.0
"""Seconds; the stream says something every twenty."""
MAX_LINE: Final = 1_000_000
PARENTS: Final = 3
"""How far up a thread is read, a paid post each."""
NO_LANGUAGE: Final = frozenset({"und", "zxx", "art", "qam", "qct", "qht", "qme", "qst"})


class Place(msgspec.Struct, omit_defaults=True):
    """The bookmark."""

    newest: dict[str, str] = {}
    month: str = ""
    spent: float = 0.0


class XEar:
    platform = "x"

    def __init__(self, connection: X, *, search: str, stream: bool, interval: float) -> None:
        self.name = connection.name
        self.silence = max(90.0, 2 * interval)
        self._connection = connection
        self._search = search
        self._stream = stream and bool(search)
        self._interval = interval
        self._told: asyncio.Queue[Page] = asyncio.Queue()

    async def connect(self) -> str | None:
        """Says what the search will cost: before anybody runs it is the time to know."""
        await self._connection.prove()
        ledger = self._connection.ledger
        if not self._search:
            return None
        count = await self._connection.expected(self._search)
        cost = count * (ledger.prices.post + ledger.prices.author)
        of = f" of a budget of {ledger.budget:.2f}" if ledger.budget else "; there is no budget (`monthly_budget`)"
        said = f"the search finds about {count:,} posts a month, which costs about {cost:.2f}{of}."
        return said if not ledger.budget or cost > ledger.budget / 2 else None

    async def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        place = msgspec.json.decode(bookmark, type=Place) if bookmark else Place()
        self._connection.ledger.resume(place.month, place.spent)
        self._caught_up = False
        me = await self._connection.open()
        streaming = asyncio.ensure_future(self._streamed()) if self._stream else None
        try:
            while True:
                for source in self._sources(me):
                    posts, edits, newest = await self._since(source, place.newest.get(source), me)
                    place.newest.pop(source, None)
                    if newest:
                        place.newest[source] = newest
                    yield Heard(bookmark=self._written(place), posts=tuple(posts), edits=tuple(edits))
                async for page in self._until_due(streaming):
                    posts, edits = read(page, me)
                    if page.data:
                        newest = _newest([*(post.id for post in page.data), place.newest.get("search", "0")])
                        place.newest["search"] = newest
                    yield Heard(bookmark=self._written(place), posts=tuple(posts), edits=tuple(edits))
        finally:
            if streaming is not None:
                streaming.cancel()
                await asyncio.gather(streaming, return_exceptions=True)

    def _sources(self, me: User | None) -> list[str]:
        """A stream tells what the search would find, so it is only searched after a break, once."""
        searched = bool(self._search) and not (self._stream and self._caught_up)
        self._caught_up = True
        return [*(["mentions", "own"] if me else []), *(["search"] if searched else [])]

    _caught_up = False

    async def _since(self, source: str, since: str | None, me: User | None) -> tuple[list[Post], list[Post], str]:
        """What a source has since an id, oldest first, and the newest id; at the first look only the last few."""
        if since is None:
            page = await self._page(source, me, FIRST)
            posts, edits = read(page, me, backfill=True)
            return posts, edits, _newest([*(post.id for post in page.data), ""])
        pages: list[Page] = []
        parameters: dict[str, str] = {"since_id": since}
        with suppress(
            Rejected
        ):  # an id that is too old for a search, which goes back a week: then the next look is a first one
            for _ in range(PAGES):
                pages.append(await self._page(source, me, MOST, **parameters))
                if not (token := pages[-1].meta.next_token):
                    break
                parameters["next_token" if source == "search" else "pagination_token"] = token
        posts, edits = [], []
        for page in reversed(pages):
            more, changed = read(page, me)
            posts, edits = posts + more, edits + changed
        newest = _newest([since, *(post.id for page in pages for post in page.data)])
        return posts, edits, newest if pages else ""

    async def _page(self, source: str, me: User | None, wanted: int, **parameters: str) -> Page:
        if source == "search" or me is None:
            return await self._connection.search(self._search, wanted, **parameters)
        method = self._connection.mentions if source == "mentions" else self._connection.posts_of
        return await method(me.id, wanted, **parameters)

    async def _until_due(self, streaming: "asyncio.Future[None] | None") -> AsyncGenerator[Page, None]:
        """What the stream tells until the next look is due, with signs of life in between."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._interval
        while (left := due - loop.time()) > 0:
            waiting: asyncio.Future[Any] = asyncio.ensure_future(self._told.get())
            both = {waiting, streaming} if streaming is not None else {waiting}
            done, _ = await asyncio.wait(both, timeout=min(left, PULSE), return_when=asyncio.FIRST_COMPLETED)
            if waiting in done:
                yield waiting.result()
                continue
            waiting.cancel()
            if streaming is not None and streaming in done:
                self._caught_up = False
                streaming.result()
            yield Page()

    async def _streamed(self) -> None:
        """The search as a filtered stream, paid for post by post; ends with an error of ours."""
        connection = self._connection
        await self._set_rule()
        fields = {
            "tweet.fields": ",".join(POST_FIELDS),
            "user.fields": "name,username,public_metrics",
            "expansions": "author_id",
        }
        url = f"{connection.base_url}/2/tweets/search/stream?{urlencode(fields)}"
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=KEEP_ALIVE)
        try:
            async with connection.http.get(url, headers=connection.headers, timeout=timeout) as answer:
                if answer.status != 200:
                    headers = {name.lower(): value for name, value in answer.headers.items()}
                    checked(Answer(answer.status, headers, await answer.content.read(100_000), url))
                async for line in _lines(answer.content):
                    self._take(line)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"X's stream broke off: {str(error) or type(error).__name__}") from error
        raise Unavailable("X closed the stream.")

    def _take(self, line: bytes) -> None:
        """One line: a post, a keep-alive, or X's word on why it ends the stream."""
        told = decode(line)
        if told is None:
            return
        if told.errors:
            raise Unavailable(
                f"X ends the stream: {told.errors[0].get('title') or told.errors[0].get('detail') or '?'}"
            )
        if told.data is not None:
            ledger = self._connection.ledger
            ledger.charge(ledger.prices.post + ledger.prices.author)
            self._told.put_nowait(Page(data=[told.data], includes=told.includes))
            ledger.posts(1, 1)

    async def _set_rule(self) -> None:
        """Our rule among the stream's, and no older one of ours."""
        ours = [rule for rule in await self._connection.rules() if rule.tag == f"ascolto {self.name}"]
        old = [rule.id for rule in ours if rule.value != self._search]
        missing = all(rule.value != self._search for rule in ours)
        await self._connection.change_rules(add=[self._search] if missing else [], remove=old)

    def _written(self, place: Place) -> str:
        ledger = self._connection.ledger
        ledger.charge(0.0)
        place.month, place.spent = ledger.month, round(ledger.spent, 6)
        return msgspec.json.encode(place).decode()

    async def gone(self, native_ids: Sequence[str]) -> Collection[str]:
        """Which of these posts are not there any more."""
        page = await self._connection.posts(native_ids)
        there = {number for post in page.data for number in (post.id, *_history(post))}
        return [native_id for native_id in native_ids if native_id not in there]

    async def find(self, url: str) -> Post | None:
        """https://x.com/NAME/status/ID"""
        parts = urlsplit(url)
        found = re.fullmatch(r"/\w+/status/(\d+)", parts.path)
        if parts.hostname not in ("x.com", "twitter.com", "www.x.com", "mobile.x.com") or not found:
            return None
        try:
            page = await self._connection.posts([found[1]])
        except EdgeError:
            return None
        posts, edits = read(page, self._connection.me)
        return next(iter((*posts, *edits)), None)

    async def around(self, sought: Sought) -> Around:
        """The posts that it answers, as long as the budget has room; names and reach come with every post."""
        before: list[Post] = []
        parent = sought.parent
        while parent and len(before) < PARENTS:
            page = await self._connection.posts([parent])
            posts, edits = read(page, self._connection.me)
            above = next(iter((*posts, *edits)), None)
            if above is None:
                break
            before.append(above)
            parent = above.parent
        return Around(before=tuple(reversed(before))) if before else NOTHING_AROUND

    async def close(self) -> None:
        await self._connection.close()


async def _lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    """Lines of a stream, one that is too long left out."""
    held, skipping = b"", False
    async for piece in content.iter_any():
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            if not skipping:
                yield line.strip()
            skipping = False
        if len(held) > MAX_LINE:
            held, skipping = b"", True


class _Told(msgspec.Struct):
    data: Tweet | None = None
    includes: Any = None
    errors: list[dict[str, Any]] = []


def decode(line: bytes) -> "Any | None":
    """A line of the stream; None for a keep-alive and for what is malformed."""
    try:
        told = msgspec.json.decode(line, type=_Told)
        told.includes = msgspec.convert(told.includes or {}, type(Page().includes), strict=False)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    return told


def _newest(ids: Sequence[str]) -> str:
    return max(ids, key=lambda text: (len(text), text))


def _history(post: Tweet) -> list[str]:
    return post.edit_history_tweet_ids or post.edit_history_post_ids


def read(page: Page, me: User | None, *, backfill: bool = False) -> tuple[list[Post], list[Post]]:
    """The posts of a page and those that are a later version of one, oldest first; reposts are nobody's words."""
    users = {user.id: user for user in page.includes.users}
    posts: list[Post] = []
    edits: list[Post] = []
    for tweet in sorted(page.data, key=lambda tweet: (len(tweet.id), tweet.id)):
        references = {r.type: r.id for r in (*tweet.referenced_tweets, *tweet.referenced_posts)}
        if "retweeted" in references or "reposted" in references:
            continue
        post = to_post(tweet, references, users.get(tweet.author_id), me)
        if backfill:
            post = msgspec.structs.replace(post, origin="backfill")
        (edits if post.native_id != tweet.id else posts).append(post)
    return posts, edits


def to_post(tweet: Tweet, references: Mapping[str, str], author: User | None, me: User | None) -> Post:
    history = _history(tweet)
    note = tweet.note_tweet or tweet.note_post
    text = unescape(note.text if note else tweet.text)  # X gives & < > as HTML does
    handle = author.username if author else tweet.author_id
    ours = me is not None and tweet.author_id == me.id
    likes = {"likes": "like_count", "shares": "retweet_count", "replies": "reply_count"}
    return Post(
        platform="x",
        native_id=history[0] if history else tweet.id,
        url=f"https://x.com/{handle if author else 'i'}/status/{tweet.id}",
        author=PostAuthor(
            handle=handle,
            native_id=tweet.author_id,
            name=author.name if author else "",
            followers=author.public_metrics.followers_count if author else None,
            url=f"https://x.com/{handle}" if author else "",
        ),
        text=text,
        language=tweet.lang if tweet.lang and tweet.lang not in NO_LANGUAGE else None,
        thread=tweet.conversation_id or tweet.id,
        parent=references.get("replied_to"),
        created_at=tweet.created_at or datetime.now(UTC),
        metrics={
            ours_: tweet.public_metrics[theirs] for ours_, theirs in likes.items() if theirs in tweet.public_metrics
        },
        ours=ours,
        to_us=me is not None
        and not ours
        and re.search(rf"@{re.escape(me.username)}\b", text, re.IGNORECASE) is not None,
    )
