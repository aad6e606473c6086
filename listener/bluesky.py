"""Hearing all of Bluesky through Jetstream: a WebSocket of JSON that needs no credentials.

https://github.com/bluesky-social/jetstream (both wires: v2 at …/network.bsky.jetstream.subscribeEvents, v1 at …/subscribe)

The native id is the at-uri. The bookmark holds Jetstream's sequence number where the server counts (v2), and its time: a
number is good for the server that gave it alone, so elsewhere a few seconds before the time are asked for again, and what
was heard already is known by its id. What speaks to our account is heard whether or not a query matches.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec
import structlog

from connections.bluesky import Bluesky
from connections.sockets import frames
from models.errors import EdgeError, Rejected, Unauthorized, Unavailable
from models.post import NOTHING_AROUND, Around, Deletion, Heard, Media, Post, PostAuthor, Sought

log = structlog.get_logger("ascolto")

REPLAY: Final = 3_000_000
"""Microseconds before the bookmark that are heard again: Jetstream's clock is not exact across its servers."""
BATCH: Final = 500
PATIENCE: Final = 0.25
"""Seconds for which a batch that is not full waits for more."""
MAX_FRAME: Final = 1_000_000
SILENCE: Final = 30.0
"""Seconds; the whole network is never quiet for so long."""
PARENTS: Final = 10
NOTICED: Final = 50
"""Notifications that are asked for after a break."""
COLLECTION: Final = "app.bsky.feed.post"
SECOND_WIRE: Final = "subscribeEvents"
PICTURES: Final = "https://cdn.bsky.app/img"


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """The bookmark: how far, on which server. `time_us` is good anywhere, `seq` on `server`."""

    time_us: int = 0
    seq: int = 0
    server: str = ""


class BlueskyEar:
    platform = "bluesky"

    def __init__(
        self, connection: Bluesky, jetstream: str, http: aiohttp.ClientSession, *, silence: float = SILENCE
    ) -> None:
        self.name = connection.name
        self.silence = max(90.0, 2 * silence)
        self._quiet = silence
        self._connection = connection
        self._jetstream = jetstream
        self._http = http
        self._counts = urlsplit(jetstream).path.endswith(SECOND_WIRE)

    async def connect(self) -> None:
        if self._connection.handle:
            await self._connection.prove()
        async with await self._open(None):
            pass

    async def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        place = read_bookmark(bookmark)
        if self._connection.handle:
            await self._connection.open()
            if place.time_us:
                yield Heard(bookmark=_written(place), posts=await self._noticed(place))
        async with await self._open_at(place) as socket:
            yield Heard(bookmark=_written(place))
            while True:
                told = await frames(socket, "Jetstream", quiet=self._quiet, patience=PATIENCE, most=BATCH)
                if not told:
                    raise Unavailable(f"Jetstream has been silent for {self._quiet:g} s.")
                events = [event for frame in told if (event := self._decode(frame)) is not None]
                place = _moved(place, events, self._jetstream if self._counts else "")
                yield to_heard(events, _written(place), self._connection.did)

    def _decode(self, frame: str) -> "Event | None":
        return decode_counted(frame) if self._counts else decode(frame)

    async def _open_at(self, place: Place) -> aiohttp.ClientWebSocketResponse:
        """From the sequence number where this server gave it and still has it, else from the time."""
        if place.seq and self._counts and place.server == self._jetstream:
            with suppress(Rejected):
                return await self._open(place.seq)
            log.warning("bookmark too old", what=f"ear {self.name}", fix="Some posts may have been missed.")
        return await self._open(place.time_us - REPLAY if place.time_us else None)

    async def _open(self, cursor: int | None) -> aiohttp.ClientWebSocketResponse:
        parameters = {"maxMessageSizeBytes": str(MAX_FRAME)}
        parameters |= (
            {"kinds": "commit", "collections": COLLECTION} if self._counts else {"wantedCollections": COLLECTION}
        )
        if cursor is not None:
            parameters["cursor"] = str(cursor)
        wires = ("xrpc.v1.json",) if self._counts else ()
        url = f"{self._jetstream}?{urlencode(parameters)}"
        try:
            return await self._http.ws_connect(
                url, heartbeat=20, max_msg_size=16 * MAX_FRAME, autoping=True, protocols=wires
            )
        except aiohttp.WSServerHandshakeError as error:
            raise _refused(error) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"Jetstream does not answer: {error}") from error

    async def _noticed(self, place: Place) -> tuple[Post, ...]:
        """What spoke to our account since the bookmark, as its server knows: Jetstream forgets after some days."""
        since = datetime.fromtimestamp((place.time_us - REPLAY) / 1_000_000, UTC)
        try:
            found = await self._connection.query(
                "app.bsky.notification.listNotifications", _Notifications, limit=str(NOTICED)
            )
        except Unauthorized:
            raise
        except EdgeError:
            return ()  # a server without an app view keeps none
        known = (_notification(row) for row in found.notifications)
        posts = (_from_view(n, origin="backfill", to_us=True) for n in known if n is not None and n.reason in SPEAKS)
        return tuple(sorted((p for p in posts if p.created_at >= since), key=lambda post: post.created_at))

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

    async def around(self, sought: Sought) -> Around:
        """What it answers, and the name and reach of who wrote it, at the app view."""
        if not self._connection.reads_publicly:
            return NOTHING_AROUND
        profile = await self._connection.public("app.bsky.actor.getProfile", _Profile, actor=sought.author)
        before: list[Post] = []
        if sought.parent:
            thread = await self._connection.public(
                "app.bsky.feed.getPostThread", _Thread, uri=sought.native_id, depth="0", parentHeight=str(PARENTS)
            )
            above = thread.thread.parent
            while above is not None and above.post is not None:
                before.append(_from_view(above.post))
                above = above.parent
        return Around(before=tuple(reversed(before)), author=_to_author(profile))

    async def close(self) -> None:
        await self._connection.close()


