"""What stands between the rows and a chat desk: cards that lag are drawn again, actions that wait are done."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

import msgspec

from languages import Translator, translator
from models.catalogue import Catalogue
from models.desk import Action, CardPost, DeskEvent
from models.errors import EdgeError, Rejected, Unavailable
from store import desks
from store.engine import Store
from triage.checks import Checker
from triage.desking import Outcome, perform
from triage.proofreading import Proofreader
from triage.turn import Turn
from triage.viewing import BacklogView, DigestView, View, view

BATCH: Final = 20
BACKLOG_AFTER: Final = 10.0
"""Seconds that the last of what waits would wait at least, so that it is worth a card of its own."""
BACKLOG_EVERY: Final = 30.0
"""Seconds between two tellings of how much a chat has still to be shown."""
BACKLOG_NAMES: Final = 3
LATER: Final = timedelta(minutes=10)
"""A card that a chat refuses is offered again after this, twice as late each time."""


class Pace(NamedTuple):
    """The most messages that one chat takes in so many seconds; its platform says so.

    `spare` are beyond `most`, and kept for the card about what is still to be shown: without any it takes the place of a case.
    """

    most: int
    seconds: float
    spare: int = 0


class Shown(NamedTuple):
    post: CardPost
    view: View
    revision: int
    t: Translator


class Chats(Protocol):
    """What is needed of a desk."""

    @property
    def pace(self) -> Pace: ...
    @property
    def name(self) -> str: ...
    @property
    def platform(self) -> str: ...
    async def show(self, view: View, chat: str, address: str | None, t: Translator) -> str: ...
    async def answer(self, action: Action, outcome: Outcome, t: Translator) -> None: ...


class Board:
    def __init__(
        self, store: Store, chats: Chats, checker: Checker, web: str = "", proofreader: Proofreader | None = None
    ) -> None:
        """`web` is the web desk's address where others than this machine reach it."""
        self.proofreader = proofreader
        self.store = store
        self.web = web
        self.chats = chats
        self.checker = checker
        self._drawn: dict[str, deque[datetime]] = {}
        self._told: dict[str, datetime] = {}

    async def redraw(self, catalogue: Catalogue, now: datetime, good: Callable[[], None] = lambda: None) -> int:
        """Draws the next cards that lag, as many as their chats take; returns how many.

        An outage of the chat is raised, the card stays due. What must wait is drawn once, as it is then.
        """
        count = await self._tell_backlogs(catalogue, now)
        full = [chat for chat in self._drawn if self._room(chat, now) <= 0]
        by_chat: dict[str, list[Shown]] = {}
        async with self.store.reading() as session:
            turn = Turn(session, catalogue, now, self.checker)
            for post in await desks.lagging(session, self.chats.name, now, BATCH, full):
                if self._room(post.chat, now) > 0:
                    self._take(post.chat, now)
                    by_chat.setdefault(post.chat, []).append(Shown(post, *await view(turn, post, self.chats.platform)))
        drawing = (self._draw(one, now, good) for one in by_chat.values())
        for ended in await asyncio.gather(*drawing, return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended
        return count + sum(map(len, by_chat.values()))

    async def _tell_backlogs(self, catalogue: Catalogue, now: datetime) -> int:
        """Where new cases come faster than a chat takes them, one card there says how many more, and names the worst."""
        async with self.store.reading() as session:
            unseen = await desks.unseen(session, self.chats.name)
            standing = await desks.backlogs(session, self.chats.name)
        count = 0
        for chat in sorted(unseen.keys() | standing.keys()):
            card = standing.get(chat)
            address, shown = (card.address, card.shown) if card else (None, 0)
            pace, room = self.chats.pace, self._room(chat, now)
            cards = max(room if pace.spare else room - 1, 0)
            left = max(unseen.get(chat, 0) - cards, 0)  # the others get their cards at once
            told = self._told.get(chat)
            recently = left > 0 and told is not None and (now - told).total_seconds() < BACKLOG_EVERY
            due = left != shown if shown else left * pace.seconds / pace.most > BACKLOG_AFTER
            if due and not recently and room + pace.spare > 0:
                self._take(chat, now)
                self._told[chat] = now
                await self._tell_backlog(catalogue, chat, address if shown else None, left, skip=cards)
                count += 1
        return count

    async def _tell_backlog(self, catalogue: Catalogue, chat: str, address: str | None, left: int, skip: int) -> None:
        name = self.chats.name
        queue = next((q for _, q in catalogue.queues if any(c.desk == name and c.chat == chat for c in q.chats)), None)
        async with self.store.reading() as session:
            worst = await desks.worst_unseen(session, name, chat, skip, BACKLOG_NAMES if left else 0)
        shown = BacklogView(count=left, worst=tuple(worst), url=f"{self.web}/" if self.web else "")
        with suppress(Rejected):  # the cards themselves will meet the same refusal, and it is kept with them
            address = await self.chats.show(shown, chat, address, translator(queue.language if queue else "en"))
        async with self.store.writing(ring=False) as session:
            await desks.save_backlog(session, name, chat, address, left)

    def _take(self, chat: str, now: datetime) -> None:
        self._drawn.setdefault(chat, deque()).append(now)

    def _room(self, chat: str, now: datetime) -> int:
        """How many messages the chat takes now."""
        drawn = self._drawn.get(chat, deque())
        while drawn and (now - drawn[0]).total_seconds() >= self.chats.pace.seconds:
            drawn.popleft()
        return self.chats.pace.most - len(drawn)

    async def _draw(self, cards: Sequence[Shown], now: datetime, good: Callable[[], None]) -> None:
        """Cards of one chat, one after the other. Where they stand is kept while the next is on its way."""
        unkept: dict[int, tuple[str, int]] = {}
        keeping: asyncio.Task[None] | None = None
        try:
            for post, shown, revision, t in cards:
                try:
                    address = await self.chats.show(self._linked(shown), post.chat, post.address, t)
                except Rejected as error:
                    await self._refused(post, now, error)
                    continue
                good()
                unkept[post.id] = address, revision
                if keeping is None or keeping.done():
                    if keeping is not None:
                        await keeping  # what it met is met here
                    keeping = asyncio.create_task(self._keep(unkept))
        finally:
            if keeping is not None:
                await keeping
            await self._keep(unkept)

    def _linked(self, shown: View) -> View:
        if not isinstance(shown, DigestView):
            return shown
        return msgspec.structs.replace(shown, url=self.web + shown.url if self.web else "")

    async def _keep(self, unkept: dict[int, tuple[str, int]]) -> None:
        while unkept:
            stand = dict(unkept)
            unkept.clear()
            async with self.store.writing(ring=False) as session:
                for post_id, (address, revision) in stand.items():
                    await desks.shown(session, post_id, address, revision)

    async def _refused(self, post: CardPost, now: datetime, error: Rejected) -> None:
        async with self.store.writing() as session:
            row = await session.get_one(CardPost, post.id)
            row.tries += 1
            row.next_try_at, row.error = now + LATER * 2 ** min(row.tries - 1, 8), error.reason

    async def act(self, catalogue: Catalogue, now: datetime) -> int:
        """Does the next actions in the order they came, each once; who acted is told afterwards."""
        async with self.store.reading() as session:
            waiting = await desks.waiting_actions(session, self.chats.name, BATCH)
        for event in waiting:
            outcome, t = await self._perform(catalogue, now, event)
            outcome = await self._proofread(outcome)
            try:
                await self.chats.answer(event.action, outcome, t)
            except Unavailable:
                raise
            except EdgeError as error:
                await self._unheard(event, error)
        return len(waiting)

    async def _perform(self, catalogue: Catalogue, now: datetime, event: DeskEvent) -> tuple[Outcome, Translator]:
        async with self.store.writing() as session:
            row = await session.get_one(DeskEvent, event.id)
            action = await desks.on_a_card(session, self.chats.name, event.action)
            if action is None:  # a reaction to something that is no card, a word in a thread that is none of ours
                row.acted_at, row.outcome = now, "not about a card"
                return Outcome(), translator("en")
            outcome, t = await perform(Turn(session, catalogue, now, self.checker), self.chats.platform, action)
            row.acted_at, row.outcome = now, outcome.said or "asked to go on"
        return outcome, t

    async def _proofread(self, outcome: Outcome) -> Outcome:
        """Asked after what was done is written down, so that nobody's turn waits for it."""
        shown = outcome.preview
        if shown is None or self.proofreader is None:
            return outcome
        more = await self.proofreader.read(shown.text, shown.language)
        return msgspec.structs.replace(
            outcome, preview=msgspec.structs.replace(shown, findings=(*shown.findings, *more))
        )

    async def _unheard(self, event: DeskEvent, error: EdgeError) -> None:
        async with self.store.writing() as session:
            row = await session.get_one(DeskEvent, event.id)
            row.outcome = f"{row.outcome} (not told: {error})"
