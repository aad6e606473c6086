"""Performs actions that chat desks queued, in the order they came, each once; whoever acted is told afterwards.

What the actions are is handed in (actions/perform.py).
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Final, Protocol

import msgspec

from cards.outcome import Outcome, PerformedAction
from languages import mark, translator
from models.configuration import Configuration
from models.errors import EdgeError, Unavailable
from models.tables.action import Action, QueuedAction
from publishing.checks import Checker
from publishing.context import ReplyContext
from publishing.grammar import GrammarChecker
from store import queued_actions
from store.engine import Store
from store.failed_items import ACTION_ON, MAX_TRIES, ItemFailed, describe, isolated, process_each, record_failure

BATCH: Final = 20
INTERNAL_ERROR: Final = mark("That did not work, because of an error of Ascolto. It was recorded.")
Perform = Callable[[ReplyContext, str, str, Action], Awaitable[PerformedAction | None]]
"""(context, desk, platform, action) → None for what is no action on a card."""


class ChatDesk(Protocol):
    """What is needed of a desk."""

    @property
    def name(self) -> str: ...
    @property
    def platform(self) -> str: ...
    async def respond(self, action: Action, performed: PerformedAction) -> None: ...


class ActionQueue:
    def __init__(
        self, store: Store, desk: ChatDesk, perform: Perform, checker: Checker, grammar: GrammarChecker | None = None
    ) -> None:
        self.store = store
        self.desk = desk
        self.perform = perform
        self.checker = checker
        self.grammar = grammar

    async def run_batch(self, configuration: Configuration, now: datetime) -> int:
        """Performs the next actions; returns how many there were."""
        async with self.store.reading() as session:
            waiting = await queued_actions.waiting_actions(session, self.desk.name, BATCH)
        work = [(str(queued.id), partial(self._run, configuration, now, queued)) for queued in waiting]
        return await process_each(self.store, self.step, now, work)

    @property
    def step(self) -> str:
        return f"{ACTION_ON}{self.desk.name}"

    async def _run(self, configuration: Configuration, now: datetime, queued: QueuedAction) -> None:
        try:
            with isolated():
                performed = await self._with_grammar(await self._perform(configuration, now, queued))
        except ItemFailed as failure:  # a button of a restored database, a client that sends what it likes
            await self._record_failed(queued, failure.error, now)
            performed = PerformedAction(Outcome(message=INTERNAL_ERROR, refused=True), translator("en"), confirm=True)
        try:
            await self.desk.respond(queued.action, performed)
        except Unavailable:
            raise
        except EdgeError as error:
            await self._record_undelivered(queued, error)

    async def _record_failed(self, queued: QueuedAction, error: Exception, now: datetime) -> None:
        """Not tried again by itself: whoever acted is told, and may try again."""
        async with self.store.writing() as session:
            row = await session.get_one(QueuedAction, queued.id)
            row.performed_at, row.outcome = now, f"failed: {describe(error)}"
            await record_failure(session, self.step, str(queued.id), error, now, tries=MAX_TRIES)

    async def _perform(self, configuration: Configuration, now: datetime, queued: QueuedAction) -> PerformedAction:
        async with self.store.writing() as session:
            row = await session.get_one(QueuedAction, queued.id)
            row.performed_at = now
            context = ReplyContext(session, configuration, now, self.checker)
            performed = await self.perform(context, self.desk.name, self.desk.platform, queued.action)
            if performed is None:  # a reaction to something that is no card, a message in some other thread
                row.outcome = "not about a card"
                return PerformedAction(Outcome(), translator("en"), confirm=False)
            row.outcome = performed.outcome.message or "asked to continue"
        return performed

    async def _with_grammar(self, performed: PerformedAction) -> PerformedAction:
        """Checked after the action is stored, so that no transaction waits for it."""
        preview = performed.outcome.preview
        if preview is None or self.grammar is None:
            return performed
        remarks = await self.grammar.check(preview.text, preview.language)
        preview = msgspec.structs.replace(preview, findings=(*preview.findings, *remarks))
        return msgspec.structs.replace(performed, outcome=msgspec.structs.replace(performed.outcome, preview=preview))

    async def _record_undelivered(self, queued: QueuedAction, error: EdgeError) -> None:
        async with self.store.writing() as session:
            row = await session.get_one(QueuedAction, queued.id)
            row.outcome = f"{row.outcome} (response not delivered: {error})"
