"""Deletions on platforms that do not report them: once a day, recent mentions are checked for whether they still exist."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final, Protocol

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.incoming import Deletion
from models.tables.mention import Mention
from store import cursors, erasure
from store.engine import Store
from store.failed_items import ItemFailed, isolated, process_each

STEP: Final = "deletion check"
BATCH: Final = 100


class DeletionSource(Protocol):
    """What is needed of a listener."""

    @property
    def name(self) -> str: ...
    @property
    def platform(self) -> str: ...
    async def find_deleted(self, native_ids: Sequence[str]) -> Collection[str]:
        """Which of these posts no longer exist; raises EdgeError."""


class _Progress(msgspec.Struct):
    """How far the check of a day has come."""

    day: date
    after: int = 0
    done: bool = False


class DeletionCheck:
    """Checks mentions received within `days`, in batches, and continues where it was after a restart."""

    def __init__(self, store: Store, source: DeletionSource, days: int) -> None:
        self.store = store
        self.source = source
        self.days = days

    async def check_batch(self, now: datetime) -> int:
        """Checks the next mentions of today's round; returns how many there were."""
        async with self.store.reading() as session:
            progress = await self._progress(session, now)
            rows = [] if progress.done else await self._next(session, progress, now)
        if progress.done:
            return 0
        deleted = await self._find_deleted([native_id for _, native_id in rows], now) if rows else []
        progress.after = rows[-1][0] if rows else progress.after
        progress.done = len(rows) < BATCH
        async with self.store.writing() as session:
            for native_id in deleted:
                deletion = Deletion(platform=self.source.platform, native_id=native_id)
                await erasure.erase_deleted(session, deletion, now)
            value = msgspec.json.encode(progress).decode()
            await cursors.save(session, "deletion check", self.source.name, value, now)
        return len(rows)

    async def _find_deleted(self, native_ids: list[str], now: datetime) -> list[str]:
        """One at a time where something is wrong with one of them."""
        try:
            with isolated():
                return list(await self.source.find_deleted(native_ids))
        except ItemFailed:  # which one it is, the next line finds out
            deleted: list[str] = []

            async def look(native_id: str) -> None:
                deleted.extend(await self.source.find_deleted([native_id]))

            await process_each(self.store, STEP, now, [(n, partial(look, n)) for n in native_ids])
            return deleted

    async def _progress(self, session: AsyncSession, now: datetime) -> _Progress:
        value = await cursors.load(session, "deletion check", self.source.name)
        progress = msgspec.json.decode(value, type=_Progress) if value else _Progress(now.date())
        return progress if progress.day == now.date() else _Progress(now.date())

    async def _next(self, session: AsyncSession, progress: _Progress, now: datetime) -> list[tuple[int, str]]:
        rows = await session.execute(
            select(Mention.id, Mention.native_id)
            .where(
                Mention.connection == self.source.name,
                Mention.id > progress.after,
                Mention.received_at >= now - timedelta(days=self.days),
                Mention.deleted_at.is_(None),
            )
            .order_by(Mention.id)
            .limit(BATCH)
        )
        return [(row.id, row.native_id) for row in rows]
