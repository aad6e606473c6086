"""One supervisor for all that runs for ever: it starts, watches, backs off, says once what is wrong, and stops.

What runs is handed a Watch to report on; when it ends with an error of ours the Watch says what state that is, and it is
begun again after a while. Stop is not cancel: everything is asked first, given time to finish what it has in hand, and
only then cancelled, in reverse order of start.
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
from models.source import Health, Kind
from models.text import clean
from store.sources import Seen

T = TypeVar("T")
log = structlog.get_logger("ascolto")

FIRST: Final = 1.0
LONGEST: Final = 300.0
"""Seconds between tries; doubles from the first to the longest, a fifth more or less by chance."""
STEADY: Final = timedelta(minutes=1)
"""What worked for so long begins again with the shortest wait; what connects only to fail at once does not."""
HUMAN: Final = 60.0
LONGEST_HUMAN: Final = 1800.0
"""Seconds between looks whether a human has mended what only a human can, doubling: platforms ban who knocks all day."""
PAUSE: Final = 3600.0
"""Seconds for which a far side may put us off at once, and between looks whether what is paused may go on."""
LONGEST_REASON: Final = 500
"""Characters."""
DRAIN: Final = 8.0
"""Seconds that everything together has to finish what it has in hand."""


@dataclass
class Watch:
    """What the house knows of one thing that runs, and the flag that asks it to stop."""

    kind: Kind | None
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
    last_good_at: datetime | None = None
    failures: int = 0

    def __post_init__(self) -> None:
        self.since = self.now()

    def good(self, *, event: bool = False) -> None:
        """It works: a call succeeded, or with `event` something was heard."""
        self.last_good_at = self.now()
        if event:
            self.last_event_at = self.last_good_at
        if self.health != "ok":
            back = self.health not in ("starting", "off")
            self._become("ok")
            if back:
                log.info("back", what=self.label)

    def bad(self, health: Health, reason: str, fix: str = "", wait: float | None = None) -> None:
        """It does not; said in the log once, however often it is tried. The far side's words are a stranger's."""
        reason = redaction.hide(clean(reason, LONGEST_REASON))
        news = (self.health, self.reason) != (health, reason)
        self._become(health, reason, fix, None if wait is None else self.now() + timedelta(seconds=wait))
        if news:
            log.warning("away", what=self.label, state=health, reason=reason, fix=fix)

    def _become(self, health: Health, reason: str = "", fix: str = "", until: datetime | None = None) -> None:
        if health != self.health:
            self.since = self.now()
        self.health, self.reason, self.fix, self.until = health, reason, fix, until
        self.changed(self)

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}" if self.kind else self.name

    def seen(self) -> Seen | None:
        """For the store; None for what is not an ear, a voice or a desk."""
        if self.kind is None:
            return None
        return Seen(
            kind=self.kind,
            name=self.name,
            platform=self.platform,
            health=self.health,
            since=self.since,
            reason=self.reason,
            fix=self.fix,
            until=self.until,
            last_event_at=self.last_event_at,
            last_good_at=self.last_good_at,
        )


class Supervisor:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self.stopping = asyncio.Event()
        self.watches: list[Watch] = []
        self._now = now
        self._tasks: list[asyncio.Task[None]] = []
        self._dirty = asyncio.Event()

    def start(
        self, run: Callable[[Watch], Awaitable[None]], name: str, kind: Kind | None = None, platform: str = ""
    ) -> Watch:
        """Keeps `run` running until asked to stop."""
        watch = Watch(kind, name, platform, self._now, self.stopping, changed=lambda _: self._dirty.set())
        self.watches.append(watch)
        self._tasks.append(asyncio.create_task(self._keep(run, watch), name=watch.label))
        self._dirty.set()
        return watch

    async def changes(self, timeout: float) -> None:  # noqa: ASYNC109 - a sweep, not a deadline
        """Returns when a state has changed, or after `timeout` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._dirty.wait(), timeout)
        self._dirty.clear()

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

    async def _keep(self, run: Callable[[Watch], Awaitable[None]], watch: Watch) -> None:
        while not self.stopping.is_set():
            try:
                await run(watch)
            except Exception as error:  # noqa: BLE001 - the one place where everything that can go wrong ends
                wait = self._went_wrong(watch, error)
                await self._sleep(wait)
        watch._become("off")

    def _went_wrong(self, watch: Watch, error: Exception) -> float:
        """Writes down what happened, and says how many seconds to wait."""
        steady = watch.health == "ok" and self._now() - watch.since >= STEADY
        watch.failures = 1 if steady else watch.failures + 1
        wait = backoff(watch.failures)
        match error:
            case Paused():
                wait = min(max(wait, error.retry_after or 0), PAUSE)
                watch.bad("paused", error.reason, error.fix, wait)
            case Unavailable():
                wait = max(wait, min(error.retry_after or 0, PAUSE))
                watch.bad("backing off", error.reason, wait=wait)
            case Unauthorized():
                wait = min(LONGEST_HUMAN, HUMAN * 2.0 ** min(watch.failures - 1, 16))
                watch.bad("needs you", error.reason, error.fix, wait)
            case Rejected():
                wait = min(LONGEST_HUMAN, HUMAN * 2.0 ** min(watch.failures - 1, 16))
                watch.bad("needs you", error.reason, "Check this connection in ascolto.toml.", wait)
            case OperatorError():
                watch.bad("needs you", error.problem, error.fix, wait)
            case _:
                log.error("bug", what=watch.label, exc_info=error)
                watch.bad("backing off", f"an error of Ascolto's own ({type(error).__name__}), see the log", wait=wait)
        return wait

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)


def backoff(failures: int) -> float:
    """Seconds, for the so-manyeth failure in a row."""
    wait = min(LONGEST, FIRST * 2.0 ** min(failures - 1, 16))
    return wait * random.uniform(0.8, 1.2)  # noqa: S311 - chance, not a secret


async def until_stopped(
    source: AsyncGenerator[T, None], stopping: asyncio.Event, patience: float | None = None
) -> AsyncGenerator[T, None]:
    """What a source gives, until the house is asked to stop; what was given is always finished with first.

    One that gives nothing for `patience` seconds, not even a sign of life, is taken for dead: Unavailable.
    """
    asked = asyncio.ensure_future(stopping.wait())
    try:
        while not stopping.is_set():
            following = asyncio.ensure_future(anext(source))
            done, _ = await asyncio.wait({asked, following}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if following not in done:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                if asked in done:
                    return
                raise Unavailable(f"There has been no sign of life for {patience:.0f} s.")
            try:
                yield following.result()
            except StopAsyncIteration:
                return
    finally:
        asked.cancel()
        await source.aclose()
