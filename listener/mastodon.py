"""Hashtags, posts that address our account, and the public timeline of one Mastodon server.

https://docs.joinmastodon.org/methods/streaming/ (one WebSocket for all, or where a proxy refuses it an event stream for each),
https://docs.joinmastodon.org/api/guidelines/#pagination

The native id is `host:id`, of the server that we are connected to: replies and deletions refer to it. The cursor holds the last
id of each timeline; after an interruption each is read from there while the stream is already open.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec
import structlog

from connections.batches import gather_batch, receive_batch
from connections.event_streams import EventStream
from connections.http import HttpResponse, read_limited
from connections.mastodon import FIX, Account, Mastodon, checked
from models.errors import EdgeError, Rejected, Unauthorized, Unavailable
from models.html import html_to_text
from models.incoming import ContextRequest, Deletion, IncomingAuthor, IncomingPost, ListenerBatch, Media, ThreadContext
from models.text import safe_url

log = structlog.get_logger("ascolto")

HEARTBEAT: Final = 25.0
"""Seconds between empty batches while nobody posts, and between pings of the WebSocket."""
BATCH: Final = 200
BATCH_WINDOW: Final = 0.25
"""Seconds for which a batch that is not full waits for more."""
PAGE_SIZE: Final = 40
MAX_PAGES: Final = 25
"""Of a timeline, after an interruption."""
MAX_FRAME: Final = 2_000_000
WEBSOCKET_RETRY: Final = 3_600.0
"""Seconds after which a WebSocket that was refused is tried again."""
STREAM_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=10, sock_read=60)
"""An event stream sends something (at least a comment) every fifteen seconds."""
FEDERATION_DELAY: Final = 900
"""Seconds; a post from another server may arrive this late."""
MIN_SNOWFLAKE: Final = 10**17
"""Ids from here on are times: milliseconds, followed by sixteen more bits."""


class Frame(msgspec.Struct):
    """A message of a stream, from the WebSocket or an event stream; `stream` is its name, `payload` JSON or an id."""

    error: str = ""
    status: int = 0
    event: str = ""
    stream: list[str] = []
    payload: str = ""


ReceiveFrames = Callable[[], Awaitable[list[Frame]]]
"""The next frames; empty where none came, for the connection itself shows that it is alive."""


class MastodonListener:
    platform = "mastodon"
    silence_timeout = 90.0

    def __init__(self, connection: Mastodon, *, hashtags: Sequence[str] = (), public: str = "off") -> None:
        """`public` is off, local (posts of this server's own accounts) or federated (all posts that it receives)."""
        self.name = connection.name
        self._connection = connection
        self._hashtags = [tag.lstrip("#").lower() for tag in hashtags]
        self._public = {"local": "public:local", "federated": "public"}.get(public, "")
        self._websocket_from = 0.0
        """On the loop's clock: from when the WebSocket is tried."""

    async def connect(self) -> None:
        await self._connection.verify_credentials()

    async def listen(self, cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        last_ids = msgspec.json.decode(cursor, type=dict[str, str]) if cursor else {}
        own = await self._connection.open()
        async with self._stream() as receive_frames:
            for timeline in self._timelines():
                try:
                    async for last_id, posts in self._missed(timeline, last_ids.get(timeline), own):
                        last_ids[timeline] = last_id
                        yield ListenerBatch(cursor=_encode(last_ids), posts=tuple(posts))
                except (
                    Rejected
                ) as error:  # a hashtag that nobody has used is empty; what one timeline refuses stops no other
                    last_ids.setdefault(timeline, "0")
                    log.warning("timeline refused", connection=self.name, timeline=timeline, reason=error.reason[:200])
            yield ListenerBatch(cursor=_encode(last_ids))
            while True:
                events = [event for frame in await receive_frames() if (event := to_event(frame)) is not None]
                batch = to_batch(events, self._connection.host, own)
                for event in events:
                    if event.stream and event.last_id:
                        last_ids[event.timeline] = _newest([last_ids.get(event.timeline, "0"), event.last_id])
                yield msgspec.structs.replace(batch, cursor=_encode(last_ids))

    def _timelines(self) -> list[str]:
        """By their names in the cursor."""
        public = [self._public] if self._public else []
        return ["notifications", "own", *public, *(f"hashtag:{tag}" for tag in self._hashtags)]

    def _subscriptions(self) -> list[list[str]]:
        """The streams by their names, as in the events of the WebSocket."""
        return [
            ["user"],
            *([[self._public]] if self._public else []),
            *(["hashtag", tag] for tag in self._hashtags),
        ]

    @asynccontextmanager
    async def _stream(self) -> AsyncGenerator[ReceiveFrames, None]:
        """The WebSocket; where that is refused, event streams for an hour."""
        if asyncio.get_running_loop().time() >= self._websocket_from:
            socket = await self._open_websocket()
            if socket is not None:
                async with socket:
                    yield partial(_from_websocket, socket)
                return
            self._websocket_from = asyncio.get_running_loop().time() + WEBSOCKET_RETRY
        async with self._open_event_streams() as receive_frames:
            log.info("Mastodon refuses the WebSocket: using server-sent events", connection=self.name)
            yield receive_frames

    async def _open_websocket(self) -> aiohttp.ClientWebSocketResponse | None:
        """None where a proxy refuses the upgrade."""
        try:
            socket = await self._connection.http.ws_connect(
                self._connection.streaming,
                headers=self._connection.headers,
                heartbeat=HEARTBEAT,
                max_msg_size=MAX_FRAME,
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 401:
                raise Unauthorized("Mastodon's stream: status 401", FIX) from error
            if error.status == 429:
                raise Unavailable("Mastodon's rate limit is reached") from error
            return None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"Mastodon's stream does not respond: {error}") from error
        for stream, *tag in self._subscriptions():
            await socket.send_json({"type": "subscribe", "stream": stream, **({"tag": tag[0]} if tag else {})})
        return socket

    @asynccontextmanager
    async def _open_event_streams(self) -> AsyncGenerator[ReceiveFrames, None]:
        """A request for each stream, read concurrently; when one ends, all end."""
        queue: asyncio.Queue[Frame | EdgeError] = asyncio.Queue(BATCH)
        async with AsyncExitStack() as exit_stack:
            responses = [
                (stream, await exit_stack.enter_async_context(self._open_event_stream(stream)))
                for stream in self._subscriptions()
            ]
            readers = [asyncio.create_task(_read_into(queue, stream, response)) for stream, response in responses]
            try:
                yield partial(_from_queue, queue)
            finally:
                for task in readers:
                    task.cancel()
                await asyncio.gather(*readers, return_exceptions=True)

    @asynccontextmanager
    async def _open_event_stream(self, stream: Sequence[str]) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        path, parameters = "/".join(stream[0].split(":")), {"tag": stream[1]} if len(stream) > 1 else {}
        headers = {**self._connection.headers, "Accept": "text/event-stream"}
        url = "http" + self._connection.streaming.removeprefix("ws")
        try:
            response = await self._connection.http.get(
                f"{url}/{path}", params=parameters, headers=headers, timeout=STREAM_TIMEOUT
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"Mastodon's stream does not respond: {error}") from error
        async with response:
            if response.status != 200 or response.content_type != "text/event-stream":
                lower = {name.lower(): value for name, value in response.headers.items()}
                body = await read_limited(response, MAX_FRAME)
                checked(HttpResponse(response.status, lower, body, str(response.url)))
                raise Unavailable(f"Mastodon's stream: status {response.status}, not an event stream")
            yield response

    async def _missed(
        self, timeline: str, since: str | None, own: Account
    ) -> AsyncGenerator[tuple[str, list[IncomingPost]], None]:
        """A timeline after an id, oldest first, with the id reached. Without an id, only its newest post."""
        path, parameters = _timeline_request(timeline, own)
        if since is None:
            newest = await self._page(path, timeline, {**parameters, "limit": "1"})
            yield _newest(["0", *(row.id for row in newest)]), self._to_posts(timeline, newest, own)
            return
        last_id, since = since, _before(since)
        for _ in range(MAX_PAGES):
            page = await self._page(path, timeline, {**parameters, "min_id": since, "limit": str(PAGE_SIZE)})
            if not page:
                return
            since = _newest([since, *(row.id for row in page)])
            last_id = _newest([last_id, since])
            yield last_id, self._to_posts(timeline, page, own)

    async def _page(self, path: str, timeline: str, parameters: dict[str, str]) -> "list[Status] | list[Notification]":
        decoder: Any = _notification_decoder if timeline == "notifications" else _status_decoder
        rows = await self._connection.get(path, list[msgspec.Raw], parameters)
        return [decoded for row in rows if (decoded := _decode_row(decoder, row)) is not None]

    def _to_posts(self, timeline: str, page: "Sequence[Status | Notification]", own: Account) -> list[IncomingPost]:
        host = self._connection.host
        statuses = [row.status if isinstance(row, Notification) else row for row in page]
        posts = [to_post(status, host, own) for status in statuses if status is not None]
        addresses_us = timeline == "notifications"
        posts = [msgspec.structs.replace(post, addresses_us=addresses_us, origin="backfill") for post in posts]
        return sorted(posts, key=lambda post: post.created_at)

    async def find(self, url: str) -> IncomingPost | None:
        """Any URL of a post that this server has or can fetch."""
        if not safe_url(url):
            return None
        try:
            own = await self._connection.open()
            query = {"q": url, "type": "statuses", "resolve": "true", "limit": "1"}
            results = await self._connection.get("/api/v2/search", _SearchResults, query)
        except EdgeError:
            return None
        matching = [status for status in results.statuses if url in (status.url, status.uri)]
        return to_post(matching[0], self._connection.host, own) if matching else None

    async def fetch_context(self, request: ContextRequest) -> ThreadContext:
        """The posts above it; names and followers come with every post."""
        if not request.parent:
            return ThreadContext()
        own = await self._connection.open()
        path = f"/api/v1/statuses/{quote(request.native_id.rpartition(':')[2], safe='')}/context"
        context = await self._connection.get(path, _Context)
        return ThreadContext(
            earlier_posts=tuple(to_post(status, self._connection.host, own) for status in context.ancestors)
        )

    async def close(self) -> None:
        await self._connection.close()


def _timeline_request(timeline: str, own: Account) -> tuple[str, dict[str, str]]:
    """The path and the parameters with which a timeline's past is read."""
    if timeline == "notifications":
        return "/api/v1/notifications", {"types[]": "mention"}
    if timeline == "own":
        return f"/api/v1/accounts/{quote(own.id, safe='')}/statuses", {"exclude_reblogs": "true"}
    if timeline.startswith("public"):
        return "/api/v1/timelines/public", {"local": str(timeline == "public:local").lower()}
    return f"/api/v1/timelines/tag/{quote(timeline.partition(':')[2], safe='')}", {}


def _before(status_id: str) -> str:
    """An id from some minutes before: ids of posts from other servers are the time of writing, and they arrive later."""
    if not status_id.isdigit() or int(status_id) < MIN_SNOWFLAKE:
        return status_id
    return str(int(status_id) - (FEDERATION_DELAY * 1000 << 16))


def _newest(ids: Sequence[str]) -> str:
    """Ids are increasing numbers in strings."""
    return max(ids, key=lambda text: (len(text), text))


def _encode(last_ids: dict[str, str]) -> str:
    return msgspec.json.encode(last_ids).decode()


class _Attachment(msgspec.Struct):
    type: str
    url: str | None = None
    preview_url: str | None = None
    description: str | None = None


class Status(msgspec.Struct):
    """https://docs.joinmastodon.org/entities/Status/"""

    id: str
    account: Account
    content: str
    created_at: datetime
    uri: str = ""
    url: str | None = None
    spoiler_text: str = ""
    visibility: str = "public"
    language: str | None = None
    in_reply_to_id: str | None = None
    media_attachments: list[_Attachment] = []
    favourites_count: int = 0
    reblogs_count: int = 0
    reblog: msgspec.Raw | None = None


class Notification(msgspec.Struct):
    id: str
    type: str
    status: Status | None = None


class _Context(msgspec.Struct):
    ancestors: list[Status]


class _SearchResults(msgspec.Struct):
    statuses: list[Status] = []


def _decode_row(decoder: Any, row: msgspec.Raw) -> Any:
    """None for a malformed row, which does not affect the others."""
    try:
        return decoder.decode(row)
    except msgspec.DecodeError:
        return None


class Event(msgspec.Struct):
    """`kind` is update, edit, deletion or notification; `deleted_id` that of a deletion."""

    kind: str
    stream: tuple[str, ...]
    status: Status | None = None
    last_id: str = ""
    """The id that the timeline has reached; empty where the event does not advance it."""
    deleted_id: str = ""

    @property
    def timeline(self) -> str:
        """By its name in the cursor."""
        if self.kind == "notification":
            return "notifications"
        return "own" if self.stream[:1] == ("user",) else ":".join(self.stream)


_frame_decoder = msgspec.json.Decoder(Frame)
_status_decoder = msgspec.json.Decoder(Status)
_notification_decoder = msgspec.json.Decoder(Notification)


async def _from_websocket(socket: aiohttp.ClientWebSocketResponse) -> list[Frame]:
    """Without malformed ones; the WebSocket's own pings show that it is alive."""
    texts = await receive_batch(socket, "Mastodon", idle_timeout=HEARTBEAT, window=BATCH_WINDOW, max_size=BATCH)
    return [frame for text in texts if (frame := _decode_frame(text)) is not None]


def _decode_frame(text: str) -> Frame | None:
    try:
        return _frame_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


async def _from_queue(queue: "asyncio.Queue[Frame | EdgeError]") -> list[Frame]:
    return await gather_batch(partial(_next_frame, queue), idle_timeout=HEARTBEAT, window=BATCH_WINDOW, max_size=BATCH)


async def _next_frame(queue: "asyncio.Queue[Frame | EdgeError]") -> Frame:
    """Once a stream has ended, raises its error at every call."""
    frame = await queue.get()
    if isinstance(frame, EdgeError):
        queue.put_nowait(frame)
        raise frame
    return frame


async def _read_into(
    queue: "asyncio.Queue[Frame | EdgeError]", stream: list[str], response: aiohttp.ClientResponse
) -> None:
    events = EventStream(MAX_FRAME)
    try:
        async for chunk in response.content.iter_any():
            for event in events.feed(chunk):
                await queue.put(Frame(event=event.name, stream=stream, payload=event.data))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        await queue.put(Unavailable(f"Mastodon's stream was interrupted: {error}"))
    except EdgeError as error:
        await queue.put(error)
    else:
        await queue.put(Unavailable("Mastodon closed the stream."))


def to_event(frame: Frame) -> Event | None:
    """None for a frame that is malformed or of a kind that is not used; raises Unauthorized for an error.

    The stream itself sends errors: a missing scope, a timeline that this server does not publish.
    """
    if frame.error:
        raise Unauthorized(f"Mastodon's stream refused: {frame.error}", FIX)
    try:
        if frame.event == "update":
            status = _status_decoder.decode(frame.payload)
            return Event("update", tuple(frame.stream), status, status.id)
        if frame.event == "status.update":
            return Event("edit", tuple(frame.stream), _status_decoder.decode(frame.payload))
        if frame.event == "delete":
            return Event("deletion", tuple(frame.stream), deleted_id=frame.payload)
        if frame.event == "notification":
            notification = _notification_decoder.decode(frame.payload)
            mention = notification.status if notification.type == "mention" else None
            return Event("notification", tuple(frame.stream), mention, notification.id)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return None


def to_batch(events: Sequence[Event], host: str, own: Account) -> ListenerBatch:
    """Without a cursor. Of the home timeline, only our own posts, and edits of what is known already."""
    posts, edits = [], []
    for event in events:
        if event.status is None or event.status.reblog is not None:
            continue
        post = to_post(event.status, host, own)
        if event.kind == "notification":
            posts.append(msgspec.structs.replace(post, addresses_us=True))
        elif event.kind == "edit":
            at_home = event.stream[:1] == ("user",) and not post.ours
            edits.append(msgspec.structs.replace(post, only_if_known=at_home))
        elif event.stream[:1] != ("user",) or post.ours:
            posts.append(post)
    # Posts that address us come first: of a post that came over two streams, the first is stored.
    posts.sort(key=lambda post: not post.addresses_us)
    deleted = (event.deleted_id for event in events if event.deleted_id)
    deletions = tuple(Deletion(platform="mastodon", native_id=f"{host}:{status_id}") for status_id in deleted)
    return ListenerBatch(cursor="", posts=tuple(posts), edits=tuple(edits), deletions=deletions)


def to_post(status: Status, host: str, own: Account) -> IncomingPost:
    warning = f"{status.spoiler_text}\n" if status.spoiler_text else ""
    return IncomingPost(
        platform="mastodon",
        native_id=f"{host}:{status.id}",
        url=safe_url(status.url) or safe_url(status.uri),
        author=to_author(status.account, host),
        text=warning + html_to_text(status.content),
        language=status.language,
        parent=f"{host}:{status.in_reply_to_id}" if status.in_reply_to_id else None,
        created_at=status.created_at,
        metrics={"likes": status.favourites_count, "shares": status.reblogs_count},
        media=tuple(_media(attachment) for attachment in status.media_attachments),
        ours=status.account.id == own.id,
    )


def to_author(account: Account, host: str) -> IncomingAuthor:
    return IncomingAuthor(
        handle=account.acct,
        native_id=account.url or f"{host}:{account.id}",
        name=account.display_name,
        followers=account.followers_count,
        url=account.url or "",
    )


def _media(attachment: _Attachment) -> Media:
    kind: Any = {"image": "image", "gifv": "video", "video": "video", "audio": "audio"}.get(attachment.type, "file")
    return Media(
        kind=kind,
        url=attachment.url or "",
        preview=attachment.preview_url or "",
        alt=attachment.description or "",
    )
