"""All of Bluesky through Jetstream: a WebSocket of JSON that needs no credentials.

https://github.com/bluesky-social/jetstream (both versions: v2 at …/network.bsky.jetstream.subscribeEvents, v1 at …/subscribe)

The native id is the at-uri. The cursor holds Jetstream's sequence number where the server has one (v2), and its time: a number is
valid only on the server that assigned it, so on another one the stream restarts a few seconds before the time, and duplicates are
recognized by their ids. Posts that address our account are received whether or not a query matches.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec
import structlog

from connections.batches import receive_batch
from connections.bluesky import Bluesky
from models.errors import EdgeError, Rejected, Unauthorized, Unavailable
from models.incoming import (
    NO_CONTEXT,
    ContextRequest,
    Deletion,
    IncomingAuthor,
    IncomingPost,
    ListenerBatch,
    Media,
    Origin,
    ThreadContext,
)

log = structlog.get_logger("ascolto")

REPLAY: Final = 3_000_000
"""Microseconds before the cursor that are received again: Jetstream's clock is not exact across its servers."""
BATCH: Final = 500
BATCH_WINDOW: Final = 0.25
"""Seconds for which a batch that is not full waits for more."""
MAX_FRAME: Final = 1_000_000
"""Characters."""
RECONNECT_AFTER: Final = 30.0
"""Seconds; the whole network is never silent for so long."""
MAX_PARENTS: Final = 10
MAX_NOTIFICATIONS: Final = 50
"""Read after an interruption."""
COLLECTION: Final = "app.bsky.feed.post"
V2_METHOD: Final = "subscribeEvents"
IMAGE_CDN: Final = "https://cdn.bsky.app/img"
ADDRESSING_REASONS: Final = frozenset({"mention", "reply", "quote"})
"""Reasons of notifications that come with a post."""


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """`time_us` is valid on any server, `seq` only on `server`."""

    time_us: int = 0
    seq: int = 0
    server: str = ""


class BlueskyListener:
    platform = "bluesky"

    def __init__(
        self,
        connection: Bluesky,
        jetstream: str,
        http: aiohttp.ClientSession,
        *,
        reconnect_after: float = RECONNECT_AFTER,
    ) -> None:
        """`reconnect_after` is in seconds without an event."""
        self.name = connection.name
        self.silence_timeout = max(90.0, 2 * reconnect_after)
        self._reconnect_after = reconnect_after
        self._connection = connection
        self._jetstream = jetstream
        self._http = http
        self._is_v2 = urlsplit(jetstream).path.endswith(V2_METHOD)

    async def connect(self) -> None:
        if self._connection.handle:
            await self._connection.verify_credentials()
        async with await self._open(None):
            pass

    async def listen(self, cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        position = read_cursor(cursor)
        if self._connection.handle:
            await self._connection.open()
            if position.time_us:
                yield ListenerBatch(cursor=_encode(position), posts=await self._missed_notifications(position))
        async with await self._open_at(position) as socket:
            yield ListenerBatch(cursor=_encode(position))
            while True:
                frames = await receive_batch(
                    socket, "Jetstream", idle_timeout=self._reconnect_after, window=BATCH_WINDOW, max_size=BATCH
                )
                if not frames:
                    raise Unavailable(f"Jetstream has been silent for {self._reconnect_after:g} s.")
                events = [event for frame in frames if (event := self._decode(frame)) is not None]
                position = _advance(position, events, self._jetstream if self._is_v2 else "")
                yield to_batch(events, _encode(position), self._connection.did)

    def _decode(self, frame: str) -> "Event | None":
        return decode_v2(frame) if self._is_v2 else decode_v1(frame)

    async def _open_at(self, position: Cursor) -> aiohttp.ClientWebSocketResponse:
        """From the sequence number where this server assigned it and still has it, else from the time."""
        if position.seq and self._is_v2 and position.server == self._jetstream:
            with suppress(Rejected):
                return await self._open(position.seq)
            log.warning("cursor too old", what=f"listener {self.name}", fix="Some posts may have been missed.")
        return await self._open(position.time_us - REPLAY if position.time_us else None)

    async def _open(self, cursor: int | None) -> aiohttp.ClientWebSocketResponse:
        parameters = {"maxMessageSizeBytes": str(MAX_FRAME)}
        parameters |= (
            {"kinds": "commit", "collections": COLLECTION} if self._is_v2 else {"wantedCollections": COLLECTION}
        )
        if cursor is not None:
            parameters["cursor"] = str(cursor)
        protocols = ("xrpc.v1.json",) if self._is_v2 else ()
        url = f"{self._jetstream}?{urlencode(parameters)}"
        try:
            return await self._http.ws_connect(
                url, heartbeat=20, max_msg_size=16 * MAX_FRAME, autoping=True, protocols=protocols
            )
        except aiohttp.WSServerHandshakeError as error:
            raise _handshake_error(error) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"Jetstream does not respond: {error}") from error

    async def _missed_notifications(self, position: Cursor) -> tuple[IncomingPost, ...]:
        """Posts since the cursor that address our account, from its server: Jetstream keeps only some days."""
        since = datetime.fromtimestamp((position.time_us - REPLAY) / 1_000_000, UTC)
        try:
            page = await self._connection.query(
                "app.bsky.notification.listNotifications", _Notifications, limit=str(MAX_NOTIFICATIONS)
            )
        except Unauthorized:
            raise
        except EdgeError:
            return ()  # a server without an app view has none
        notifications = (_notification(row) for row in page.notifications)
        posts = (
            view_to_post(n, origin="backfill", addresses_us=True)
            for n in notifications
            if n is not None and n.reason in ADDRESSING_REASONS
        )
        return tuple(sorted((p for p in posts if p.created_at >= since), key=lambda post: post.created_at))

    async def find(self, url: str) -> IncomingPost | None:
        """https://bsky.app/profile/HANDLE/post/KEY, read at the app view."""
        parts = urlsplit(url).path.strip("/").split("/")
        if len(parts) != 4 or (parts[0], parts[2]) != ("profile", "post") or not self._connection.has_appview:
            return None
        uri = f"at://{parts[1]}/{COLLECTION}/{parts[3]}"
        try:
            response = await self._connection.query_public("app.bsky.feed.getPosts", _Posts, uris=uri)
        except EdgeError:
            return None
        return view_to_post(response.posts[0]) if response.posts else None

    async def fetch_context(self, request: ContextRequest) -> ThreadContext:
        """The posts above it, and its author's name and followers, at the app view."""
        if not self._connection.has_appview:
            return NO_CONTEXT
        profile = await self._connection.query_public("app.bsky.actor.getProfile", _Profile, actor=request.author)
        earlier_posts: list[IncomingPost] = []
        if request.parent:
            response = await self._connection.query_public(
                "app.bsky.feed.getPostThread", _Thread, uri=request.native_id, depth="0", parentHeight=str(MAX_PARENTS)
            )
            parent = response.thread.parent
            while parent is not None and parent.post is not None:
                earlier_posts.append(view_to_post(parent.post))
                parent = parent.parent
        return ThreadContext(earlier_posts=tuple(reversed(earlier_posts)), author=to_author(profile))

    async def close(self) -> None:
        await self._connection.close()


