"""One bot on Discord: calls over REST, and a gateway from which everything that it may see is told.

https://discord.com/developers/docs/events/gateway, https://discordpy.readthedocs.io

What the SDK resumes by itself (a lost connection, within some minutes) it resumes with nothing lost. When it cannot, the
gateway ends here with an error of ours and a new one is begun: what was said meanwhile is then read from the history.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable
from contextlib import suppress
from typing import Any, Final, TypeVar

import aiohttp
import discord
import yarl
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
HEARTBEAT: Final = 45.0
"""Seconds without an answer to a heartbeat after which the SDK takes the connection for dead."""
LONGEST_WAIT: Final = 60.0
"""Seconds for which the SDK itself may wait out a rate limit."""
BAD_TOKEN: Final = 4004
NO_INTENT: Final = (4013, 4014)

# Its reconnections are said by our supervisor, once, and not with a traceback each.
logging.getLogger("discord.client").setLevel(logging.CRITICAL)
logging.getLogger("discord.gateway").setLevel(logging.CRITICAL)


class Discord:
    """`api` and `gateway` are base addresses; the SDK has one of each for the whole program."""

    platform = "discord"

    def __init__(self, name: str, token: str, *, api: str, gateway: str, message_content: bool = True) -> None:
        self.name = name
        self.message_content = message_content
        self._token = token
        self._api = api.rstrip("/")
        self._gateway = gateway
        self._rest: discord.Client | None = None
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

    async def run(self, client: discord.Client) -> None:
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

    def invite(self, application: int) -> str:
        """Where the owner of a server lets the bot in."""
        scopes = ("bot", "applications.commands")
        return str(discord.utils.oauth_url(application, permissions=PERMISSIONS, scopes=scopes))

    async def close(self) -> None:
        client, self._rest = self._rest, None
        if client is not None:
            await client.close()


def intents(*, message_content: bool) -> discord.Intents:
    """As few as there can be: servers, messages in them and in private, and their content where that is granted."""
    wanted = discord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = True
    wanted.message_content = message_content
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
