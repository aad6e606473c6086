"""What happened to some brands in a period, counted."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from statistics import quantiles
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from insights.periods import Period
from models.case import OPEN, Case, CaseEvent
from models.mention import Mention, MentionBrand
from models.source import Outage, Source

BASELINE: Final = 7
"""Earlier periods of the same kind that are averaged."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    mentions: int
    negative: int
    topics: dict[str, int]

    @property
    def negative_share(self) -> float:
        return self.negative / self.mentions if self.mentions else 0.0


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """Times are minutes from when a case was heard to its first answer; None where nothing was answered."""

    heard: Heard
    usual: Heard | None
    """The mean of the periods before in which anything was heard, rounded; None when there was none."""
    opened: int
    answered: int
    dismissed: int
    still_open: int
    in_time: int
    median_minutes: float | None
    p90_minutes: float | None


class Hearing(msgspec.Struct, frozen=True, kw_only=True):
    """How well we heard: the sources that were never away, out of all, and the longest silence."""

    well: int
    sources: int
    worst: str = ""
    worst_hours: float = 0.0


async def numbers(session: AsyncSession, brand_ids: Sequence[int], period: Period) -> Numbers:
    before = [await heard(session, brand_ids, period.before(step)) for step in range(1, BASELINE + 1)]
    before = [h for h in before if h.mentions]
    counts = await _cases(session, brand_ids, period)
    minutes, in_time = await _first_answers(session, brand_ids, period)
    return Numbers(
        heard=await heard(session, brand_ids, period),
        usual=_mean(before) if before else None,
        opened=counts["opened"],
        answered=counts["answered"],
        dismissed=counts["dismissed"],
        still_open=counts["open"],
        in_time=in_time,
        median_minutes=_quantile(minutes, 50),
        p90_minutes=_quantile(minutes, 90),
    )


async def heard(session: AsyncSession, brand_ids: Sequence[int], period: Period) -> Heard:
    """Mentions by when they were said, imports too."""
    felt = func.coalesce(MentionBrand.corrected, MentionBrand.sentiment)
    rows = await session.execute(
        select(MentionBrand.topics, func.count(), func.sum(case((felt == "negative", 1), else_=0)))
        .join(Mention, Mention.id == MentionBrand.mention_id)
        .where(
            MentionBrand.brand_id.in_(brand_ids), Mention.created_at >= period.start, Mention.created_at < period.end
        )
        .group_by(MentionBrand.topics)
    )
    topics: Counter[str] = Counter()
    total = negative = 0
    for about, count, bad in rows:
        total, negative = total + count, negative + (bad or 0)
        for topic in about:
            topics[topic] += count
    return Heard(mentions=total, negative=negative, topics=dict(topics.most_common()))


async def _cases(session: AsyncSession, brand_ids: Sequence[int], period: Period) -> dict[str, int]:
    def within(moment: InstrumentedAttribute[datetime]) -> ColumnElement[bool]:
        return and_(moment >= period.start, moment < period.end)

    ours = Case.brand_id.in_(brand_ids)
    opened = await session.scalar(select(func.count(Case.id)).where(ours, within(Case.opened_at)))
    kinds = await session.execute(
        select(CaseEvent.kind, func.count(CaseEvent.case_id.distinct()).label("cases"))
        .join(Case, Case.id == CaseEvent.case_id)
        .where(ours, CaseEvent.kind.in_(("published", "copied", "dismissed")), within(CaseEvent.at))
        .group_by(CaseEvent.kind)
    )
    by_kind = {row.kind: row.cases for row in kinds}
    still = await session.scalar(
        select(func.count(Case.id)).where(ours, Case.state.in_(OPEN), Case.opened_at < period.end)
    )
    return {
        "opened": opened or 0,
        "answered": by_kind.get("published", 0) + by_kind.get("copied", 0),
        "dismissed": by_kind.get("dismissed", 0),
        "open": still or 0,
    }


async def _first_answers(session: AsyncSession, brand_ids: Sequence[int], period: Period) -> tuple[list[float], int]:
    rows = await session.execute(
        select(Case.heard_at, Case.first_answered_at, Case.first_answer_due).where(
            Case.brand_id.in_(brand_ids), Case.first_answered_at >= period.start, Case.first_answered_at < period.end
        )
    )
    minutes, in_time = [], 0
    for heard_at, answered_at, due in rows:
        if answered_at is not None:
            minutes.append((answered_at - heard_at).total_seconds() / 60)
            in_time += answered_at <= due
    return minutes, in_time


async def hearing(session: AsyncSession, period: Period, now: datetime) -> Hearing:
    """Ears only: a voice that is away loses nothing that was said to us."""
    names = list(await session.scalars(select(Source.name).where(Source.kind == "ear", Source.health != "off")))
    end = min(period.end, now)
    away: Counter[str] = Counter()
    outages = await session.scalars(
        select(Outage).where(
            Outage.kind == "ear", Outage.began_at < end, (Outage.ended_at.is_(None)) | (Outage.ended_at > period.start)
        )
    )
    for outage in outages:
        length = min(outage.ended_at or end, end) - max(outage.began_at, period.start)
        away[outage.name] += int(length.total_seconds())
    # Less than five minutes in a day is the weather of the internet.
    missed = {name: seconds for name, seconds in away.items() if name in names and seconds >= 300}
    worst = max(missed, key=lambda name: missed[name], default="")
    return Hearing(
        well=len(names) - len(missed), sources=len(names), worst=worst, worst_hours=missed.get(worst, 0) / 3600
    )


def _mean(before: Sequence[Heard]) -> Heard:
    topics: Counter[str] = Counter()
    for h in before:
        topics.update(h.topics)
    count = len(before)
    return Heard(
        mentions=round(sum(h.mentions for h in before) / count),
        negative=round(sum(h.negative for h in before) / count),
        topics={topic: round(number / count) for topic, number in topics.items()},
    )


def _quantile(values: Sequence[float], percent: int) -> float | None:
    if len(values) < 2:
        return values[0] if values else None
    return quantiles(values, n=100, method="inclusive")[percent - 1]
