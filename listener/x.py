"""X: mentions of our account, our own posts, and a search, which can also be a stream.

https://docs.x.com/x-api/posts/timelines, https://docs.x.com/x-api/posts/search/introduction,
https://docs.x.com/x-api/posts/filtered-stream/introduction

The native id is the post's, of its first version where it was edited. The cursor holds the newest id of each source and what
was spent this month. Every post read is paid for: no call is made that the monthly budget does not cover.
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

from connections.http import HttpResponse
from connections.x import POST_FIELDS, Page, Tweet, User, X, checked
from models.errors import EdgeError, Rejected, Unavailable
from models.incoming import NO_CONTEXT, ContextRequest, IncomingAuthor, IncomingPost, ListenerBatch, ThreadContext

PAGE: Final = 100
"""Posts per call."""
MAX_PAGES: Final = 10
"""Pages that are read after an interruption, of each source."""
FIRST_PAGE: Final = 10
"""Posts that are read of a source without a cursor."""
HEARTBEAT: Final = 25.0
"""Seconds between empty batches while nothing happens."""
STREAM_TIMEOUT: Final = 30.0
"""Seconds; the stream sends a keep-alive every twenty."""
MAX_LINE: Final = 1_000_000
"""Bytes."""
MAX_PARENTS: Final = 3
"""Posts that are read above a mention, each of them paid for."""
NO_LANGUAGE: Final = frozenset({"und", "zxx", "art", "qam", "qct", "qht", "qme", "qst"})


class Cursor(msgspec.Struct, omit_defaults=True):
    """`newest` has the newest id of each source."""

    newest: dict[str, str] = {}
    month: str = ""
    spent: float = 0.0


class XListener:
    platform = "x"

    def __init__(self, connection: X, *, search: str, stream: bool, interval: float) -> None:
        self.name = connection.name
        self.silence_timeout = max(90.0, 2 * interval)
        self._connection = connection
        self._search = search
        self._stream = stream and bool(search)
        self._interval = interval
        self._streamed: asyncio.Queue[Page] = asyncio.Queue()

    async def connect(self) -> str | None:
        """Returns what the search will probably cost, where that is more than half of the budget or there is none."""
        await self._connection.verify_credentials()
        ledger = self._connection.ledger
        if not self._search:
            return None
        count = await self._connection.monthly_posts(self._search)
        cost = count * (ledger.prices.post + ledger.prices.author)
        budget = f" of a budget of {ledger.budget:.2f}" if ledger.budget else "; there is no budget (`monthly_budget`)"
        note = f"the search finds about {count:,} posts a month, which costs about {cost:.2f}{budget}."
        return note if not ledger.budget or cost > ledger.budget / 2 else None

    async def listen(self, cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        position = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
        self._connection.ledger.resume(position.month, position.spent)
        self._caught_up = False
        account = await self._connection.open()
        streaming = asyncio.ensure_future(self._read_stream()) if self._stream else None
        try:
            while True:
                for source in self._sources(account):
                    posts, edits, newest = await self._since(source, position.newest.get(source), account)
                    position.newest.pop(source, None)
                    if newest:
                        position.newest[source] = newest
                    yield ListenerBatch(cursor=self._encode(position), posts=tuple(posts), edits=tuple(edits))
                async for page in self._until_due(streaming):
                    posts, edits = read(page, account)
                    if page.data:
                        newest = _newest([*(post.id for post in page.data), position.newest.get("search", "0")])
                        position.newest["search"] = newest
                    yield ListenerBatch(cursor=self._encode(position), posts=tuple(posts), edits=tuple(edits))
        finally:
            if streaming is not None:
                streaming.cancel()
                await asyncio.gather(streaming, return_exceptions=True)

    def _sources(self, account: User | None) -> list[str]:
        """The stream has everything that the search would find, so the search is only made once, after an interruption."""
        searched = bool(self._search) and not (self._stream and self._caught_up)
        self._caught_up = True
        return [*(["mentions", "own"] if account else []), *(["search"] if searched else [])]

    _caught_up = False

    async def _since(
        self, source: str, since: str | None, account: User | None
    ) -> tuple[list[IncomingPost], list[IncomingPost], str]:
        """Posts and edits since an id, oldest first, and the newest id; without an id only the latest few."""
        if since is None:
            page = await self._page(source, account, FIRST_PAGE)
            posts, edits = read(page, account, backfill=True)
            return posts, edits, _newest([*(post.id for post in page.data), ""])
        pages: list[Page] = []
        parameters: dict[str, str] = {"since_id": since}
        # A search goes back a week and rejects an older id; the next one is then made without an id.
        with suppress(Rejected):
            for _ in range(MAX_PAGES):
                pages.append(await self._page(source, account, PAGE, **parameters))
                if not (token := pages[-1].meta.next_token):
                    break
                parameters["next_token" if source == "search" else "pagination_token"] = token
        posts, edits = [], []
        for page in reversed(pages):
            page_posts, page_edits = read(page, account)
            posts, edits = posts + page_posts, edits + page_edits
        newest = _newest([since, *(post.id for page in pages for post in page.data)])
        return posts, edits, newest if pages else ""

    async def _page(self, source: str, account: User | None, maximum: int, **parameters: str) -> Page:
        if source == "search" or account is None:
            return await self._connection.search(self._search, maximum, **parameters)
        method = self._connection.mentions if source == "mentions" else self._connection.posts_of
        return await method(account.id, maximum, **parameters)

    async def _until_due(self, streaming: "asyncio.Future[None] | None") -> AsyncGenerator[Page, None]:
        """Pages from the stream until the next poll is due, with empty ones as signs of life."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._interval
        while (remaining := due - loop.time()) > 0:
            waiting: asyncio.Future[Any] = asyncio.ensure_future(self._streamed.get())
            futures = {waiting, streaming} if streaming is not None else {waiting}
            done, _ = await asyncio.wait(
                futures, timeout=min(remaining, HEARTBEAT), return_when=asyncio.FIRST_COMPLETED
            )
            if waiting in done:
                yield waiting.result()
                continue
            waiting.cancel()
            if streaming is not None and streaming in done:
                self._caught_up = False
                streaming.result()
            yield Page()

    async def _read_stream(self) -> None:
        """Reads the search as a filtered stream, in which each post is paid for; always ends with an EdgeError."""
        connection = self._connection
        await self._set_rule()
        fields = {
            "tweet.fields": ",".join(POST_FIELDS),
            "user.fields": "name,username,public_metrics",
            "expansions": "author_id",
        }
        url = f"{connection.base_url}/2/tweets/search/stream?{urlencode(fields)}"
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=STREAM_TIMEOUT)
        try:
            async with connection.http.get(url, headers=connection.headers, timeout=timeout) as response:
                if response.status != 200:
                    headers = {name.lower(): value for name, value in response.headers.items()}
                    checked(HttpResponse(response.status, headers, await response.content.read(100_000), url))
                async for line in _lines(response.content):
                    self._receive(line)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"X's stream was interrupted: {str(error) or type(error).__name__}") from error
        raise Unavailable("X closed the stream.")

    def _receive(self, line: bytes) -> None:
        """One line: a post, a keep-alive, or the reason why X closes the stream."""
        event = decode(line)
        if event is None:
            return
        if event.errors:
            reason = event.errors[0].get("title") or event.errors[0].get("detail") or "?"
            raise Unavailable(f"X closed the stream: {reason}")
        if event.data is not None:
            ledger = self._connection.ledger
            ledger.charge(ledger.prices.post + ledger.prices.author)
            self._streamed.put_nowait(Page(data=[event.data], includes=event.includes))
            ledger.allowed_posts(1, 1)

    async def _set_rule(self) -> None:
        """Adds our rule to the stream's where it is missing, and removes older ones of ours."""
        ours = [rule for rule in await self._connection.rules() if rule.tag == f"ascolto {self.name}"]
        old = [rule.id for rule in ours if rule.value != self._search]
        missing = all(rule.value != self._search for rule in ours)
        await self._connection.change_rules(add=[self._search] if missing else [], remove=old)

    def _encode(self, position: Cursor) -> str:
        ledger = self._connection.ledger
        ledger.charge(0.0)  # a new month may have started
        position.month, position.spent = ledger.month, round(ledger.spent, 6)
        return msgspec.json.encode(position).decode()

    async def find_deleted(self, native_ids: Sequence[str]) -> Collection[str]:
        """Which of these posts no longer exist."""
        page = await self._connection.posts(native_ids)
        existing = {post_id for post in page.data for post_id in (post.id, *_history(post))}
        return [native_id for native_id in native_ids if native_id not in existing]

    async def find(self, url: str) -> IncomingPost | None:
        """https://x.com/NAME/status/ID"""
        parts = urlsplit(url)
        match = re.fullmatch(r"/\w+/status/(\d+)", parts.path)
        if parts.hostname not in ("x.com", "twitter.com", "www.x.com", "mobile.x.com") or not match:
            return None
        try:
            page = await self._connection.posts([match[1]])
        except EdgeError:
            return None
        posts, edits = read(page, self._connection.account)
        return next(iter((*posts, *edits)), None)

    async def fetch_context(self, request: ContextRequest) -> ThreadContext:
        """The posts above it, as far as the budget allows; the author's name and reach came with the mention."""
        earlier: list[IncomingPost] = []
        parent = request.parent
        while parent and len(earlier) < MAX_PARENTS:
            page = await self._connection.posts([parent])
            posts, edits = read(page, self._connection.account)
            post = next(iter((*posts, *edits)), None)
            if post is None:
                break
            earlier.append(post)
            parent = post.parent
        return ThreadContext(earlier_posts=tuple(reversed(earlier))) if earlier else NO_CONTEXT

    async def close(self) -> None:
        await self._connection.close()


