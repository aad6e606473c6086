"""What brands have learned: the one in use, the last one tried, and going back."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.case import Case
from models.learned import Learned
from models.mention import Mention, MentionBrand

MOST: Final = 2_000
"""Lessons of a kind, the newest."""


async def in_use(session: AsyncSession, model: str) -> Mapping[int, int]:
    """Brand → the number of what it uses, of those that this model can use."""
    rows = await session.execute(
        select(Learned.brand_id, Learned.id).where(
            Learned.model == model, Learned.used_at.is_not(None), Learned.ended_at.is_(None)
        )
    )
    return {row.brand_id: row.id for row in rows}


async def last(session: AsyncSession, brand_id: int) -> Learned | None:
    """The newest trial, whatever became of it."""
    return await session.scalar(
        select(Learned).where(Learned.brand_id == brand_id).order_by(Learned.id.desc()).limit(1)
    )


async def use(session: AsyncSession, learned: Learned, now: datetime) -> None:
    """In place of what was in use before."""
    await back(session, learned.brand_id, now)
    await session.execute(update(Learned).where(Learned.id == learned.id).values(used_at=now, ended_at=None))


async def back(session: AsyncSession, brand_id: int, now: datetime) -> bool:
    """To the reader as it was shipped; whether there was anything to go back from."""
    ended = await session.execute(
        update(Learned)
        .where(Learned.brand_id == brand_id, Learned.used_at.is_not(None), Learned.ended_at.is_(None))
        .values(ended_at=now)
        .returning(Learned.id)
    )
    return ended.first() is not None


async def corrected(session: AsyncSession, brand_id: int) -> list[tuple[Mention, MentionBrand]]:
    """Mentions whose sentiment a member has set right."""
    return await _mentions(session, brand_id, MentionBrand.corrected.is_not(None))


async def agreed(session: AsyncSession, brand_id: int) -> list[tuple[Mention, MentionBrand]]:
    """Mentions of cases that somebody answered without setting the sentiment right: they saw it, and let it stand."""
    answered = select(Case.id).where(Case.brand_id == brand_id, Case.first_answered_at.is_not(None))
    return await _mentions(session, brand_id, MentionBrand.corrected.is_(None), MentionBrand.case_id.in_(answered))


async def since(session: AsyncSession, brand_id: int, days: int, now: datetime) -> list[tuple[Mention, MentionBrand]]:
    """What was read in the last days."""
    return await _mentions(session, brand_id, Mention.heard_at >= now - timedelta(days=days))


async def _mentions(session: AsyncSession, brand_id: int, *where: object) -> list[tuple[Mention, MentionBrand]]:
    rows = await session.execute(
        select(Mention, MentionBrand)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(
            MentionBrand.brand_id == brand_id,
            MentionBrand.read_at.is_not(None),
            Mention.deleted_at.is_(None),
            *where,  # type: ignore[arg-type]
        )
        .order_by(Mention.id.desc())
        .limit(MOST)
    )
    return [(row[0], row[1]) for row in rows]
