"""Which words influenced the sentiment, computed for mentions somebody will look at: it costs as much as classifying."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol, cast

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.tables.case import OPEN, Case
from models.tables.mention import InfluentialWord, Mention, MentionBrand, Sentiment
from store.engine import Store
from store.failed_items import not_set_aside, process_each

STEP: Final = "explanation"
BATCH: Final = 4
PAUSE_FACTOR: Final = 3
"""After each explanation it pauses for this many times as long as it took: intake, clicks and cards go first."""
FRESH: Final = timedelta(seconds=5)
"""A card is updated for its words alone only this soon after the classification: in a flood chats have no room for more."""


class InfluenceLike(Protocol):
    """models.sentiment.Influence"""

    @property
    def word(self) -> str: ...
    @property
    def weight(self) -> float: ...


class ReaderLike(Protocol):
    def explain(self, text: str, language: str, sentiment: Sentiment) -> Sequence[InfluenceLike]: ...


class Explainer:
    def __init__(self, store: Store, reader: ReaderLike, executor: Executor | None = None) -> None:
        self.store = store
        self.reader = reader
        self.executor = executor

    async def explain_batch(self, now: datetime) -> int:
        """Explains the next mentions of open cases, newest first; returns how many there were."""
        async with self.store.reading() as session:
            rows = list(
                await session.execute(
                    select(Mention.text, MentionBrand)
                    .join(MentionBrand, MentionBrand.mention_id == Mention.id)
                    .join(Case, Case.id == MentionBrand.case_id)
                    .where(
                        MentionBrand.influential_words.is_(None),
                        MentionBrand.analyzed_at.is_not(None),
                        Case.state.in_(OPEN),
                        not_set_aside(STEP, MentionBrand.mention_id, MentionBrand.brand_id),
                    )
                    .order_by(MentionBrand.mention_id.desc())
                    .limit(BATCH)
                )
            )
        work = [(f"{m.mention_id}:{m.brand_id}", partial(self._explain, now, text, m)) for text, m in rows]
        return await process_each(self.store, STEP, now, work)

    async def _explain(self, now: datetime, text: str, match: MentionBrand) -> None:
        loop = asyncio.get_running_loop()
        language, sentiment = match.language or "und", cast("Sentiment", match.sentiment or "neutral")
        started = loop.time()
        influences = await loop.run_in_executor(self.executor, self.reader.explain, text, language, sentiment)
        await asyncio.sleep(PAUSE_FACTOR * (loop.time() - started))
        words = tuple(InfluentialWord(influence.word, influence.weight) for influence in influences)
        async with self.store.writing() as session:
            await _write(session, now, text, match, words)


async def _write(
    session: AsyncSession, now: datetime, text: str, match: MentionBrand, words: tuple[InfluentialWord, ...]
) -> None:
    """Skips what was edited or deleted meanwhile; the cards that show it are updated."""
    unchanged = select(Mention.id).where(Mention.id == match.mention_id, Mention.text == text)
    written = await session.execute(
        update(MentionBrand)
        .where(
            MentionBrand.mention_id.in_(unchanged),
            MentionBrand.brand_id == match.brand_id,
            MentionBrand.analyzed_at == match.analyzed_at,
        )
        .values(influential_words=words)
        .returning(MentionBrand.mention_id)
    )
    fresh = match.analyzed_at is not None and now - match.analyzed_at < FRESH
    if words and written.first() and fresh:
        await session.execute(update(Case).where(Case.id == match.case_id).values(revision=Case.revision + 1))