async def _lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    """The lines of a stream, without those that are too long."""
    rest, skipping = b"", False
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if not skipping:
                yield line.strip()
            skipping = False
        if len(rest) > MAX_LINE:
            rest, skipping = b"", True


class _StreamEvent(msgspec.Struct):
    data: Tweet | None = None
    includes: Any = None
    errors: list[dict[str, Any]] = []


def decode(line: bytes) -> "Any | None":
    """A line of the stream; None for a keep-alive and for a malformed one."""
    try:
        event = msgspec.json.decode(line, type=_StreamEvent)
        event.includes = msgspec.convert(event.includes or {}, type(Page().includes), strict=False)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    return event


def _newest(ids: Sequence[str]) -> str:
    return max(ids, key=lambda text: (len(text), text))


def _history(post: Tweet) -> list[str]:
    return post.edit_history_tweet_ids or post.edit_history_post_ids


def read(page: Page, account: User | None, *, backfill: bool = False) -> tuple[list[IncomingPost], list[IncomingPost]]:
    """The posts of a page, and the edits (later versions of a post), oldest first, without reposts: those add no text."""
    users = {user.id: user for user in page.includes.users}
    posts: list[IncomingPost] = []
    edits: list[IncomingPost] = []
    for tweet in sorted(page.data, key=lambda tweet: (len(tweet.id), tweet.id)):
        references = {r.type: r.id for r in (*tweet.referenced_tweets, *tweet.referenced_posts)}
        if "retweeted" in references or "reposted" in references:
            continue
        post = to_post(tweet, references, users.get(tweet.author_id), account)
        if backfill:
            post = msgspec.structs.replace(post, origin="backfill")
        (edits if post.native_id != tweet.id else posts).append(post)
    return posts, edits


def to_post(tweet: Tweet, references: Mapping[str, str], author: User | None, account: User | None) -> IncomingPost:
    """`references` are the ids of other posts by kind of reference."""
    history = _history(tweet)
    note = tweet.note_tweet or tweet.note_post
    text = unescape(note.text if note else tweet.text)  # X escapes & < > as HTML does
    handle = author.username if author else tweet.author_id
    ours = account is not None and tweet.author_id == account.id
    metrics = {"likes": "like_count", "shares": "retweet_count", "replies": "reply_count"}
    return IncomingPost(
        platform="x",
        native_id=history[0] if history else tweet.id,
        url=f"https://x.com/{handle if author else 'i'}/status/{tweet.id}",
        author=IncomingAuthor(
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
        metrics={name: tweet.public_metrics[key] for name, key in metrics.items() if key in tweet.public_metrics},
        ours=ours,
        addresses_us=account is not None
        and not ours
        and re.search(rf"@{re.escape(account.username)}\b", text, re.IGNORECASE) is not None,
    )
