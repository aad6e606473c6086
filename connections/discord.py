"""One bot on Discord: calls over REST, and a gateway from which everything that it may see is told.

https://discord.com/developers/docs/events/gateway, https://discordpy.readthedocs.io

What the SDK resumes by itself (a lost connection, within some minutes) it resumes with nothing lost. When it cannot, the
gateway ends here with an error of ours and a new one is begun: what was said meanwhile is then read from the history.
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
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from models.errors import EdgeError, Rejected, Unauthorized, Unavailable, Uncertain

T = TypeVar("T")

FIX: Final = (
    "Copy the bot's token at discord.com/developers/applications → Bot → Reset Token, and put it in the environment variable"
    " that `token_env` names."
)
FIX_INTENT: Final = (
    "At discord.com/developers/applications → Bot switch on Message Content Intent, or set `message_content = false` to hear"
    " only what speaks to the bot."
)
PERMISSIONS: Final = discord.Permissions(
    view_channel=True, read_message_history=True, send_messages=True, send_messages_in_threads=True
)
CARDS: Final = discord.Permissions(embed_links=True, attach_files=True)
HEARTBEAT: Final = 45.0
"""Seconds without an answer to a heartbeat after which the SDK takes the connection for dead."""
LONGEST_WAIT: Final = 60.0
"""Seconds for which the SDK itself may wait out a rate limit."""
GATHERED: Final = 2.0
"""Seconds after the last server that was told of until all are taken to be known."""
PATIENCE: Final = 0.1
BATCH: Final = 200
WRITTEN_WITHIN: Final = 60.0
TO_TRIAGE: Final = "Send to triage"
BAD_TOKEN: Final = 4004
NO_INTENT: Final = (4013, 4014)

# Its reconnections are said by our supervisor, once, and not with a traceback each.
logging.getLogger("discord.client").setLevel(logging.CRITICAL)
logging.getLogger("discord.gateway").setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True)
class Told:
    """One thing that the gateway told, in the SDK's terms; `written` is set by who has it in the store."""

    connected: bool = False
    """The gateway is new."""
    ready: bool = False
    """All servers are known: the past can be read."""
    message: discord.Message | None = None
    edited: discord.Message | None = None
    gone: tuple[str, ...] = ()
    handed: discord.Message | None = None
    """A message that a person wants a case of."""
    interaction: discord.Interaction | None = None
    reaction: discord.RawReactionActionEvent | None = None
    written: asyncio.Event = field(default_factory=asyncio.Event)


