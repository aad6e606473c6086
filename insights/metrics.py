"""What happened to some brands in a period, counted. Digests and pages only format these numbers."""

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
from models.tables.case import OPEN, Case, CaseEvent
from models.tables.connection_status import ConnectionStatus, Outage
from models.tables.mention import Mention, MentionBrand

BASELINE: Final = 7
"""Earlier periods of the same kind that are averaged."""
MIN_OUTAGE: Final = 300
"""Seconds: shorter outages in a period are normal on the internet."""
ANSWERED: Final = ("published", "answered manually", "answered externally")
"""Events that answer a case."""


class MentionStats(msgspec.Struct, frozen=True, kw_only=True):
    mentions: int
    negative: int
    topics: dict[str, int]

    @property
    def negative_share(self) -> float:
        return self.negative / self.mentions if self.mentions else 0.0


class PeriodMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """Times are minutes from when a case was received to its first answer; None where nothing was answered."""

    mentions: MentionStats
    usual: MentionStats | None
    """The mean of the earlier periods with any mentions, rounded; None where there were none."""
    opened: int
    answered: int
    dismissed: int
    still_open: int
    in_time: int
    median_minutes: float | None
    p90_minutes: float | None


class ListeningHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The listeners that had no outage, out of all, and the longest outage."""

    healthy: int
    listeners: int
    worst: str = ""
    worst_hours: float = 0.0


async def period_metrics(session: AsyncSession, brand_ids: Sequence[int], period: Period) -> PeriodMetrics:
    earlier = [await mention_stats(session, brand_ids, period.before(step)) for step in range(1, BASELINE + 1)]
    earlier = [stats for stats in earlier if stats.mentions]
    cases = await _case_counts(session, brand_ids, period)
    minutes, in_time = await _first_answers(session, brand_ids, period)
    return PeriodMetrics(
        mentions=await mention_stats(session, brand_ids, period),
        usual=_mean(earlier) if earlier else None,
        opened=cases["opened"],
        answered=cases["answered"],
        dismissed=cases["dismissed"],
        still_open=cases["open"],
        in_time=in_time,
        median_minutes=_percentile(minutes, 50),
        p90_minutes=_percentile(minutes, 90),
    )


async def mention_stats(session: AsyncSession, brand_ids: Sequence[int], period: Period) -> MentionStats:
    """Mentions by when they were posted, imported ones too."""
    sentiment = func.coalesce(MentionBrand.corrected_sentiment, MentionBrand.sentiment)
    rows = await session.execute(
        select(MentionBrand.topics, func.count(), func.sum(case((sentiment == "negative", 1), else_=0)))
        .join(Mention, Mention.id == MentionBrand.mention_id)
        .where(
            MentionBrand.brand_id.in_(brand_ids), Mention.created_at >= period.start, Mention.created_at < period.end
        )
        .group_by(MentionBrand.topics)
    )
    by_topic: Counter[str] = Counter()
    total = total_negative = 0
    for topics, count, negative in rows:
        total, total_negative = total + count, total_negative + (negative or 0)
        for topic in topics:
            by_topic[topic] += count
    return MentionStats(mentions=total, negative=total_negative, topics=dict(by_topic.most_common()))


async def _case_counts(session: AsyncSession, brand_ids: Sequence[int], period: Period) -> dict[str, int]:
    def within(moment: InstrumentedAttribute[datetime]) -> ColumnElement[bool]:
        return and_(moment >= period.start, moment < period.end)

    async def with_events(*kinds: str) -> int:
        cases = select(func.count(CaseEvent.case_id.distinct())).join(Case, Case.id == CaseEvent.case_id)
        return await session.scalar(cases.where(ours, CaseEvent.kind.in_(kinds), within(CaseEvent.at))) or 0

    ours = Case.brand_id.in_(brand_ids)
    opened = await session.scalar(select(func.count(Case.id)).where(ours, within(Case.opened_at)))
    still_open = await session.scalar(
        select(func.count(Case.id)).where(ours, Case.state.in_(OPEN), Case.opened_at < period.end)
    )
    return {
        "opened": opened or 0,
        "answered": await with_events(*ANSWERED),
        "dismissed": await with_events("dismissed"),
        "open": still_open or 0,
    }


async def _first_answers(session: AsyncSession, brand_ids: Sequence[int], period: Period) -> tuple[list[float], int]:
    rows = await session.execute(
        select(Case.received_at, Case.first_answered_at, Case.first_answer_due).where(
            Case.brand_id.in_(brand_ids), Case.first_answered_at >= period.start, Case.first_answered_at < period.end
        )
    )
    minutes, in_time = [], 0
    for received_at, answered_at, due in rows:
        if answered_at is not None:
            minutes.append((answered_at - received_at).total_seconds() / 60)
            in_time += answered_at <= due
    return minutes, in_time


async def listening_health(session: AsyncSession, period: Period, now: datetime) -> ListeningHealth:
    """Listeners only: while a responder is down, no mention is missed."""
    running = select(ConnectionStatus.name).where(ConnectionStatus.role == "listener", ConnectionStatus.health != "off")
    names = list(await session.scalars(running))
    end = min(period.end, now)
    down: Counter[str] = Counter()
    outages = await session.scalars(
        select(Outage).where(
            Outage.role == "listener",
            Outage.began_at < end,
            (Outage.ended_at.is_(None)) | (Outage.ended_at > period.start),
        )
    )
    for outage in outages:
        length = min(outage.ended_at or end, end) - max(outage.began_at, period.start)
        down[outage.name] += int(length.total_seconds())
    missed = {name: seconds for name, seconds in down.items() if name in names and seconds >= MIN_OUTAGE}
    worst = max(missed, key=lambda name: missed[name], default="")
    return ListeningHealth(
        healthy=len(names) - len(missed), listeners=len(names), worst=worst, worst_hours=missed.get(worst, 0) / 3600
    )


def _mean(earlier: Sequence[MentionStats]) -> MentionStats:
    topics: Counter[str] = Counter()
    for stats in earlier:
        topics.update(stats.topics)
    count = len(earlier)
    return MentionStats(
        mentions=round(sum(stats.mentions for stats in earlier) / count),
        negative=round(sum(stats.negative for stats in earlier) / count),
        topics={topic: round(number / count) for topic, number in topics.items()},
    )


def _percentile(values: Sequence[float], percent: int) -> float | None:
    if len(values) < 2:
        return values[0] if values else None
    return quantiles(values, n=100, method="inclusive")[percent - 1]
