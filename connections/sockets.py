"""Reading a WebSocket in batches: what comes within a moment is taken together, so that it is written together."""

import asyncio
from contextlib import suppress

import aiohttp

from models.errors import Unavailable


async def frames(
    socket: aiohttp.ClientWebSocketResponse, who: str, *, quiet: float | None, patience: float, most: int
) -> list[str]:
    """The first text and those that come within `patience` seconds after it, at most so many.

    Nothing after `quiet` seconds without any. Raises Unavailable when the socket has ended; `who` names its far side.
    """
    found: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(quiet):
            found.append(await _text(socket, who))
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while found and len(found) < most:
                found.append(await _text(socket, who))
    return found


async def _text(socket: aiohttp.ClientWebSocketResponse, who: str) -> str:
    """One message; what is no text is as good as empty."""
    message = await socket.receive()
    if message.type is aiohttp.WSMsgType.TEXT:
        return str(message.data)
    if message.type is aiohttp.WSMsgType.BINARY:
        return ""
    raise Unavailable(f"{who} closed the connection.")
