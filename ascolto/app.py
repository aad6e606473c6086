"""Composition: from the settings to a running program. The only place that reads the whole settings."""

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

from ascolto import workers
from ascolto.application import Application, utc_now
from ascolto.factories import (
    build_language_model,
    build_reader,
    build_spell_checker,
    drafting_terms,
    second_opinion_terms,
)
from ascolto.platforms import Parts, Tools, build
from ascolto.run_lock import RunLock
from ascolto.supervisor import Supervisor, Watch
from config import settings as config
from config.connections import Connection
from connections.feeds import FeedReader
from connections.http import session as http_session
from connections.languagetool import LanguageTool
from connections.limited_server import raise_descriptor_limit
from connections.webhooks import WebhookServer
from listener import Listener
from models.errors import OperatorError
from models.incoming import IncomingPost, normalized
from publishing import sending
from publishing.ai_drafts import Drafter
from publishing.grammar import GrammarChecker
from store import connection_status, schema
from web.server import WebDesk

log = structlog.get_logger("ascolto")

STATUS_INTERVAL: Final = 15.0
"""Seconds between two writes of the connections' states while none changes."""
UNDELIVERABLE_INTERVAL: Final = 30.0
"""Seconds between looks for approved replies that no running connection will publish."""


class App:
    """`start` brings everything up and returns; `stop` takes down what is up, in reverse order, losing nothing."""

    def __init__(self, settings: config.Settings, *, now: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.supervisor = Supervisor(now)
        self._executor = ThreadPoolExecutor(1, "classifier")
        self._now = now
        self._parts: list[Parts] = []
        self._listeners: list[Listener] = []
        self._lock = RunLock(settings.store.path)
        self._running = AsyncExitStack()

    async def start(self) -> None:
        """Raises OperatorError for what keeps the whole program from starting; one broken connection does not."""
        settings = self.settings
        raise_descriptor_limit()
        self._lock.acquire()
        self._running.callback(self._lock.release)
        self._running.callback(self._executor.shutdown)
        copy = await asyncio.to_thread(schema.prepare, settings.store.path)
        if copy:
            log.info("database migrated", copy=str(copy))
        reader = await asyncio.to_thread(build_reader, settings.sentiment)
        self.application = Application(
            settings.store.path,
            reader,
            now=self._now,
            executor=self._executor,
            backfill_max_age=timedelta(hours=settings.triage.backfill_max_age_hours),
            second_opinion=second_opinion_terms(settings.second_opinion),
            web=settings.web.public_url.rstrip("/"),
            spelling=await asyncio.to_thread(build_spell_checker, settings),
            owners={section.name: section.brand for section in settings.connections if section.brand},
        )
        self._running.push_async_callback(self.application.close)
        self.application.store.watch_other_processes()
        self._http = http_session()
        self._running.push_async_callback(self._http.close)
        self._feeds = FeedReader()
        self._running.push_async_callback(self._feeds.close)
        if settings.spelling.languagetool:
            self.application.grammar = GrammarChecker(LanguageTool(self._http, settings.spelling.languagetool))
        self.webhook_server = WebhookServer(settings.webhooks.host, settings.webhooks.port)
        self._running.push_async_callback(self.webhook_server.close)
        self._running.push_async_callback(self._close_parts)
        self._running.push_async_callback(self.supervisor.stop)
        self.web = WebDesk(self.application, settings.web, self.find_post)
        self._running.push_async_callback(self.web.stop)
        await self.web.start()
        self._start_workers()
        self._start_second_opinion(settings.second_opinion)
        self._start_drafting(settings.drafting)
        for section in settings.connections:
            self._start_connection(section)

    def _start_workers(self) -> None:
        for name, worker in (
            ("analysis", workers.run_analysis),
            ("explanations", workers.run_explanations),
            ("scheduler", workers.run_scheduler),
            ("purge", workers.run_purge),
        ):
            self.supervisor.start(partial(worker, self.application), name)
        if self.settings.sentiment.train_overnight:
            self.supervisor.start(partial(workers.run_training, self.application), "training")
        self.supervisor.start(self._write_status, "status")
        self.supervisor.start(self._fail_undeliverable, "undeliverable replies")

    def _start_second_opinion(self, section: config.SecondOpinion) -> None:
        opinions = self.application.second_opinions
        if opinions:
            model = build_language_model(section, self._http)
            self.supervisor.start(
                partial(workers.run_second_opinions, self.application, opinions, model), "second opinions"
            )

    def _start_drafting(self, section: config.Drafting) -> None:
        if section.url:
            drafter = Drafter(self.application.store, drafting_terms(section))
            model = build_language_model(section, self._http)
            self.supervisor.start(partial(workers.run_drafter, self.application, drafter, model), "drafting")

    def _start_connection(self, section: Connection) -> None:
        platform: str = section.platform  # type: ignore[attr-defined]
        start = partial(self.supervisor.start, name=section.name, platform=platform)
        try:
            parts = build(section, Tools(self._http, self.webhook_server, self._now, self._feeds))
        except OperatorError as error:
            for role in section.roles:
                start(partial(_fail, error), role=role)
            return
        self._parts.append(parts)
        application = self.application
        if parts.listener:
            self._listeners.append(parts.listener)
            start(partial(workers.run_listener, application, parts.listener), role="listener")
            fetcher = partial(workers.run_context_fetcher, application, parts.listener)
            self.supervisor.start(fetcher, f"context {section.name}")
        if parts.deletion_source:
            source, days = parts.deletion_source
            check = partial(workers.run_deletion_check, application, source, days)
            self.supervisor.start(check, f"deletion check {section.name}")
        if parts.responder:
            application.capabilities[section.name] = parts.responder.capabilities
            start(partial(workers.run_responder, application, parts.responder), role="responder")
        if parts.desk:
            start(partial(workers.run_card_sync, application, parts.desk), role="desk")
            intake = partial(workers.run_action_intake, application, parts.desk)
            self.supervisor.start(intake, f"action intake {section.name}")
            self.supervisor.start(partial(workers.run_actions, application, parts.desk), f"actions {section.name}")

    async def find_post(self, url: str, brand: str) -> IncomingPost | None:
        """The post at a permalink, asked of every listener in turn, except those of other brands' own channels."""
        matcher = await self.application.matcher()
        for listener in self._listeners:
            if self.application.may_concern(listener.name, brand) and (post := await listener.find(url)):
                outside = matcher.outside_desks([normalized(post)], listener.name)  # never a chat where members work
                return outside[0] if outside else None
        return None

    async def _write_status(self, watch: Watch) -> None:
        """Stores the state of every connection, for everyone to see."""
        while not watch.stopping.is_set():
            reports = [report for w in self.supervisor.watches if (report := w.report()) is not None]
            async with self.application.store.writing() as session:
                running = [(report.role, report.name) for report in reports]
                await connection_status.turn_off(session, running, self._now())
                await connection_status.save_reports(session, reports, self._now())
            await self.supervisor.wait_for_change(STATUS_INTERVAL)

    async def _fail_undeliverable(self, watch: Watch) -> None:
        while not watch.stopping.is_set():
            watches = [w for w in self.supervisor.watches if w.role == "responder"]
            blocked = {w.name: f"{w.reason}. {w.fix}" for w in watches if w.health == "needs you"}
            responders = [w.name for w in watches if w.name not in blocked]
            configuration = await self.application.configuration()
            await sending.fail_undeliverable(self.application.store, configuration, self._now(), responders, blocked)
            with suppress(TimeoutError):
                await asyncio.wait_for(watch.stopping.wait(), UNDELIVERABLE_INTERVAL)

    async def _close_parts(self) -> None:
        for parts in reversed(self._parts):
            for part in (parts.desk, parts.responder, parts.listener):
                if part:
                    await part.close()

    async def stop(self) -> None:
        await self._running.aclose()


async def _fail(error: OperatorError, _watch: Watch) -> None:
    raise error


async def run(settings: config.Settings, started: Callable[[App], Awaitable[None]] | None = None) -> None:
    """Runs until asked to stop; asked a second time, ends at once."""
    app = App(settings)
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _on_signal, stopping)
    try:
        await app.start()
        if started:
            await started(app)
        await stopping.wait()
        log.info("stopping")
    finally:
        await app.stop()


def _on_signal(stopping: asyncio.Event) -> None:
    """The first signal asks; a second one forces, which costs nothing that is stored."""
    if stopping.is_set():
        os._exit(130)
    stopping.set()
