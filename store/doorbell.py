"""The doorbell: whoever writes rings, whoever wakes reads rows. A ring carries nothing, and a lost one is swept up."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class Doorbell:
    def __init__(self) -> None:
        self.rings = 0
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self.rings += 1
        self._rung.set()
        self._rung = asyncio.Event()

    async def wait(self, seen: int, timeout: float) -> None:  # noqa: ASYNC109 - a sweep, not a deadline
        """Returns at the next ring, at once when there was one since `seen`, or after `timeout` seconds."""
        if self.rings == seen:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), timeout)

    async def watch(self, version: Callable[[], Awaitable[int]], interval: float) -> None:
        """Rings when other processes have written, as told by a number that changes; looks every `interval` seconds."""
        last = await version()
        while True:
            await asyncio.sleep(interval)
            now = await version()
            if now != last:
                last = now
                self.ring()
