"""Hearing hashtags, what speaks to our account, and the public timeline of one Mastodon server.

https://docs.joinmastodon.org/methods/streaming/ (one WebSocket for all, or where a proxy refuses it an event stream for each),
https://docs.joinmastodon.org/api/guidelines/#pagination

The native id is `host:id`, of the server that we are connected to: it is what an answer refers to and what a deletion
names. The bookmark holds the last id of each timeline; after a break each is read from there while the stream already runs.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
import structlog

from connections.eventstreams import EventStream
from connections.http import Answer, read_capped
from connections.mastodon import FIX, Account, Mastodon, checked
from connections.sockets import frames, gathered
from models.errors import EdgeError, Unauthorized, Unavailable
from models.post import Around, Deletion, Heard, Media, Post, PostAuthor, Sought
from models.text import plain, web_address

T = TypeVar("T")

log = structlog.get_logger("ascolto")

PULSE: Final = 25.0
"""Seconds between signs of life while nobody posts; the WebSocket itself is asked as often."""
PATIENCE: Final = 0.25
BATCH: Final = 200
PAGE: Final = 40
PAGES: Final = 25
"""Most pages of a timeline that are read after a break."""
MAX_FRAME: Final = 2_000_000
SOCKET_AGAIN: Final = 3_600.0
"""Seconds after which a WebSocket that was refused is tried again."""
SILENCE: Final = aiohttp.ClientTimeout(total=None, connect=10, sock_read=60)
"""An event stream says something (a comment at least) every fifteen seconds."""
LATE_SECONDS: Final = 900
"""For so long a post may be on its way from another server."""
SNOWFLAKE: Final = 10**17
"""Ids above are times, in milliseconds and sixteen bits more."""


class Frame(msgspec.Struct):
    """What a stream tells, by whichever way: `stream` is its name, `payload` JSON or an id."""

    error: str = ""
    status: int = 0
    event: str = ""
    stream: list[str] = []
    payload: str = ""


Told = Callable[[], Awaitable[list[Frame]]]
"""The next frames; perhaps none, for the way itself proves that it lives."""


class MastodonEar:
    platform = "mastodon"
    silence = 90.0

    def __init__(self, connection: Mastodon, *, hashtags: Sequence[str] = (), public: str = "off") -> None:
        """`public` is off, local (posts of this server's own people) or federated (all that it knows of)."""
        self.name = connection.name
        self._connection = connection
        self._hashtags = [tag.lstrip("#").lower() for tag in hashtags]
        self._public = {"local": "public:local", "federated": "public"}.get(public, "")
        self._socket_from = 0.0
        """On the loop's clock: from when the WebSocket is tried."""

    async def connect(self) -> None:
        await self._connection.prove()

    async def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        last = msgspec.json.decode(bookmark, type=dict[str, str]) if bookmark else {}
        own = await self._connection.open()
        async with self._streams() as told:
            for channel in self._channels():
                async for reached, posts in self._missed(channel, last.get(channel), own):
                    last[channel] = reached
                    yield Heard(bookmark=_written(last), posts=tuple(posts))
            yield Heard(bookmark=_written(last))
            while True:
                events = [event for frame in await told() if (event := to_event(frame)) is not None]
                heard = to_heard(events, self._connection.host, own)
                for event in events:
                    if event.stream and (number := event.number):
                        channel = event.channel
                        last[channel] = _newest([last.get(channel, "0"), number])
                yield msgspec.structs.replace(heard, bookmark=_written(last))

    def _channels(self) -> list[str]:
        public = [self._public] if self._public else []
        return ["notifications", "own", *public, *(f"hashtag:{tag}" for tag in self._hashtags)]

    def _wanted(self) -> list[list[str]]:
        """The streams by their names, as the events of the WebSocket carry them."""
        return [
            ["user"],
            *([[self._public]] if self._public else []),
            *(["hashtag", tag] for tag in self._hashtags),
        ]

    @asynccontextmanager
    async def _streams(self) -> AsyncGenerator[Told, None]:
        """What is told, over the WebSocket; over event streams where that is refused, for an hour at a time."""
        if asyncio.get_running_loop().time() >= self._socket_from:
            socket = await self._socket()
            if socket is not None:
                async with socket:
                    yield partial(_from_socket, socket)
                return
            self._socket_from = asyncio.get_running_loop().time() + SOCKET_AGAIN
        async with self._event_streams() as told:
            log.info("Mastodon is heard over server-sent events", connection=self.name)
            yield told

    async def _socket(self) -> aiohttp.ClientWebSocketResponse | None:
        """None where something on the way answers the upgrade, and refuses it."""
        try:
            socket = await self._connection.http.ws_connect(
                self._connection.streaming, headers=self._connection.headers, heartbeat=PULSE, max_msg_size=MAX_FRAME
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 401:
                raise Unauthorized("Mastodon's stream answers with 401", FIX) from error
            if error.status == 429:
                raise Unavailable("Mastodon asks to wait") from error
            return None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"Mastodon's stream does not answer: {error}") from error
        for stream, *tag in self._wanted():
            await socket.send_json({"type": "subscribe", "stream": stream, **({"tag": tag[0]} if tag else {})})
        return socket

    @asynccontextmanager
    async def _event_streams(self) -> AsyncGenerator[Told, None]:
        """A request for each stream, read side by side; what ends one ends all."""
        queue: asyncio.Queue[Frame | EdgeError] = asyncio.Queue(BATCH)
        async with AsyncExitStack() as open_:
            answers = [
                (wanted, await open_.enter_async_context(self._event_stream(wanted))) for wanted in self._wanted()
            ]
            reading = [asyncio.create_task(_read_into(queue, wanted, answer)) for wanted, answer in answers]
            try:
                yield partial(_from_queue, queue)
            finally:
                for task in reading:
                    task.cancel()
                await asyncio.gather(*reading, return_exceptions=True)

    @asynccontextmanager
    async def _event_stream(self, wanted: Sequence[str]) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        path, tag = "/".join(wanted[0].split(":")), {"tag": wanted[1]} if len(wanted) > 1 else {}
        headers = {**self._connection.headers, "Accept": "text/event-stream"}
        url = "http" + self._connection.streaming.removeprefix("ws")
        try:
            answer = await self._connection.http.get(f"{url}/{path}", params=tag, headers=headers, timeout=SILENCE)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"Mastodon's stream does not answer: {error}") from error
        async with answer:
            if answer.status != 200 or answer.content_type != "text/event-stream":
                said = {name.lower(): value for name, value in answer.headers.items()}
                checked(Answer(answer.status, said, await read_capped(answer, MAX_FRAME), str(answer.url)))
                raise Unavailable(f"Mastodon's stream answers with {answer.status}, and is none")
            yield answer

    async def _missed(
        self, channel: str, since: str | None, own: Account
    ) -> AsyncGenerator[tuple[str, list[Post]], None]:
        """A timeline from an id on, oldest first, with the id reached; at the first look only where it ends."""
        path, parameters = _timeline(channel, own)
        if since is None:
            newest = await self._page(path, channel, {**parameters, "limit": "1"})
            yield _newest(["0", *(found.id for found in newest)]), self._read(channel, newest, own)
            return
        reached, since = since, _earlier(since)
        for _ in range(PAGES):
            page = await self._page(path, channel, {**parameters, "min_id": since, "limit": str(PAGE)})
            if not page:
                return
            since = _newest([since, *(found.id for found in page)])
            reached = _newest([reached, since])
            yield reached, self._read(channel, page, own)

    async def _page(self, path: str, channel: str, parameters: dict[str, str]) -> "list[Status] | list[Notification]":
        decoder: Any = _notification_decoder if channel == "notifications" else _status_decoder
        rows = await self._connection.get(path, list[msgspec.Raw], parameters)
        return [found for row in rows if (found := _read(decoder, row)) is not None]

    def _read(self, channel: str, page: "Sequence[Status | Notification]", own: Account) -> list[Post]:
        host = self._connection.host
        statuses = [found.status if isinstance(found, Notification) else found for found in page]
        posts = [to_post(status, host, own) for status in statuses if status is not None]
        to_us = channel == "notifications"
        posts = [msgspec.structs.replace(post, to_us=to_us, origin="backfill") for post in posts]
        return sorted(posts, key=lambda post: post.created_at)

    async def find(self, url: str) -> Post | None:
        """Any address of a post that this server knows or can fetch."""
        if not web_address(url):
            return None
        try:
            own = await self._connection.open()
            query = {"q": url, "type": "statuses", "resolve": "true", "limit": "1"}
            found = await self._connection.get("/api/v2/search", _Found, query)
        except EdgeError:
            return None
        same = [status for status in found.statuses if url in (status.url, status.uri)]
        return to_post(same[0], self._connection.host, own) if same else None

    async def around(self, sought: Sought) -> Around:
        """The posts above it; names and reach come with every post."""
        if not sought.parent:
            return Around()
        own = await self._connection.open()
        path = f"/api/v1/statuses/{quote(sought.native_id.rpartition(':')[2], safe='')}/context"
        context = await self._connection.get(path, _Context)
        return Around(before=tuple(to_post(status, self._connection.host, own) for status in context.ancestors))

    async def close(self) -> None:
        await self._connection.close()