def read_cursor(cursor: str | None) -> Cursor:
    """Also reads the cursors of older versions, a bare time."""
    if not cursor:
        return Cursor()
    return Cursor(time_us=int(cursor)) if cursor.isdigit() else msgspec.json.decode(cursor, type=Cursor)


def _encode(position: Cursor) -> str:
    return msgspec.json.encode(position).decode()


def _advance(position: Cursor, events: Sequence["Event"], server: str) -> Cursor:
    """The cursor after some events; `server` is empty for one without sequence numbers."""
    time_us = max([position.time_us, *(event.time_us for event in events)])
    seq = position.seq if position.server == server else 0
    return Cursor(time_us, max([seq, *(event.seq for event in events)]), server) if server else Cursor(time_us)


def _handshake_error(error: aiohttp.WSServerHandshakeError) -> EdgeError:
    if error.status == 400:
        return Rejected(f"Jetstream refused: {error.message}")
    retry_after = error.headers.get("Retry-After", "") if error.headers else ""
    return Unavailable(f"Jetstream: status {error.status}", float(retry_after) if retry_after.isdigit() else None)


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
    facets: msgspec.Raw = msgspec.Raw()
    embed: msgspec.Raw = msgspec.Raw()


class _Commit(msgspec.Struct):
    operation: str
    collection: str
    rkey: str
    record: _Record | None = None


class Event(msgspec.Struct):
    """What happened to a record, from either version."""

    did: str
    time_us: int
    kind: str
    commit: _Commit | None = None
    seq: int = 0

    @property
    def uri(self) -> str:
        return f"at://{self.did}/{COLLECTION}/{self.commit.rkey}" if self.commit else ""


class _Payload(msgspec.Struct, rename={"type": "$type", "witnessed_at": "witnessedAt"}):
    type: str = ""
    seq: int = 0
    did: str = ""
    time: datetime | None = None
    witnessed_at: datetime | None = None
    operation: str = ""
    collection: str = ""
    rkey: str = ""
    record: _Record | None = None
    name: str = ""
    """Of an advisory."""


class _MessageV2(msgspec.Struct):
    payload: _Payload


class _Profile(msgspec.Struct, rename="camel"):
    did: str
    handle: str
    display_name: str = ""
    followers_count: int | None = None


class _View(msgspec.Struct):
    uri: str
    author: _Profile
    record: _Record


class _Notification(_View):
    reason: str


class _Notifications(msgspec.Struct):
    notifications: list[msgspec.Raw]


class _Posts(msgspec.Struct):
    posts: list[_View]


class _ThreadPost(msgspec.Struct):
    """`post` is None where it was deleted or is hidden from us."""

    post: _View | None = None
    parent: "_ThreadPost | None" = None


class _Thread(msgspec.Struct):
    thread: _ThreadPost


class _Blob(msgspec.Struct):
    ref: dict[str, str]


