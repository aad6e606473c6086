"""Training runs of brands: the active one, the latest, and the mentions to learn from."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.tables.case import Case
from models.tables.mention import Mention, MentionBrand
from models.tables.training_run import TrainingRun

MAX_MENTIONS: Final = 2_000
"""Of each kind, newest first."""


async def active(session: AsyncSession, model: str) -> Mapping[int, int]:
    """Brand → the id of its active run, of those that fit this model."""
    rows = await session.execute(
        select(TrainingRun.brand_id, TrainingRun.id).where(
            TrainingRun.model == model,
            TrainingRun.activated_at.is_not(None),
            TrainingRun.deactivated_at.is_(None),
        )
    )
    return {row.brand_id: row.id for row in rows}


async def latest(session: AsyncSession, brand_id: int) -> TrainingRun | None:
    return await session.scalar(
        select(TrainingRun).where(TrainingRun.brand_id == brand_id).order_by(TrainingRun.id.desc()).limit(1)
    )


async def activate(session: AsyncSession, run: TrainingRun, now: datetime) -> None:
    """Replaces the active run."""
    await deactivate(session, run.brand_id, now)
    await session.execute(
        update(TrainingRun).where(TrainingRun.id == run.id).values(activated_at=now, deactivated_at=None)
    )


async def deactivate(session: AsyncSession, brand_id: int, now: datetime) -> bool:
    """Back to the model as shipped; returns whether a run was active."""
    deactivated = await session.execute(
        update(TrainingRun)
        .where(
            TrainingRun.brand_id == brand_id,
            TrainingRun.activated_at.is_not(None),
            TrainingRun.deactivated_at.is_(None),
        )
        .values(deactivated_at=now)
        .returning(TrainingRun.id)
    )
    return deactivated.first() is not None


async def corrected_mentions(session: AsyncSession, brand_id: int) -> list[tuple[Mention, MentionBrand]]:
    """Mentions whose sentiment a member corrected."""
    return await _mentions(session, brand_id, MentionBrand.corrected_sentiment.is_not(None))


async def agreed_mentions(session: AsyncSession, brand_id: int) -> list[tuple[Mention, MentionBrand]]:
    """Mentions of answered cases whose sentiment nobody corrected: somebody saw it and left it."""
    answered = select(Case.id).where(Case.brand_id == brand_id, Case.first_answered_at.is_not(None))
    return await _mentions(
        session, brand_id, MentionBrand.corrected_sentiment.is_(None), MentionBrand.case_id.in_(answered)
    )


async def recent_mentions(
    session: AsyncSession, brand_id: int, days: int, now: datetime
) -> list[tuple[Mention, MentionBrand]]:
    return await _mentions(session, brand_id, Mention.received_at >= now - timedelta(days=days))


async def _mentions(session: AsyncSession, brand_id: int, *where: object) -> list[tuple[Mention, MentionBrand]]:
    rows = await session.execute(
        select(Mention, MentionBrand)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(
            MentionBrand.brand_id == brand_id,
            MentionBrand.analyzed_at.is_not(None),
            Mention.deleted_at.is_(None),
            *where,  # type: ignore[arg-type]
        )
        .order_by(Mention.id.desc())
        .limit(MAX_MENTIONS)
    )
    return [(row[0], row[1]) for row in rows]
