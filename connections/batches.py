"""Reading streams in batches: what arrives within a moment is received, and so stored, together."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import aiohttp

from models.errors import Unavailable

T = TypeVar("T")


async def gather_batch(
    receive: Callable[[], Awaitable[T]], *, idle_timeout: float | None, window: float, max_size: int
) -> list[T]:
    """The first that arrives and those that arrive within `window` seconds after it, at most `max_size`.

    Empty after `idle_timeout` seconds without any. `receive` must lose nothing when it is cancelled, and keep raising Unavailable
    once it has: what arrived before is returned first.
    """
    batch: list[T] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(idle_timeout):
            batch.append(await receive())
    with suppress(TimeoutError, Unavailable):
        async with asyncio.timeout(window):
            while batch and len(batch) < max_size:
                batch.append(await receive())
    return batch


async def receive_batch(
    socket: aiohttp.ClientWebSocketResponse, name: str, *, idle_timeout: float | None, window: float, max_size: int
) -> list[str]:
    """The texts of a WebSocket, likewise. Raises Unavailable when it has ended; `name` is the server's, for the error."""
    return await gather_batch(partial(_text, socket, name), idle_timeout=idle_timeout, window=window, max_size=max_size)


async def _text(socket: aiohttp.ClientWebSocketResponse, name: str) -> str:
    """One message; empty for one that is not text."""
    message = await socket.receive()
    if message.type is aiohttp.WSMsgType.TEXT:
        return str(message.data)
    if message.type is aiohttp.WSMsgType.BINARY:
        return ""
    raise Unavailable(f"{name} closed the connection.")