def _timeline(channel: str, own: Account) -> tuple[str, dict[str, str]]:
    """Where a channel's past is read."""
    if channel == "notifications":
        return "/api/v1/notifications", {"types[]": "mention"}
    if channel == "own":
        return f"/api/v1/accounts/{quote(own.id, safe='')}/statuses", {"exclude_reblogs": "true"}
    if channel.startswith("public"):
        return "/api/v1/timelines/public", {"local": str(channel == "public:local").lower()}
    return f"/api/v1/timelines/tag/{quote(channel.partition(':')[2], safe='')}", {}


def _earlier(number: str) -> str:
    """An id of some minutes before: posts of other servers are numbered by when they were written, and come later."""
    if not number.isdigit() or int(number) < SNOWFLAKE:
        return number
    return str(int(number) - (LATE_SECONDS * 1000 << 16))


def _newest(ids: Sequence[str]) -> str:
    """Ids are numbers that grow, though spelled as texts."""
    return max(ids, key=lambda text: (len(text), text))


def _written(last: dict[str, str]) -> str:
    return msgspec.json.encode(last).decode()


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


class _Found(msgspec.Struct):
    statuses: list[Status] = []


def _read(decoder: Any, row: msgspec.Raw) -> Any:
    """One row; None for one that cannot be read, which keeps nobody from the others."""
    try:
        return decoder.decode(row)
    except msgspec.DecodeError:
        return None


