"""Which words moved the reader, found for mentions that somebody will look at, and only then: it costs as much as reading."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import Final, Protocol, cast

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.case import OPEN, Case
from models.mention import Mention, MentionBrand, MovedBy, Sentiment
from store.engine import Store

BATCH: Final = 4
RESTS: Final = 3
"""For how many times as long as it took nothing is explained: what is heard, clicked and shown goes first."""
FRESH: Final = timedelta(seconds=5)
"""A card is drawn again for its words alone only so soon after it was read: in a flood chats have better things to show."""


class MovedLike(Protocol):
    """models.sentiment.Moved"""

    @property
    def word(self) -> str: ...
    @property
    def by(self) -> float: ...


class WhyLike(Protocol):
    def why(self, text: str, language: str, sentiment: Sentiment) -> Sequence[MovedLike]: ...


class Explainer:
    def __init__(self, store: Store, reader: WhyLike, executor: Executor | None = None) -> None:
        self.store = store
        self.reader = reader
        self.executor = executor

    async def explain_batch(self, now: datetime) -> int:
        """Explains the next mentions of open cases, the newest first; returns how many there were."""
        async with self.store.reading() as session:
            rows = list(
                await session.execute(
                    select(Mention.text, MentionBrand)
                    .join(MentionBrand, MentionBrand.mention_id == Mention.id)
                    .join(Case, Case.id == MentionBrand.case_id)
                    .where(MentionBrand.moved.is_(None), MentionBrand.read_at.is_not(None), Case.state.in_(OPEN))
                    .order_by(MentionBrand.mention_id.desc())
                    .limit(BATCH)
                )
            )
        loop = asyncio.get_running_loop()
        for text, read in rows:
            language, sentiment = read.language or "und", cast("Sentiment", read.sentiment or "neutral")
            began = loop.time()
            found = await loop.run_in_executor(self.executor, self.reader.why, text, language, sentiment)
            await asyncio.sleep(RESTS * (loop.time() - began))
            moved = tuple(MovedBy(one.word, one.by) for one in found)
            async with self.store.writing() as session:
                await _write(session, now, text, read, moved)
        return len(rows)


async def _write(
    session: AsyncSession, now: datetime, text: str, read: MentionBrand, moved: tuple[MovedBy, ...]
) -> None:
    """Not for what was edited or deleted while we looked; the cards that show it are drawn again."""
    same = select(Mention.id).where(Mention.id == read.mention_id, Mention.text == text)
    written = await session.execute(
        update(MentionBrand)
        .where(
            MentionBrand.mention_id.in_(same),
            MentionBrand.brand_id == read.brand_id,
            MentionBrand.read_at == read.read_at,
        )
        .values(moved=moved)
        .returning(MentionBrand.mention_id)
    )
    fresh = read.read_at is not None and now - read.read_at < FRESH
    if moved and written.first() and fresh:
        await session.execute(update(Case).where(Case.id == read.case_id).values(revision=Case.revision + 1))
