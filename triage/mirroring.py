"""Deletions on platforms that tell of none: once a day it is looked whether what was heard of late is still there."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Protocol

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.mention import Mention
from models.post import Deletion
from store import mentions
from store.engine import Store

BATCH: Final = 100


class Looks(Protocol):
    """What is needed of an ear."""

    @property
    def name(self) -> str: ...
    @property
    def platform(self) -> str: ...
    async def gone(self, native_ids: Sequence[str]) -> Collection[str]:
        """Which of these posts are not there any more; raises EdgeError."""


class _Place(msgspec.Struct):
    """How far the look of a day has come."""

    day: date
    after: int = 0
    done: bool = False


class Mirror:
    """Looks at what was heard within `days`, a batch at a time, and goes on after a restart where it was."""

    def __init__(self, store: Store, ear: Looks, days: int) -> None:
        self.store = store
        self.ear = ear
        self.days = days

    async def look_batch(self, now: datetime) -> int:
        """Looks at the next mentions of today's; returns how many there were."""
        async with self.store.reading() as session:
            place = await self._place(session, now)
            rows = [] if place.done else await self._next(session, place, now)
        if place.done:
            return 0
        gone = await self.ear.gone([native_id for _, native_id in rows]) if rows else ()
        place.after = rows[-1][0] if rows else place.after
        place.done = len(rows) < BATCH
        async with self.store.writing() as session:
            for native_id in gone:
                await mentions.empty(session, Deletion(platform=self.ear.platform, native_id=native_id), now)
            await mentions.save_bookmark(session, self._name, msgspec.json.encode(place).decode(), now)
        return len(rows)

    @property
    def _name(self) -> str:
        return f"mirror {self.ear.name}"

    async def _place(self, session: AsyncSession, now: datetime) -> _Place:
        kept = await mentions.bookmark_of(session, self._name)
        place = msgspec.json.decode(kept, type=_Place) if kept else _Place(now.date())
        return place if place.day == now.date() else _Place(now.date())

    async def _next(self, session: AsyncSession, place: _Place, now: datetime) -> list[tuple[int, str]]:
        rows = await session.execute(
            select(Mention.id, Mention.native_id)
            .where(
                Mention.connection == self.ear.name,
                Mention.id > place.after,
                Mention.heard_at >= now - timedelta(days=self.days),
                Mention.deleted_at.is_(None),
            )
            .order_by(Mention.id)
            .limit(BATCH)
        )
        return [(row.id, row.native_id) for row in rows]
