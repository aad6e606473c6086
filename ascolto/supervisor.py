"""One supervisor for every worker: it starts them, watches them, backs off, logs what is wrong once, and stops them.

A worker is handed a Watch to report to; when it ends with an error of ours, the Watch says which state that is, and it is
started again after a while. Stop is not cancel: every worker is asked first, given time to finish what it is doing, and only
then cancelled, in reverse order of start.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog

from ascolto.logs import redaction
from models.errors import OperatorError, Paused, Rejected, Unauthorized, Unavailable
from models.tables.connection_status import Health, Role
from models.text import clean
from store.connection_status import Report

T = TypeVar("T")
log = structlog.get_logger("ascolto")

FIRST_RETRY: Final = 1.0
LAST_RETRY: Final = 300.0
"""Seconds between tries; doubles from the first to the last, with 20 % jitter."""
STABLE: Final = timedelta(minutes=1)
"""What worked this long starts again with the shortest wait; what connects only to fail at once does not."""
FIRST_HUMAN_RETRY: Final = 60.0
LAST_HUMAN_RETRY: Final = 1800.0
"""Seconds between looks whether a person has fixed what only a person can, doubling: platforms ban clients that retry too
often."""
MAX_RETRY_AFTER: Final = 3600.0
"""Seconds for which a platform may put us off, and between looks whether what is paused may continue."""
MAX_REASON: Final = 500
"""Characters."""
DRAIN: Final = 8.0
"""Seconds that all workers together have to finish what they are doing."""
JITTER: Final = 0.2


@dataclass
class Watch:
    """What is known of one worker, and the flag that asks it to stop. `role` is None for workers without a connection."""

    role: Role | None
    name: str
    platform: str
    now: Callable[[], datetime]
    stopping: asyncio.Event
    changed: Callable[["Watch"], None] = lambda _: None
    health: Health = "starting"
    reason: str = ""
    fix: str = ""
    since: datetime = field(init=False)
    until: datetime | None = None
    last_event_at: datetime | None = None
    last_success_at: datetime | None = None
    failures: int = 0

    def __post_init__(self) -> None:
        self.since = self.now()

    def mark_healthy(self, *, event: bool = False) -> None:
        """A call succeeded, or with `event` something was received."""
        self.last_success_at = self.now()
        if event:
            self.last_event_at = self.last_success_at
        if self.health != "connected":
            recovered = self.health not in ("starting", "off")
            self._become("connected")
            if recovered:
                log.info("recovered", what=self.label)

    def mark_failed(self, health: Health, reason: str, fix: str = "", wait: float | None = None) -> None:
        """Logged once, however often it is tried. The reason may be a server's text."""
        reason = redaction.hide(clean(reason, MAX_REASON))
        is_new = (self.health, self.reason) != (health, reason)
        self._become(health, reason, fix, None if wait is None else self.now() + timedelta(seconds=wait))
        if is_new:
            log.warning("failed", what=self.label, state=health, reason=reason, fix=fix)

    def turn_off(self) -> None:
        self._become("off")

    def _become(self, health: Health, reason: str = "", fix: str = "", until: datetime | None = None) -> None:
        if health != self.health:
            self.since = self.now()
        self.health, self.reason, self.fix, self.until = health, reason, fix, until
        self.changed(self)

    @property
    def label(self) -> str:
        return f"{self.role} {self.name}" if self.role else self.name

    def report(self) -> Report | None:
        """For the store; None for a worker without a connection."""
        if self.role is None:
            return None
        return Report(
            role=self.role,
            name=self.name,
            platform=self.platform,
            health=self.health,
            since=self.since,
            reason=self.reason,
            fix=self.fix,
            until=self.until,
            last_event_at=self.last_event_at,
            last_success_at=self.last_success_at,
        )


class Supervisor:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self.stopping = asyncio.Event()
        self.watches: list[Watch] = []
        self._now = now
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()

    def start(
        self, worker: Callable[[Watch], Awaitable[None]], name: str, role: Role | None = None, platform: str = ""
    ) -> Watch:
        """Keeps a worker running until asked to stop."""
        watch = Watch(role, name, platform, self._now, self.stopping, changed=lambda _: self._changed.set())
        self.watches.append(watch)
        self._tasks.append(asyncio.create_task(self._keep_running(worker, watch), name=watch.label))
        self._changed.set()
        return watch

    async def wait_for_change(self, timeout: float) -> None:  # noqa: ASYNC109 - a sweep, not a deadline
        """Returns when a state has changed, or after `timeout` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout)
        self._changed.clear()

    async def stop(self) -> None:
        """Asks, drains, and cancels what is left, the last started first."""
        self.stopping.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN)
        for task in reversed(self._tasks):
            if not task.done():
                log.warning("cancelled", what=task.get_name())
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _keep_running(self, worker: Callable[[Watch], Awaitable[None]], watch: Watch) -> None:
        while not self.stopping.is_set():
            try:
                await worker(watch)
            except Exception as error:  # noqa: BLE001 - the one place where everything that can go wrong ends
                await self._sleep(self._record_failure(watch, error))
        watch.turn_off()

    def _record_failure(self, watch: Watch, error: Exception) -> float:
        """Marks the watch, and returns the seconds to wait."""
        stable = watch.health == "connected" and self._now() - watch.since >= STABLE
        watch.failures = 1 if stable else watch.failures + 1
        wait = backoff(watch.failures)
        human_wait = min(LAST_HUMAN_RETRY, FIRST_HUMAN_RETRY * 2.0 ** min(watch.failures - 1, 16))
        match error:
            case Paused():
                wait = min(max(wait, error.retry_after or 0), MAX_RETRY_AFTER)
                watch.mark_failed("paused", error.reason, error.fix, wait)
            case Unavailable():
                wait = max(wait, min(error.retry_after or 0, MAX_RETRY_AFTER))
                watch.mark_failed("backing off", error.reason, wait=wait)
            case Unauthorized():
                wait = human_wait
                watch.mark_failed("needs you", error.reason, error.fix, wait)
            case Rejected():
                wait = human_wait
                watch.mark_failed("needs you", error.reason, "Check this connection in ascolto.toml.", wait)
            case OperatorError():
                watch.mark_failed("needs you", error.problem, error.fix, wait)
            case _:
                log.error("bug", what=watch.label, exc_info=error)
                reason = f"an internal error ({type(error).__name__}), see the log"
                watch.mark_failed("backing off", reason, wait=wait)
        return wait

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)


def backoff(failures: int) -> float:
    """Seconds to wait after this many failures in a row."""
    wait = min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(failures - 1, 16))
    return wait * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter, not a secret


async def until_stopped(
    source: AsyncGenerator[T, None], stopping: asyncio.Event, silence_timeout: float | None = None
) -> AsyncGenerator[T, None]:
    """Yields from a source until the program is asked to stop; what was yielded is always processed first.

    A source that yields nothing for `silence_timeout` seconds, not even an empty batch, is considered dead: Unavailable.
    """
    stop = asyncio.ensure_future(stopping.wait())
    try:
        while not stopping.is_set():
            following = asyncio.ensure_future(anext(source))
            done, _ = await asyncio.wait(
                {stop, following}, timeout=silence_timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if following not in done:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                if stop in done:
                    return
                raise Unavailable(f"No data for {silence_timeout:.0f} s.")
            try:
                yield following.result()
            except StopAsyncIteration:
                return
    finally:
        stop.cancel()
        await source.aclose()
