"""Reading what keeps coming in batches: what comes within a moment is taken together, so that it is written together."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import aiohttp

from models.errors import Unavailable

T = TypeVar("T")


async def gathered(take: Callable[[], Awaitable[T]], *, quiet: float | None, patience: float, most: int) -> list[T]:
    """The first that comes and those that come within `patience` seconds after it, at most so many.

    Nothing after `quiet` seconds without any. `take` must lose nothing when it is cancelled, and goes on raising Unavailable
    once it has: what came before that is given first.
    """
    found: list[T] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(quiet):
            found.append(await take())
    with suppress(TimeoutError, Unavailable):
        async with asyncio.timeout(patience):
            while found and len(found) < most:
                found.append(await take())
    return found


async def frames(
    socket: aiohttp.ClientWebSocketResponse, who: str, *, quiet: float | None, patience: float, most: int
) -> list[str]:
    """The texts of a WebSocket, as above. Raises Unavailable when it has ended; `who` names its far side."""
    return await gathered(partial(_text, socket, who), quiet=quiet, patience=patience, most=most)


async def _text(socket: aiohttp.ClientWebSocketResponse, who: str) -> str:
    """One message; what is no text is as good as empty."""
    message = await socket.receive()
    if message.type is aiohttp.WSMsgType.TEXT:
        return str(message.data)
    if message.type is aiohttp.WSMsgType.BINARY:
        return ""
    raise Unavailable(f"{who} closed the connection.")
