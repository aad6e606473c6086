"""One bot on Discord: calls over REST, and a gateway that sends every event that the bot may see.

https://discord.com/developers/docs/events/gateway, https://discordpy.readthedocs.io

A connection lost for a few minutes is resumed by the SDK, and no event is lost. When it cannot be resumed, the gateway ends
with one of our errors and a new one is started: messages posted in between are then read from the history.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import aiohttp
import discord
import msgspec
import structlog
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from models.errors import EdgeError, Rejected, Unauthorized, Unavailable, Uncertain

T = TypeVar("T")
log = structlog.get_logger("ascolto")

FIX: Final = (
    "Copy the bot's token at discord.com/developers/applications → Bot → Reset Token, and put it in the environment variable"
    " that `token_env` names."
)
FIX_INTENT: Final = (
    "At discord.com/developers/applications → Bot switch on Message Content Intent, or set `message_content = false` to receive"
    " only messages that mention the bot, reply to it or are sent to it."
)
PERMISSIONS: Final = discord.Permissions(
    view_channel=True, read_message_history=True, send_messages=True, send_messages_in_threads=True
)
CARDS: Final = discord.Permissions(embed_links=True, attach_files=True)
HEARTBEAT: Final = 45.0
"""Seconds without a response to a heartbeat after which the SDK considers the connection dead."""
MAX_RETRY_AFTER: Final = 60.0
"""Seconds up to which the SDK itself waits for a rate limit to end."""
GUILD_READY_TIMEOUT: Final = 2.0
"""Seconds without another server after which all of them are considered received."""
BATCH_WINDOW: Final = 0.1
"""Seconds after its first event in which a batch collects more."""
BATCH: Final = 200
STORE_TIMEOUT: Final = 60.0
"""Seconds that whoever sends a message to triage waits for the confirmation."""
TO_TRIAGE: Final = "Send to triage"
BAD_TOKEN: Final = 4004
INTENT_NOT_GRANTED: Final = (4013, 4014)
"""Close codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes"""

# Our supervisor reports reconnections, once; the SDK would log each with a traceback.
logging.getLogger("discord.client").setLevel(logging.CRITICAL)
logging.getLogger("discord.gateway").setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True)
class GatewayEvent:
    """One event of the gateway, as the SDK's objects; its reader sets `stored` once it is in the store."""

    connected: bool = False
    """A new session has started."""
    ready: bool = False
    """All servers have been received: the history can be read."""
    message: discord.Message | None = None
    edited: discord.Message | None = None
    deleted: tuple[str, ...] = ()
    """Native ids."""
    sent_to_triage: discord.Message | None = None
    """A message that a person requests a case for."""
    interaction: discord.Interaction | None = None
    reaction: discord.RawReactionActionEvent | None = None
    stored: asyncio.Event = field(default_factory=asyncio.Event)


