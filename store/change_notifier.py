"""The change notifier: whoever writes notifies, whoever wakes reads rows. A signal carries nothing, and a lost one is made up
for by a sweep."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class ChangeNotifier:
    def __init__(self) -> None:
        self.version = 0
        self._changed = asyncio.Event()

    def notify(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, seen: int, timeout: float) -> None:  # noqa: ASYNC109 - a sweep, not a deadline
        """Returns at the next change, at once if there was one since version `seen`, or after `timeout` seconds."""
        if self.version == seen:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), timeout)

    async def watch(self, version: Callable[[], Awaitable[int]], interval: float) -> None:
        """Notifies of other processes' changes, told by a number that changes; checks every `interval` seconds."""
        last = await version()
        while True:
            await asyncio.sleep(interval)
            current = await version()
            if current != last:
                last = current
                self.notify()
