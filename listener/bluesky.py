"""Hearing all of Bluesky through Jetstream: a WebSocket of JSON that needs no credentials.

https://docs.bsky.app/blog/jetstream, https://github.com/bluesky-social/jetstream

The native id is the at-uri. The bookmark is Jetstream's time in microseconds; a few seconds before it are asked for again
and what was heard already is known by its id.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec

from connections.bluesky import Bluesky
from models.errors import EdgeError, Unavailable
from models.post import Deletion, Heard, Post, PostAuthor

REPLAY: Final = 3_000_000
"""Microseconds before the bookmark that are heard again: Jetstream's clock is not exact across its servers."""
BATCH: Final = 500
PATIENCE: Final = 0.25
"""Seconds for which a batch that is not full waits for more."""
MAX_FRAME: Final = 1_000_000
SILENCE: Final = 30.0
"""Seconds; the whole network is never quiet for so long."""
COLLECTION: Final = "app.bsky.feed.post"


class BlueskyEar:
    platform = "bluesky"
    silence = SILENCE

    def __init__(self, connection: Bluesky, jetstream: str, http: aiohttp.ClientSession) -> None:
        self.name = connection.name
        self._connection = connection
        self._jetstream = jetstream
        self._http = http

    async def connect(self) -> None:
        async with await self._open(None):
            pass

    async def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        cursor = int(bookmark) if bookmark else 0
        async with await self._open(cursor - REPLAY if cursor else None) as socket:
            while True:
                frames = await _frames(socket)
                events = [event for frame in frames if (event := decode(frame)) is not None]
                cursor = max([cursor, *(event.time_us for event in events)])
                yield to_heard(events, cursor, self._connection.did)

    async def _open(self, cursor: int | None) -> aiohttp.ClientWebSocketResponse:
        parameters = {"wantedCollections": COLLECTION, "maxMessageSizeBytes": str(MAX_FRAME)}
        if cursor is not None:
            parameters["cursor"] = str(cursor)
        url = f"{self._jetstream}?{urlencode(parameters)}"
        try:
            return await self._http.ws_connect(url, heartbeat=20, max_msg_size=16 * MAX_FRAME, autoping=True)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"Jetstream does not answer: {error}") from error

    async def find(self, url: str) -> Post | None:
        """https://bsky.app/profile/HANDLE/post/KEY, read at the app view."""
        parts = urlsplit(url).path.strip("/").split("/")
        if len(parts) != 4 or (parts[0], parts[2]) != ("profile", "post") or not self._connection.reads_publicly:
            return None
        uri = f"at://{parts[1]}/{COLLECTION}/{parts[3]}"
        try:
            found = await self._connection.public("app.bsky.feed.getPosts", _Posts, uris=uri)
        except EdgeError:
            return None
        return _from_view(found.posts[0]) if found.posts else None

    async def close(self) -> None:
        await self._connection.close()


async def _frames(socket: aiohttp.ClientWebSocketResponse) -> list[str]:
    """At least one frame, and as many more as come in a moment; raises Unavailable when the stream ends or goes quiet."""
    try:
        async with asyncio.timeout(SILENCE):
            frames = [await _frame(socket)]
    except TimeoutError as error:
        raise Unavailable(f"Jetstream has been silent for {SILENCE:.0f} s.") from error
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while len(frames) < BATCH:
                frames.append(await _frame(socket))
    return frames


async def _frame(socket: aiohttp.ClientWebSocketResponse) -> str:
    message = await socket.receive()
    if message.type is aiohttp.WSMsgType.TEXT:
        return str(message.data)
    if message.type is aiohttp.WSMsgType.BINARY:
        return ""
    raise Unavailable("Jetstream closed the connection.")


class _Ref(msgspec.Struct):
    uri: str


class _Reply(msgspec.Struct):
    root: _Ref
    parent: _Ref


class _Record(msgspec.Struct, rename="camel"):
    text: str = ""
    created_at: str = ""
    langs: list[str] | None = None
    reply: _Reply | None = None


class _Commit(msgspec.Struct):
    operation: str
    collection: str
    rkey: str
    record: _Record | None = None


class Event(msgspec.Struct):
    did: str
    time_us: int
    kind: str
    commit: _Commit | None = None

    @property
    def uri(self) -> str:
        return f"at://{self.did}/{COLLECTION}/{self.commit.rkey}" if self.commit else ""


class _Profile(msgspec.Struct, rename="camel"):
    did: str
    handle: str
    display_name: str = ""


class _View(msgspec.Struct):
    uri: str
    author: _Profile
    record: _Record


class _Posts(msgspec.Struct):
    posts: list[_View]


_decoder = msgspec.json.Decoder(Event)


def decode(frame: str) -> Event | None:
    """A frame, or None for one that is malformed or too long to be a post."""
    if len(frame) > MAX_FRAME:
        return None
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


def to_heard(events: list[Event], cursor: int, own: str) -> Heard:
    """What happened, in our words; what we said ourselves is left out."""
    posts: list[Post] = []
    edits: list[Post] = []
    deletions: list[Deletion] = []
    for event in events:
        commit = event.commit
        if commit is None or commit.collection != COLLECTION or event.did == own:
            continue
        if commit.operation == "delete":
            deletions.append(Deletion(platform="bluesky", native_id=event.uri))
        elif commit.record is not None:
            post = _to_post(event.uri, PostAuthor(handle=event.did, native_id=event.did), commit.record, event.time_us)
            (posts if commit.operation == "create" else edits).append(post)
    return Heard(bookmark=str(cursor), posts=tuple(posts), edits=tuple(edits), deletions=tuple(deletions))


def _to_post(uri: str, author: PostAuthor, record: _Record, time_us: int) -> Post:
    did, _, key = uri.removeprefix("at://").replace(f"/{COLLECTION}/", "\n").partition("\n")
    return Post(
        platform="bluesky",
        native_id=uri,
        url=f"https://bsky.app/profile/{did}/post/{key}",
        author=author,
        text=record.text,
        language=record.langs[0] if record.langs else None,
        thread=record.reply.root.uri if record.reply else uri,
        parent=record.reply.parent.uri if record.reply else None,
        created_at=_EPOCH + timedelta(microseconds=time_us),
    )


def _from_view(view: _View) -> Post:
    author = PostAuthor(handle=view.author.handle, native_id=view.author.did, name=view.author.display_name)
    try:
        created = datetime.fromisoformat(view.record.created_at)
    except ValueError:
        created = datetime.now(UTC)
    return _to_post(view.uri, author, view.record, int(created.timestamp() * 1_000_000))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