class Gateway(discord.Client):
    """Sends each event to every reader that has joined, in order. A login has one gateway, shared by its readers."""

    def __init__(self, *, message_content: bool, desk: bool) -> None:
        super().__init__(
            intents=intents(message_content=message_content, desk=desk),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=GUILD_READY_TIMEOUT,
            heartbeat_timeout=HEARTBEAT,
            max_ratelimit_timeout=MAX_RETRY_AFTER,
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self.readers: dict[str, asyncio.Queue[GatewayEvent]] = {}
        self.tree = app_commands.CommandTree(self)
        menu = app_commands.ContextMenu(name=TO_TRIAGE, callback=self._to_triage)
        menu.default_permissions = discord.Permissions(manage_messages=True)  # servers can allow it to others
        self.tree.add_command(menu)
        if desk:
            command: app_commands.Command[Any, Any, Any] = app_commands.Command(
                name="ascolto", description="mine, next, quiet 22:00-07:00, away 24.12 6.1", callback=_no_response
            )
            self.tree.add_command(command)

    def join(self, reader: str) -> asyncio.Queue[GatewayEvent]:
        """The queue of a reader's events; a reader that joins late also receives `connected` and `ready`."""
        queue: asyncio.Queue[GatewayEvent] = asyncio.Queue()
        self.readers[reader] = queue
        if self.is_ready():
            queue.put_nowait(GatewayEvent(connected=True))
            queue.put_nowait(GatewayEvent(ready=True))
        return queue

    def _send(self, event: GatewayEvent) -> None:
        for queue in self.readers.values():
            queue.put_nowait(event)

    @property
    def own(self) -> int:
        return self.user.id if self.user else 0

    @property
    def alive(self) -> bool:
        """Whether the gateway is connected; it is not while it is being resumed."""
        gateway: Any = self.ws  # None before the first connection, although the SDK does not declare it
        return gateway is not None and gateway.open

    @property
    def stale(self) -> bool:
        """Whether it was connected and is not: it may never come back by itself."""
        return self.ws is not None and not self.alive  # type: ignore[redundant-expr]

    async def setup_hook(self) -> None:
        """Without its commands it still listens, and cards still work."""
        try:
            await self.tree.sync()
        except (discord.DiscordException, aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("Discord refuses the commands", reason=str(error)[:200])

    async def on_connect(self) -> None:
        self._send(GatewayEvent(connected=True))

    async def on_ready(self) -> None:
        self._send(GatewayEvent(ready=True))

    async def on_message(self, message: discord.Message) -> None:
        self._send(GatewayEvent(message=message))

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        if payload.message.edited_at is not None:  # otherwise only a link preview was added
            self._send(GatewayEvent(edited=payload.message))

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self._send(GatewayEvent(deleted=(f"{payload.channel_id}:{payload.message_id}",)))

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        self._send(GatewayEvent(deleted=tuple(f"{payload.channel_id}:{number}" for number in payload.message_ids)))

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self._send(GatewayEvent(interaction=interaction))

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        self._send(GatewayEvent(reaction=payload))

    async def _to_triage(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """Confirmed, to the person who sent it alone, once it is stored; it is stored even if that fails."""
        event = GatewayEvent(sent_to_triage=message)
        self._send(event)
        with suppress(discord.HTTPException, aiohttp.ClientError, TimeoutError):
            await interaction.response.defer(ephemeral=True)
            await asyncio.wait_for(event.stored.wait(), STORE_TIMEOUT)
            await interaction.followup.send("Sent to triage.", ephemeral=True)

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        """An event whose handler fails is skipped."""


@app_commands.describe(what="mine, next, quiet, away or help")
async def _no_response(interaction: discord.Interaction, what: str = "") -> None:
    """The desk responds: it receives every interaction."""


async def next_events(
    queue: asyncio.Queue[GatewayEvent], running: "asyncio.Future[None]", idle_timeout: float
) -> list[GatewayEvent]:
    """The next events, none after `idle_timeout` seconds; raises the error that the gateway ended with."""
    first = asyncio.ensure_future(queue.get())
    both: set[asyncio.Future[Any]] = {first, running}
    done, _ = await asyncio.wait(both, timeout=idle_timeout, return_when=asyncio.FIRST_COMPLETED)
    if first not in done:
        first.cancel()
        if running in done:
            running.result()
        return []
    events = [first.result()]
    with suppress(TimeoutError):
        async with asyncio.timeout(BATCH_WINDOW):
            while len(events) < BATCH:
                events.append(await queue.get())
    return events


class Discord:
    """`api` and `gateway` are base addresses; the SDK has one of each per process."""

    platform = "discord"

    def __init__(
        self, name: str, token: str, *, api: str, gateway: str, message_content: bool = True, desk: bool = False
    ) -> None:
        self.name = name
        self.message_content = message_content
        self._token = token
        self._api = api.rstrip("/")
        self._gateway = gateway
        self._desk = desk
        self._rest: discord.Client | None = None
        self._shared: Gateway | None = None
        self._running: asyncio.Future[None] | None = None
        self._lock = asyncio.Lock()

    async def open(self) -> discord.Client:
        """A client that is logged in for REST calls; raises Unauthorized where the token is wrong."""
        async with self._lock:
            if self._rest is None:
                client = self._with_addresses(
                    discord.Client(intents=discord.Intents(guilds=True), max_ratelimit_timeout=MAX_RETRY_AFTER)
                )
                try:
                    await sdk_call(client.login(self._token))
                except EdgeError:
                    await client.close()
                    raise
                self._rest = client
            return self._rest

    async def call(
        self, method: str, path: str, body: Any = None, *, png: tuple[str, bytes] | None = None, **parameters: str
    ) -> Any:
        """A REST call with a body of our own, within the SDK's rate limits; `parameters` fill the path's {placeholders}.

        `png` is a file name and its content: https://discord.com/developers/docs/reference#uploading-files
        """
        client = await self.open()
        options: dict[str, Any] = {"json": body} if body is not None else {}
        if png is not None:
            name, content = png
            json = msgspec.json.encode({**body, "attachments": [{"id": 0, "filename": name}]}).decode()
            file = {"name": "files[0]", "value": content, "filename": name, "content_type": "image/png"}
            options = {"form": [{"name": "payload_json", "value": json, "content_type": "application/json"}, file]}
        return await sdk_call(client.http.request(Route(method, path, **parameters), **options))

    @asynccontextmanager
    async def gateway(
        self, reader: str
    ) -> AsyncIterator[tuple[Gateway, asyncio.Queue[GatewayEvent], "asyncio.Future[None]"]]:
        """The shared gateway: started by the first reader, closed by the last one that leaves.

        A reader that comes back to one that is cut off ends it: its other readers are told, and join a new one.
        """
        if self._shared is not None and self._shared.stale:
            await self._shared.close()
            self._shared = None
        if self._shared is None or self._running is None or self._running.done():
            self._shared = Gateway(message_content=self.message_content, desk=self._desk)
            self._running = asyncio.ensure_future(self._run(self._shared))
        shared, running = self._shared, self._running
        queue = shared.join(reader)
        try:
            yield shared, queue, running
        finally:
            shared.readers.pop(reader, None)
            if not shared.readers:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    async def _run(self, client: discord.Client) -> None:
        """Logs in and stays connected until the gateway ends, always with one of our errors."""
        self._with_addresses(client)
        try:
            await sdk_call(client.login(self._token))
            await sdk_call(client.connect())
        finally:
            with suppress(Exception):
                await client.close()
        raise Unavailable("Discord closed the connection.")

    def _with_addresses(self, client: discord.Client) -> discord.Client:
        Route.BASE = self._api
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(self._gateway)
        return client

    @property
    def permissions(self) -> discord.Permissions:
        """The fewest that it needs: a desk also sends embeds and charts."""
        return discord.Permissions(PERMISSIONS.value | (CARDS.value if self._desk else 0))

    def invite_link(self, application: int) -> str:
        """The page where a server's owner adds the bot."""
        scopes = ("bot", "applications.commands")
        return str(discord.utils.oauth_url(application, permissions=self.permissions, scopes=scopes))

    async def close(self) -> None:
        client, self._rest = self._rest, None
        if client is not None:
            await client.close()


def intents(*, message_content: bool, desk: bool) -> discord.Intents:
    """As few as possible: servers, their messages, direct messages, the content where granted, for a desk also reactions."""
    needed = discord.Intents.none()
    needed.guilds = needed.guild_messages = needed.dm_messages = True
    needed.message_content = message_content
    needed.guild_reactions = desk
    return needed


async def sdk_call(call: Awaitable[T], *, writes: bool = False) -> T:
    """A call of the SDK whose exceptions become EdgeError. With `writes`, one that was interrupted is Uncertain."""
    try:
        return await call
    except EdgeError:
        raise
    except (discord.DiscordException, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _to_edge_error(error, writes=writes) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # A field that the SDK does not expect ends its gateway with the exception.
        reason = f"Discord sent something that cannot be read ({type(error).__name__})."
        raise (Uncertain if writes else Unavailable)(reason) from error


def each(source: Any) -> AsyncGenerator[Any, None]:
    """An asynchronous iteration of the SDK whose exceptions become EdgeError."""

    async def iterate() -> AsyncGenerator[Any, None]:
        iterator = source.__aiter__()
        while True:
            try:
                value = await sdk_call(anext(iterator))
            except StopAsyncIteration:
                return
            yield value

    return iterate()


def _to_edge_error(error: Exception, *, writes: bool) -> EdgeError:
    match error:
        case discord.LoginFailure():
            return Unauthorized("Discord does not accept this token", FIX)
        case discord.PrivilegedIntentsRequired():
            return Unauthorized("The bot may not read the content of messages", FIX_INTENT)
        case discord.ConnectionClosed(code=code) if code == BAD_TOKEN:
            return Unauthorized("Discord does not accept this token", FIX)
        case discord.ConnectionClosed(code=code) if code in INTENT_NOT_GRANTED:
            return Unauthorized("The bot may not read the content of messages", FIX_INTENT)
        case discord.ConnectionClosed(code=code):
            return Unavailable(f"Discord closed the connection ({code}).")
        case discord.RateLimited(retry_after=wait):
            return Unavailable("Discord rate limit reached", wait)
        case discord.HTTPException(status=401):
            return Unauthorized("Discord does not accept this token", FIX)
        case discord.HTTPException(status=429):
            return Unavailable("Discord rate limit reached", _retry_after(error))
        case discord.HTTPException(status=status) if status >= 500:
            return (Uncertain if writes else Unavailable)(f"Discord responded with status {status}.")
        case discord.HTTPException():
            return Rejected(f"Discord: {error.text or error.status}")
    never_sent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    message = str(error) or type(error).__name__
    return (Uncertain if writes and not never_sent else Unavailable)(f"Discord does not answer: {message}")


def _retry_after(error: discord.HTTPException) -> float | None:
    """Seconds, from the header that Discord's proxy sets: it can block an address for an hour."""
    try:
        return float(error.response.headers.get("Retry-After", ""))
    except ValueError:
        return None