class _Image(msgspec.Struct):
    image: _Blob
    alt: str = ""


class _Images(msgspec.Struct):
    images: list[_Image] = []
    media: "_Images | None" = None


_v1_decoder = msgspec.json.Decoder(Event)
_v2_decoder = msgspec.json.Decoder(_MessageV2)
_images_decoder = msgspec.json.Decoder(_Images)


def decode_v1(frame: str) -> Event | None:
    """The event of a frame; None for one that is malformed or too long to be a post."""
    if len(frame) > MAX_FRAME:
        return None
    try:
        return _v1_decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def decode_v2(frame: str) -> Event | None:
    """Likewise."""
    if len(frame) > MAX_FRAME:
        return None
    try:
        payload = _v2_decoder.decode(frame).payload
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    if payload.name:
        log.warning("cursor not available", what="Jetstream", reason=payload.name)
    at = payload.witnessed_at or payload.time
    if not payload.seq or at is None:
        return None
    commit = _Commit(payload.operation, payload.collection, payload.rkey, payload.record) if payload.operation else None
    return Event(payload.did, round(at.timestamp() * 1_000_000), payload.type.rpartition("#")[2], commit, payload.seq)


def to_batch(events: Iterable[Event], cursor: str, own: str) -> ListenerBatch:
    """`own` is our account's DID, empty without one."""
    posts: list[IncomingPost] = []
    edits: list[IncomingPost] = []
    deletions: list[Deletion] = []
    for event in events:
        commit = event.commit
        if commit is None or commit.collection != COLLECTION:
            continue
        if commit.operation == "delete":
            deletions.append(Deletion(platform="bluesky", native_id=event.uri))
        elif commit.record is not None:
            author = IncomingAuthor(handle=event.did, native_id=event.did)
            post = to_post(event.uri, author, commit.record, event.time_us, own)
            (posts if commit.operation == "create" else edits).append(post)
    return ListenerBatch(cursor=cursor, posts=tuple(posts), edits=tuple(edits), deletions=tuple(deletions))


def to_post(uri: str, author: IncomingAuthor, record: _Record, time_us: int, own: str = "") -> IncomingPost:
    did, _, key = uri.removeprefix("at://").replace(f"/{COLLECTION}/", "\n").partition("\n")
    return IncomingPost(
        platform="bluesky",
        native_id=uri,
        url=f"https://bsky.app/profile/{did}/post/{key}",
        author=author,
        text=record.text,
        language=record.langs[0] if record.langs else None,
        thread=record.reply.root.uri if record.reply else uri,
        parent=record.reply.parent.uri if record.reply else None,
        created_at=datetime.fromtimestamp(time_us / 1_000_000, UTC),
        media=_media(did, record.embed),
        ours=did == own,
        addresses_us=bool(own) and did != own and _addresses(record, own.encode()),
    )


def _addresses(record: _Record, own: bytes) -> bool:
    """Whether a post answers, mentions or quotes an account."""
    parent = record.reply.parent.uri.encode() if record.reply else b""
    return own in parent or own in bytes(record.facets) or own in bytes(record.embed)


def _media(did: str, embed: msgspec.Raw) -> tuple[Media, ...]:
    if b'"images"' not in bytes(embed):
        return ()
    try:
        decoded = _images_decoder.decode(embed)
    except msgspec.DecodeError:
        return ()
    images = decoded.images or (decoded.media.images if decoded.media else [])
    links = [(image.alt, image.image.ref.get("$link", "")) for image in images]
    return tuple(
        Media(
            kind="image",
            url=f"{IMAGE_CDN}/feed_fullsize/plain/{did}/{link}@jpeg",
            preview=f"{IMAGE_CDN}/feed_thumbnail/plain/{did}/{link}@jpeg",
            alt=alt,
        )
        for alt, link in links
        if link.isalnum()
    )


def to_author(profile: _Profile) -> IncomingAuthor:
    return IncomingAuthor(
        handle=profile.handle,
        native_id=profile.did,
        name=profile.display_name,
        followers=profile.followers_count,
        url=f"https://bsky.app/profile/{profile.did}",
    )


def _notification(row: msgspec.Raw) -> _Notification | None:
    """None for one that cannot be read: likes and follows come with other records."""
    try:
        return msgspec.json.decode(row, type=_Notification)
    except msgspec.DecodeError:
        return None


def view_to_post(view: _View, *, origin: Origin = "live", addresses_us: bool = False) -> IncomingPost:
    post = to_post(view.uri, to_author(view.author), view.record, _microseconds(view.record.created_at))
    return msgspec.structs.replace(post, origin=origin, addresses_us=addresses_us)


def _microseconds(created_at: str) -> int:
    """When the author claims to have posted; now where that is not a valid time."""
    try:
        created = datetime.fromisoformat(created_at)
        created = created.astimezone(UTC) if created.tzinfo else created.replace(tzinfo=UTC)
        return max(0, int(created.timestamp() * 1_000_000))
    except (ValueError, OverflowError):
        return int(datetime.now(UTC).timestamp() * 1_000_000)