class Gateway(discord.Client):
    """Tells everyone who has joined, in order. One of them for a login, however many read it."""

    def __init__(self, *, message_content: bool, desk: bool) -> None:
        super().__init__(
            intents=intents(message_content=message_content, desk=desk),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=GATHERED,
            heartbeat_timeout=HEARTBEAT,
            max_ratelimit_timeout=LONGEST_WAIT,
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self.readers: dict[str, asyncio.Queue[Told]] = {}
        self.tree = app_commands.CommandTree(self)
        menu = app_commands.ContextMenu(name=TO_TRIAGE, callback=self._to_triage)
        menu.default_permissions = discord.Permissions(manage_messages=True)  # servers may let others, too
        self.tree.add_command(menu)
        if desk:
            said: app_commands.Command[Any, Any, Any] = app_commands.Command(
                name="ascolto", description="mine, next, quiet 22:00-07:00, away 24.12 6.1", callback=_asked
            )
            self.tree.add_command(said)

    def join(self, reader: str) -> asyncio.Queue[Told]:
        """Who joins one that is ready already is told so."""
        queue: asyncio.Queue[Told] = asyncio.Queue()
        self.readers[reader] = queue
        if self.is_ready():
            queue.put_nowait(Told(connected=True))
            queue.put_nowait(Told(ready=True))
        return queue

    def _tell(self, told: Told) -> None:
        for queue in self.readers.values():
            queue.put_nowait(told)

    @property
    def own(self) -> int:
        return self.user.id if self.user else 0

    @property
    def alive(self) -> bool:
        """Whether the gateway is there; while it is being resumed it is not."""
        gateway: Any = self.ws  # none before the first one, whatever the SDK declares
        return gateway is not None and gateway.open

    async def setup_hook(self) -> None:
        await self.tree.sync()

    async def on_connect(self) -> None:
        self._tell(Told(connected=True))

    async def on_ready(self) -> None:
        self._tell(Told(ready=True))

    async def on_message(self, message: discord.Message) -> None:
        self._tell(Told(message=message))

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        if payload.message.edited_at is not None:  # else it only got a preview of its links
            self._tell(Told(edited=payload.message))

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self._tell(Told(gone=(f"{payload.channel_id}:{payload.message_id}",)))

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        self._tell(Told(gone=tuple(f"{payload.channel_id}:{number}" for number in payload.message_ids)))

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self._tell(Told(interaction=interaction))

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        self._tell(Told(reaction=payload))

    async def _to_triage(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """Whoever asks is told once it is written down, and nobody else sees it; it is taken even if they cannot be told."""
        told = Told(handed=message)
        self._tell(told)
        with suppress(discord.HTTPException, aiohttp.ClientError, TimeoutError):
            await interaction.response.defer(ephemeral=True)
            await asyncio.wait_for(told.written.wait(), WRITTEN_WITHIN)
            await interaction.followup.send("It is in triage.", ephemeral=True)

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        """A message that cannot be read is passed over; so it is when the history is read."""


@app_commands.describe(what="mine, next, quiet, away or help")
async def _asked(interaction: discord.Interaction, what: str = "") -> None:
    """The desk answers: it hears of every interaction."""


async def next_told(queue: asyncio.Queue[Told], running: "asyncio.Future[None]", pulse: float) -> list[Told]:
    """What was told within a moment, nothing after `pulse` seconds; raises what the gateway ended with."""
    first = asyncio.ensure_future(queue.get())
    both: set[asyncio.Future[Any]] = {first, running}
    done, _ = await asyncio.wait(both, timeout=pulse, return_when=asyncio.FIRST_COMPLETED)
    if first not in done:
        first.cancel()
        if running in done:
            running.result()
        return []
    told = [first.result()]
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while len(told) < BATCH:
                told.append(await queue.get())
    return told


class Discord:
    """`api` and `gateway` are base addresses; the SDK has one of each for the whole program."""

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
        """A client that is logged in for calls; raises Unauthorized where the token is wrong."""
        async with self._lock:
            if self._rest is None:
                client = self._set_up(
                    discord.Client(intents=discord.Intents(guilds=True), max_ratelimit_timeout=LONGEST_WAIT)
                )
                try:
                    await called(client.login(self._token))
                except EdgeError:
                    await client.close()
                    raise
                self._rest = client
            return self._rest

    async def call(
        self, method: str, path: str, body: Any = None, *, png: tuple[str, bytes] | None = None, **parameters: str
    ) -> Any:
        """A call over REST whose body is our own, through the SDK and its limits; `parameters` fill the path's {places}.

        A picture goes along under its name: https://discord.com/developers/docs/reference#uploading-files
        """
        client = await self.open()
        named: dict[str, Any] = {"json": body} if body is not None else {}
        if png is not None:
            name, picture = png
            told = msgspec.json.encode({**body, "attachments": [{"id": 0, "filename": name}]}).decode()
            file = {"name": "files[0]", "value": picture, "filename": name, "content_type": "image/png"}
            named = {"form": [{"name": "payload_json", "value": told, "content_type": "application/json"}, file]}
        return await called(client.http.request(Route(method, path, **parameters), **named))

    @asynccontextmanager
    async def gateway(self, reader: str) -> AsyncIterator[tuple[Gateway, asyncio.Queue[Told], "asyncio.Future[None]"]]:
        """The gateway, begun where nobody has joined it yet, and ended with the last who leaves."""
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
        """Logs a client in and keeps it on the gateway, until that ends: always with an error of ours."""
        self._set_up(client)
        try:
            await called(client.login(self._token))
            await called(client.connect())
        finally:
            with suppress(Exception):
                await client.close()
        raise Unavailable("Discord closed the connection.")

    def _set_up(self, client: discord.Client) -> discord.Client:
        Route.BASE = self._api
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(self._gateway)
        return client

    @property
    def permissions(self) -> discord.Permissions:
        """The least that it needs: a desk also draws cards and sends charts."""
        return discord.Permissions(PERMISSIONS.value | (CARDS.value if self._desk else 0))

    def invite(self, application: int) -> str:
        """Where the owner of a server lets the bot in."""
        scopes = ("bot", "applications.commands")
        return str(discord.utils.oauth_url(application, permissions=self.permissions, scopes=scopes))

    async def close(self) -> None:
        client, self._rest = self._rest, None
        if client is not None:
            await client.close()


def intents(*, message_content: bool, desk: bool) -> discord.Intents:
    """As few as there can be: servers, messages in them and in private, their content where granted, reactions to cards."""
    wanted = discord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = True
    wanted.message_content = message_content
    wanted.guild_reactions = desk
    return wanted


async def called(call: Awaitable[T], *, changes: bool = False) -> T:
    """A call of the SDK's, its failures as ours. With `changes`, one that broke off on the way is Uncertain."""
    try:
        return await call
    except EdgeError:
        raise
    except (discord.DiscordException, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _ours(error, changes=changes) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # A field that is not what the SDK expects ends its gateway with the exception.
        unreadable = f"Discord sent something that cannot be read ({type(error).__name__})."
        raise (Uncertain if changes else Unavailable)(unreadable) from error


def each(source: Any) -> AsyncGenerator[Any, None]:
    """What an iteration of the SDK's gives, its failures as ours."""

    async def give() -> AsyncGenerator[Any, None]:
        iterator = source.__aiter__()
        while True:
            try:
                found = await called(anext(iterator))
            except StopAsyncIteration:
                return
            yield found

    return give()


def _ours(error: Exception, *, changes: bool) -> EdgeError:
    match error:
        case discord.LoginFailure():
            return Unauthorized("Discord does not know this token", FIX)
        case discord.PrivilegedIntentsRequired():
            return Unauthorized("Discord does not grant the bot the content of messages", FIX_INTENT)
        case discord.ConnectionClosed(code=code) if code == BAD_TOKEN:
            return Unauthorized("Discord does not know this token", FIX)
        case discord.ConnectionClosed(code=code) if code in NO_INTENT:
            return Unauthorized("Discord does not grant the bot the content of messages", FIX_INTENT)
        case discord.ConnectionClosed(code=code):
            return Unavailable(f"Discord closed the connection ({code}).")
        case discord.RateLimited(retry_after=wait):
            return Unavailable("Discord asks to wait", wait)
        case discord.HTTPException(status=401):
            return Unauthorized("Discord does not know this token", FIX)
        case discord.HTTPException(status=429):
            return Unavailable("Discord asks to wait", _header(error))
        case discord.HTTPException(status=status) if status >= 500:
            return (Uncertain if changes else Unavailable)(f"Discord answers with {status}")
        case discord.HTTPException():
            return Rejected(f"Discord: {error.text or error.status}")
    never_left = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    words = str(error) or type(error).__name__
    return (Uncertain if changes and not never_left else Unavailable)(f"Discord does not answer: {words}")


def _header(error: discord.HTTPException) -> float | None:
    """Seconds; what a proxy before Discord says, which bans for an hour."""
    try:
        return float(error.response.headers.get("Retry-After", ""))
    except ValueError:
        return None
