"""Keeps chat cards in sync with cases: outdated cards are updated, as fast as each chat takes them."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple, Protocol

import msgspec

from cards.chat_views import BacklogView, DigestView, View, ViewToShow, view_for
from languages import Translator, translator
from models.configuration import Configuration
from models.errors import Rejected
from models.tables.card_placement import CardPlacement
from store import card_placements
from store.engine import Store
from store.failed_items import CARD_ON, ItemFailed, describe, isolated, record_failure
from triage.context import Context

BATCH: Final = 20
BACKLOG_AFTER: Final = 10.0
"""Seconds that the last unshown card would wait, from which a backlog card is worth its place."""
BACKLOG_INTERVAL: Final = 30.0
"""Seconds between two updates of a backlog card."""
BACKLOG_NAMES: Final = 3


class RateLimit(NamedTuple):
    """The most messages that one chat accepts within `seconds`, as its platform says.

    `reserve` messages beyond `messages` are kept for the backlog card; without any it takes the place of a case.
    """

    messages: int
    seconds: float
    reserve: int = 0


class PlacedView(NamedTuple):
    placement: CardPlacement
    view: View
    revision: int
    t: Translator


class ChatDesk(Protocol):
    """What is needed of a desk."""

    @property
    def rate_limit(self) -> RateLimit: ...
    @property
    def name(self) -> str: ...
    @property
    def platform(self) -> str: ...
    async def show(self, view: View, chat: str, message_id: str | None, t: Translator) -> str: ...


def _ignore() -> None:
    pass


class CardSync:
    def __init__(self, store: Store, desk: ChatDesk, web: str = "") -> None:
        """`web` is the web desk's address where others than this machine reach it."""
        self.store = store
        self.desk = desk
        self.web = web
        self._sent: dict[str, deque[datetime]] = {}
        self._backlog_posted: dict[str, datetime] = {}

    async def update_cards(
        self, configuration: Configuration, now: datetime, succeeded: Callable[[], None] = _ignore
    ) -> int:
        """Updates the next outdated cards, as many as their chats take; returns how many.

        When the chat is down the error is raised and the cards stay outdated. A card that has to wait is shown once, as it
        is then. `succeeded` is called after each card.
        """
        count = await self._post_backlogs(configuration, now)
        full = [chat for chat in self._sent if self._remaining_capacity(chat, now) <= 0]
        by_chat: dict[str, list[PlacedView]] = {}
        broken: list[tuple[CardPlacement, Exception]] = []
        async with self.store.reading() as session:
            context = Context(session, configuration, now)
            for placement in await card_placements.outdated(session, self.desk.name, now, BATCH, full):
                if self._remaining_capacity(placement.chat, now) > 0:
                    try:
                        with isolated():
                            shown: ViewToShow = await view_for(context, placement, self.desk.platform)
                    except ItemFailed as failure:
                        broken.append((placement, failure.error))
                        continue
                    self._record_send(placement.chat, now)
                    by_chat.setdefault(placement.chat, []).append(PlacedView(placement, *shown))
        for placement, cause in broken:
            await self._set_aside(placement, cause, now)
        updates = (self._update_chat(cards, now, succeeded) for cards in by_chat.values())
        for result in await asyncio.gather(*updates, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        return count + len(broken) + sum(map(len, by_chat.values()))

    async def _post_backlogs(self, configuration: Configuration, now: datetime) -> int:
        """Where cases come faster than a chat takes them, one card there counts the rest and names the most urgent."""
        async with self.store.reading() as session:
            unshown = await card_placements.count_unshown(session, self.desk.name)
            cards = await card_placements.backlog_cards(session, self.desk.name)
        count = 0
        for chat in sorted(unshown.keys() | cards.keys()):
            card = cards.get(chat)
            message_id, counted = (card.message_id, card.shown_revision) if card else (None, 0)
            limit, capacity = self.desk.rate_limit, self._remaining_capacity(chat, now)
            at_once = max(capacity if limit.reserve else capacity - 1, 0)
            left = max(unshown.get(chat, 0) - at_once, 0)
            posted = self._backlog_posted.get(chat)
            recently = left > 0 and posted is not None and (now - posted).total_seconds() < BACKLOG_INTERVAL
            due = left != counted if counted else left * limit.seconds / limit.messages > BACKLOG_AFTER
            if due and not recently and capacity + limit.reserve > 0:
                self._record_send(chat, now)
                self._backlog_posted[chat] = now
                await self._post_backlog(configuration, chat, message_id if counted else None, left, skip=at_once)
                count += 1
        return count

    async def _post_backlog(
        self, configuration: Configuration, chat: str, message_id: str | None, left: int, skip: int
    ) -> None:
        name = self.desk.name
        queue = next(
            (q for _, q in configuration.queues if any(c.desk == name and c.chat == chat for c in q.chats)), None
        )
        async with self.store.reading() as session:
            most_urgent = await card_placements.most_urgent_unshown(
                session, name, chat, skip, BACKLOG_NAMES if left else 0
            )
        view = BacklogView(count=left, most_urgent=tuple(most_urgent), url=f"{self.web}/" if self.web else "")
        with suppress(Rejected):  # the cards themselves will meet the same refusal, and it is stored with them
            t = translator(queue.language if queue else "en")
            message_id = await self.desk.show(view, chat, message_id, t)
        async with self.store.writing(notify=False) as session:
            await card_placements.save_backlog(session, name, chat, message_id, left)

    def _record_send(self, chat: str, now: datetime) -> None:
        self._sent.setdefault(chat, deque()).append(now)

    def _remaining_capacity(self, chat: str, now: datetime) -> int:
        """How many messages the chat takes now."""
        sent = self._sent.get(chat, deque())
        while sent and (now - sent[0]).total_seconds() >= self.desk.rate_limit.seconds:
            sent.popleft()
        return self.desk.rate_limit.messages - len(sent)

    async def _update_chat(self, cards: Sequence[PlacedView], now: datetime, succeeded: Callable[[], None]) -> None:
        """The cards of one chat, one after the other. What was shown is saved while the next is being sent."""
        saver = _Saver(self.store)
        try:
            for placement, view, revision, t in cards:
                try:
                    with isolated():
                        message_id = await self.desk.show(
                            self._with_address(view), placement.chat, placement.message_id, t
                        )
                except Rejected as error:
                    async with self.store.writing() as session:
                        await card_placements.mark_rejected(session, placement.id, error.reason, now)
                    continue
                except ItemFailed as failure:
                    await self._set_aside(placement, failure.error, now)
                    continue
                succeeded()
                await saver.add(placement.id, message_id, revision)
        finally:
            await saver.finish()

    async def _set_aside(self, placement: CardPlacement, error: Exception, now: datetime) -> None:
        """Like a card that the chat rejects: tried again later, and at the case's next change."""
        async with self.store.writing() as session:
            await record_failure(session, f"{CARD_ON}{self.desk.name}", str(placement.id), error, now)
            await card_placements.mark_rejected(session, placement.id, describe(error), now)

    def _with_address(self, view: View) -> View:
        if not isinstance(view, DigestView):
            return view
        return msgspec.structs.replace(view, url=self.web + view.url if self.web else "")


class _Saver:
    """Saves what was shown in the background, several cards a transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: list[tuple[int, str, int]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, placement_id: int, message_id: str, revision: int) -> None:
        self._pending.append((placement_id, message_id, revision))
        if self._task is None or self._task.done():
            await self._join()
            self._task = asyncio.create_task(self._save())

    async def finish(self) -> None:
        await self._join()
        await self._save()

    async def _join(self) -> None:
        """Waits for the last save, and raises what it raised."""
        task, self._task = self._task, None
        if task is not None:
            await task

    async def _save(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            async with self._store.writing(notify=False) as session:
                for placement_id, message_id, revision in batch:
                    await card_placements.mark_shown(session, placement_id, message_id, revision)
