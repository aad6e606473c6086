"""Composition: from the settings to a running house. The only place that reads the whole settings."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from ascolto import flow
from ascolto.house import House, utc_now
from ascolto.lock import RunLock
from ascolto.platforms import Parts, Tools, build
from ascolto.reader import chat_of, drafting_terms_of, reader_of, speller_of, terms_of
from ascolto.supervisor import Supervisor, Watch
from config import settings as config
from connections.http import session as http_session
from connections.languagetool import LanguageTool
from connections.webhooks import WebhookDoor
from listener import Ear
from models.errors import OperatorError
from models.post import Post
from store import schema, sources
from triage import publishing
from triage.drafting import Drafter
from triage.proofreading import Proofreader
from web.server import WebDesk

log = structlog.get_logger("ascolto")

STATES: Final = 15.0
"""Seconds between two writings of the sources' states while none changes."""
ORPHANS: Final = 30.0
"""Seconds between looks for approved replies that no running connection will say."""


class App:
    """`start` brings everything up and returns; `stop` takes down what is up, in the other order, losing nothing."""

    def __init__(self, settings: config.Settings, *, now: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.supervisor = Supervisor(now)
        self._executor = ThreadPoolExecutor(1, "reader")
        self._now = now
        self._parts: list[Parts] = []
        self._ears: list[Ear] = []
        self._lock = RunLock(settings.store.path)
        self._up = AsyncExitStack()

    async def start(self) -> None:
        """Raises OperatorError for what keeps the whole house from starting; one broken connection does not."""
        settings = self.settings
        self._lock.take()
        self._up.callback(self._lock.release)
        self._up.callback(self._executor.shutdown)
        copy = await asyncio.to_thread(schema.prepare, settings.store.path)
        if copy:
            log.info("database brought up to date", copy=str(copy))
        reader = await asyncio.to_thread(reader_of, settings.sentiment)
        self.house = House(
            settings.store.path,
            reader,
            now=self._now,
            executor=self._executor,
            backfill_opens=timedelta(hours=settings.triage.backfill_opens_hours),
            second=terms_of(settings.second_opinion),
            web=settings.web.public_url.rstrip("/"),
            speller=await asyncio.to_thread(speller_of, settings),
            owners={section.name: section.brand for section in settings.connections if section.brand},
        )
        self._up.push_async_callback(self.house.close)
        self.house.store.watch_others()
        self._http = http_session()
        self._up.push_async_callback(self._http.close)
        if settings.spelling.languagetool:
            self.house.proofreader = Proofreader(LanguageTool(self._http, settings.spelling.languagetool))
        self.door = WebhookDoor(settings.webhooks.host, settings.webhooks.port)
        self._up.push_async_callback(self.door.close)
        self._up.push_async_callback(self._close_parts)
        self._up.push_async_callback(self.supervisor.stop)
        self.web = WebDesk(self.house, settings.web, find=self.find)
        self._up.push_async_callback(self.web.stop)
        await self.web.start()
        self._start_steps()
        self._start_second_opinion(settings.second_opinion)
        self._start_drafting(settings.drafting)
        for section in settings.connections:
            self._start_connection(section)

    def _start_steps(self) -> None:
        for name, step in (("triage", flow.read), ("why", flow.explain), ("clock", flow.tick)):
            self.supervisor.start(partial(step, self.house), name)
        if self.settings.sentiment.learns_overnight:
            self.supervisor.start(partial(flow.learn, self.house), "learning")
        self.supervisor.start(self._write_states, "states")
        self.supervisor.start(self._orphans, "orphans")

    def _start_second_opinion(self, section: config.SecondOpinion) -> None:
        if self.house.opinions:
            asker = chat_of(section, self._http)
            self.supervisor.start(partial(flow.ask, self.house, self.house.opinions, asker), "second opinion")

    def _start_drafting(self, section: config.Drafting) -> None:
        if section.url:
            drafter = Drafter(self.house.store, drafting_terms_of(section))
            self.supervisor.start(partial(flow.draft, self.house, drafter, chat_of(section, self._http)), "drafting")

    def _start_connection(self, section: config.Connection) -> None:
        platform: str = section.platform  # type: ignore[attr-defined]
        keep = partial(self.supervisor.start, name=section.name, platform=platform)
        try:
            parts = build(section, Tools(self._http, self.door, self._now))
        except OperatorError as error:
            for role in section.roles:
                keep(partial(_needs_you, error), kind=role)
            return
        self._parts.append(parts)
        if parts.ear:
            self._ears.append(parts.ear)
            keep(partial(flow.hear, self.house, parts.ear), kind="ear")
            self.supervisor.start(partial(flow.surround, self.house, parts.ear), f"around {section.name}")
        if parts.mirrored:
            ear, days = parts.mirrored
            self.supervisor.start(partial(flow.mirror, self.house, ear, days), f"mirror {section.name}")
        if parts.voice:
            self.house.capabilities[section.name] = parts.voice.capabilities
            keep(partial(flow.speak, self.house, parts.voice), kind="voice")
        if parts.desk:
            keep(partial(flow.show, self.house, parts.desk), kind="desk")
            self.supervisor.start(partial(flow.attend, self.house, parts.desk), f"attend {section.name}")
            self.supervisor.start(partial(flow.act, self.house, parts.desk), f"act {section.name}")

    async def find(self, url: str, brand: str) -> Post | None:
        """The post at a permalink, asked of every ear in turn, but for those that hear for another brand alone."""
        for ear in self._ears:
            if self.house.hears_for(ear.name, brand) and (found := await ear.find(url)):
                return found
        return None

    async def _write_states(self, watch: Watch) -> None:
        """Puts the state of every connection where everyone can see it."""
        while not watch.stopping.is_set():
            seen = [state for w in self.supervisor.watches if (state := w.seen()) is not None]
            async with self.house.store.writing() as session:
                await sources.turn_off(session, [(s.kind, s.name) for s in seen], self._now())
                await sources.write(session, seen, self._now())
            await self.supervisor.changes(STATES)

    async def _orphans(self, watch: Watch) -> None:
        while not watch.stopping.is_set():
            watches = [w for w in self.supervisor.watches if w.kind == "voice"]
            mute = {w.name: f"{w.reason}. {w.fix}" for w in watches if w.health == "needs you"}
            voices = [w.name for w in watches if w.name not in mute]
            await publishing.fail_unspoken(self.house.store, await self.house.catalogue(), self._now(), voices, mute)
            with suppress(TimeoutError):
                await asyncio.wait_for(watch.stopping.wait(), ORPHANS)

    async def _close_parts(self) -> None:
        for parts in reversed(self._parts):
            for part in (parts.desk, parts.voice, parts.ear):
                if part:
                    await part.close()

    async def stop(self) -> None:
        await self._up.aclose()


async def _needs_you(error: OperatorError, _watch: Watch) -> None:
    raise error


async def run(settings: config.Settings, started: Callable[[App], Awaitable[None]] | None = None) -> None:
    """Runs until asked to stop; asked a second time, ends at once."""
    app = App(settings)
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _asked, stopping)
    try:
        await app.start()
        if started:
            await started(app)
        await stopping.wait()
        log.info("stopping")
    finally:
        await app.stop()


def _asked(stopping: asyncio.Event) -> None:
    """The first signal asks; a second one forces, which costs nothing that is written down."""
    if stopping.is_set():
        os._exit(130)
    stopping.set()