SPEAKS: Final = frozenset({"mention", "reply", "quote"})
"""Reasons of notifications that come with a post."""


def read_bookmark(bookmark: str | None) -> Place:
    """Also the bare time that older bookmarks are."""
    if not bookmark:
        return Place()
    return Place(time_us=int(bookmark)) if bookmark.isdigit() else msgspec.json.decode(bookmark, type=Place)


def _written(place: Place) -> str:
    return msgspec.json.encode(place).decode()


def _moved(place: Place, events: Sequence["Event"], server: str) -> Place:
    time_us = max([place.time_us, *(event.time_us for event in events)])
    before = place.seq if place.server == server else 0
    return Place(time_us, max([before, *(event.seq for event in events)]), server) if server else Place(time_us)


def _refused(error: aiohttp.WSServerHandshakeError) -> EdgeError:
    if error.status == 400:
        return Rejected(f"Jetstream refuses: {error.message}")
    retry = error.headers.get("Retry-After", "") if error.headers else ""
    return Unavailable(f"Jetstream answers with {error.status}", float(retry) if retry.isdigit() else None)


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
    """What happened to a record, whichever wire told it."""

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


class _Message(msgspec.Struct):
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


class _Above(msgspec.Struct):
    """A post of a thread; without one where it was deleted or is hidden from us."""

    post: _View | None = None
    parent: "_Above | None" = None


class _Thread(msgspec.Struct):
    thread: _Above


class _Blob(msgspec.Struct):
    ref: dict[str, str]


class _Image(msgspec.Struct):
    image: _Blob
    alt: str = ""


class _Pictures(msgspec.Struct):
    images: list[_Image] = []
    media: "_Pictures | None" = None


_decoder = msgspec.json.Decoder(Event)
_counted = msgspec.json.Decoder(_Message)
_pictures = msgspec.json.Decoder(_Pictures)