class Event(msgspec.Struct):
    """What the stream told: `update`, `edit`, `deletion` or `notification`."""

    kind: str
    stream: tuple[str, ...]
    status: Status | None = None
    number: str = ""
    """The id that the timeline has reached; empty where the event does not move it."""
    gone: str = ""

    @property
    def channel(self) -> str:
        """The timeline as the bookmark names it."""
        if self.kind == "notification":
            return "notifications"
        return "own" if self.stream[:1] == ("user",) else ":".join(self.stream)


_frame_decoder = msgspec.json.Decoder(Frame)
_status_decoder = msgspec.json.Decoder(Status)
_notification_decoder = msgspec.json.Decoder(Notification)


async def _from_socket(socket: aiohttp.ClientWebSocketResponse) -> list[Frame]:
    """What is malformed is left out; the WebSocket's own heartbeat proves that it lives."""
    told = await frames(socket, "Mastodon", quiet=PULSE, patience=PATIENCE, most=BATCH)
    return [found for text in told if (found := _frame(text)) is not None]


def _frame(text: str) -> Frame | None:
    try:
        return _frame_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


async def _from_queue(queue: "asyncio.Queue[Frame | EdgeError]") -> list[Frame]:
    return await gathered(partial(_taken, queue), quiet=PULSE, patience=PATIENCE, most=BATCH)


