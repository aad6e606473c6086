"""What stands between the rows and a chat desk: cards that lag are drawn again, actions that wait are done."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from languages import Translator, translator
from models.catalogue import Catalogue
from models.desk import Action, CardPost, DeskEvent
from models.errors import EdgeError, Rejected, Unavailable
from store import desks
from store.engine import Store
from triage.checks import Checker
from triage.desking import Outcome, View, perform, view
from triage.turn import Turn

BATCH: Final = 20
LATER: Final = timedelta(minutes=10)
"""A card that a chat refuses is offered again after this, twice as late each time."""


class Pace(NamedTuple):
    """The most messages that one chat takes in so many seconds; its platform says so."""

    most: int
    seconds: float


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
    def __init__(self, store: Store, chats: Chats, checker: Checker) -> None:
        self.store = store
        self.chats = chats
        self.checker = checker
        self._drawn: dict[str, deque[datetime]] = {}

    async def redraw(self, catalogue: Catalogue, now: datetime, good: Callable[[], None] = lambda: None) -> int:
        """Draws the next cards that lag, as many as their chats take; returns how many.

        An outage of the chat is raised, the card stays due. What must wait is drawn once, as it is then.
        """
        full = [chat for chat in self._drawn if self._room(chat, now) <= 0]
        async with self.store.reading() as session:
            posts = await desks.lagging(session, self.chats.name, now, BATCH, full)
        count = 0
        for post in posts:
            if self._room(post.chat, now) > 0:
                self._drawn.setdefault(post.chat, deque()).append(now)
                await self._draw(catalogue, now, post)
                good()
                count += 1
        return count

    def _room(self, chat: str, now: datetime) -> int:
        """How many messages the chat takes now."""
        drawn = self._drawn.get(chat, deque())
        while drawn and (now - drawn[0]).total_seconds() >= self.chats.pace.seconds:
            drawn.popleft()
        return self.chats.pace.most - len(drawn)

    async def _draw(self, catalogue: Catalogue, now: datetime, post: CardPost) -> None:
        async with self.store.reading() as session:
            found = await view(Turn(session, catalogue, now, self.checker), post, self.chats.platform)
        if found is None:
            return
        shown, revision, t = found
        try:
            address = await self.chats.show(shown, post.chat, post.address, t)
        except Rejected as error:
            await self._refused(post, now, error)
            return
        async with self.store.writing() as session:
            row = await session.get_one(CardPost, post.id)
            row.address, row.shown, row.tries, row.next_try_at, row.error = address, revision, 0, None, None

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

    async def _unheard(self, event: DeskEvent, error: EdgeError) -> None:
        async with self.store.writing() as session:
            row = await session.get_one(DeskEvent, event.id)
            row.outcome = f"{row.outcome} (not told: {error})"