def decode(frame: str) -> Event | None:
    """A frame of the first wire, or None for one that is malformed or too long to be a post."""
    if len(frame) > MAX_FRAME:
        return None
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def decode_counted(frame: str) -> Event | None:
    """A frame of the second wire, likewise."""
    if len(frame) > MAX_FRAME:
        return None
    try:
        told = _counted.decode(frame).payload
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    if told.name:
        log.warning("bookmark not to be had", what="Jetstream", reason=told.name)
    at = told.witnessed_at or told.time
    if not told.seq or at is None:
        return None
    commit = _Commit(told.operation, told.collection, told.rkey, told.record) if told.operation else None
    return Event(told.did, round(at.timestamp() * 1_000_000), told.type.rpartition("#")[2], commit, told.seq)


def to_heard(events: Iterable[Event], bookmark: str, own: str) -> Heard:
    """What happened, in our words. `own` is our account's DID, empty without one."""
    posts: list[Post] = []
    edits: list[Post] = []
    deletions: list[Deletion] = []
    for event in events:
        commit = event.commit
        if commit is None or commit.collection != COLLECTION:
            continue
        if commit.operation == "delete":
            deletions.append(Deletion(platform="bluesky", native_id=event.uri))
        elif commit.record is not None:
            author = PostAuthor(handle=event.did, native_id=event.did)
            post = _to_post(event.uri, author, commit.record, event.time_us, own)
            (posts if commit.operation == "create" else edits).append(post)
    return Heard(bookmark=bookmark, posts=tuple(posts), edits=tuple(edits), deletions=tuple(deletions))


def _to_post(uri: str, author: PostAuthor, record: _Record, time_us: int, own: str = "") -> Post:
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
        created_at=datetime.fromtimestamp(time_us / 1_000_000, UTC),
        media=_media(did, record.embed),
        ours=did == own,
        to_us=bool(own) and did != own and _speaks_to(record, own.encode()),
    )


def _speaks_to(record: _Record, own: bytes) -> bool:
    """Whether a post answers, names or quotes an account."""
    answered = record.reply.parent.uri.encode() if record.reply else b""
    return own in answered or own in bytes(record.facets) or own in bytes(record.embed)


def _media(did: str, embed: msgspec.Raw) -> tuple[Media, ...]:
    if b'"images"' not in bytes(embed):
        return ()
    try:
        found = _pictures.decode(embed)
    except msgspec.DecodeError:
        return ()
    images = found.images or (found.media.images if found.media else [])
    links = [(image.alt, image.image.ref.get("$link", "")) for image in images]
    return tuple(
        Media(
            kind="image",
            url=f"{PICTURES}/feed_fullsize/plain/{did}/{link}@jpeg",
            preview=f"{PICTURES}/feed_thumbnail/plain/{did}/{link}@jpeg",
            alt=alt,
        )
        for alt, link in links
        if link.isalnum()
    )


def _to_author(profile: _Profile) -> PostAuthor:
    return PostAuthor(
        handle=profile.handle,
        native_id=profile.did,
        name=profile.display_name,
        followers=profile.followers_count,
        url=f"https://bsky.app/profile/{profile.did}",
    )


def _notification(row: msgspec.Raw) -> _Notification | None:
    """None for one that cannot be read: likes and follows bring other records."""
    try:
        return msgspec.json.decode(row, type=_Notification)
    except msgspec.DecodeError:
        return None


def _from_view(view: _View, *, origin: str = "live", to_us: bool = False) -> Post:
    post = _to_post(view.uri, _to_author(view.author), view.record, _microseconds(view.record.created_at))
    return msgspec.structs.replace(post, origin=origin, to_us=to_us)


def _microseconds(said: str) -> int:
    """When somebody says that they wrote; now where that is no time at all."""
    try:
        created = datetime.fromisoformat(said)
        created = created.astimezone(UTC) if created.tzinfo else created.replace(tzinfo=UTC)
        return max(0, int(created.timestamp() * 1_000_000))
    except (ValueError, OverflowError):
        return int(datetime.now(UTC).timestamp() * 1_000_000)