async def _taken(queue: "asyncio.Queue[Frame | EdgeError]") -> Frame:
    """Where a stream has ended, that is raised whenever it is asked."""
    found = await queue.get()
    if isinstance(found, EdgeError):
        queue.put_nowait(found)
        raise found
    return found


async def _read_into(
    queue: "asyncio.Queue[Frame | EdgeError]", wanted: list[str], answer: aiohttp.ClientResponse
) -> None:
    events = EventStream(MAX_FRAME)
    try:
        async for piece in answer.content.iter_any():
            for sent in events.feed(piece):
                await queue.put(Frame(event=sent.name, stream=wanted, payload=sent.data))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        await queue.put(Unavailable(f"Mastodon's stream broke off: {error}"))
    except EdgeError as error:
        await queue.put(error)
    else:
        await queue.put(Unavailable("Mastodon closed the stream."))


def to_event(told: Frame) -> Event | None:
    """What a frame tells; None for what is malformed or no business of ours."""
    if told.error:
        raise _refused(told)
    try:
        if told.event == "update":
            status = _status_decoder.decode(told.payload)
            return Event("update", tuple(told.stream), status, status.id)
        if told.event == "status.update":
            return Event("edit", tuple(told.stream), _status_decoder.decode(told.payload))
        if told.event == "delete":
            return Event("deletion", tuple(told.stream), gone=told.payload)
        if told.event == "notification":
            notice = _notification_decoder.decode(told.payload)
            wanted = notice.status if notice.type == "mention" else None
            return Event("notification", tuple(told.stream), wanted, notice.id)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return None


def _refused(told: Frame) -> EdgeError:
    """The stream itself says what is wrong: a scope that is missing, a timeline that this server keeps to itself."""
    return Unauthorized(f"Mastodon's stream refuses: {told.error}", FIX)


def to_heard(events: Sequence[Event], host: str, own: Account) -> Heard:
    """What happened, without a bookmark. Of the home timeline only our own posts are anybody's business."""
    posts, edits = [], []
    for event in events:
        if event.status is None or event.status.reblog is not None:
            continue
        post = to_post(event.status, host, own)
        if event.kind == "notification":
            posts.append(msgspec.structs.replace(post, to_us=True))
        elif event.kind == "edit":
            edits.append(post)
        elif event.stream[:1] != ("user",) or post.ours:
            posts.append(post)
    # The stream that names us comes first: what is heard twice is known by whom it speaks to.
    posts.sort(key=lambda post: not post.to_us)
    gone = tuple(Deletion(platform="mastodon", native_id=f"{host}:{event.gone}") for event in events if event.gone)
    return Heard(bookmark="", posts=tuple(posts), edits=tuple(edits), deletions=gone)


def to_post(status: Status, host: str, own: Account) -> Post:
    warning = f"{status.spoiler_text}\n" if status.spoiler_text else ""
    return Post(
        platform="mastodon",
        native_id=f"{host}:{status.id}",
        url=web_address(status.url) or web_address(status.uri),
        author=to_author(status.account, host),
        text=warning + plain(status.content),
        language=status.language,
        parent=f"{host}:{status.in_reply_to_id}" if status.in_reply_to_id else None,
        created_at=status.created_at,
        metrics={"likes": status.favourites_count, "shares": status.reblogs_count},
        media=tuple(_media(found) for found in status.media_attachments),
        ours=status.account.id == own.id,
    )


def to_author(account: Account, host: str) -> PostAuthor:
    return PostAuthor(
        handle=account.acct,
        native_id=account.url or f"{host}:{account.id}",
        name=account.display_name,
        followers=account.followers_count,
        url=account.url or "",
    )


def _media(found: _Attachment) -> Media:
    kind: Any = {"image": "image", "gifv": "video", "video": "video", "audio": "audio"}.get(found.type, "file")
    return Media(kind=kind, url=found.url or "", preview=found.preview_url or "", alt=found.description or "")
