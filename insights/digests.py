"""A period in at most twelve lines: what changed, up to three cases to answer, a risk, a highlight, what was learned and muted,
and how well we listened."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import case, func, select

from insights.metrics import ListeningHealth, PeriodMetrics, listening_health, mention_stats, period_metrics
from insights.periods import Kind, Period, containing, today
from languages import Translator
from models.configuration import Configuration, Queue
from models.tables.alert import Alert
from models.tables.case import OPEN, Case
from models.tables.digest import Chart, ChartPoint
from models.tables.mention import Author, Mention, MentionBrand
from models.tables.training_run import TrainingRun
from models.text import one_line
from store.cases import is_first_of_group
from triage import labels
from triage.context import Context

MAX_LINES: Final = 12
MAX_TO_ANSWER: Final = 3
MAX_TOPICS: Final = 4
MAX_NAMES: Final = 3
CHART_POINTS: Final[dict[Kind, int]] = {"day": 14, "week": 21, "month": 13}
"""Days, but weeks for a month."""
QUOTE: Final = 70
"""Characters of a mention."""
OVERLOADED: Final = 3
"""Overdue cases claimed by one member."""
MIN_GROUP: Final = 3
"""Open cases that make a duplicate group a risk."""
MIN_GROWTH: Final = 5
"""Mentions of a topic below which twice as many as usual mean nothing."""


async def digest(context: Context, queue: Queue, period: Period, t: Translator) -> list[str]:
    """The lines, in a language. The last one, on our own listening, is never cut."""
    brands = _brands(context, queue)
    metrics = await period_metrics(context.session, brands, period)
    health = list(_listening(await listening_health(context.session, period, context.now), t))
    news = [
        *await _overloaded_members(context, brands, t),
        *await _learned(context, brands, period, t),
        *await _muted(context, brands, period, t),
    ]
    lines = [
        _title(queue, period, t),
        *_mentions(metrics, t),
        *_work(metrics, t),
        *_topics(metrics, t),
        *await _to_answer(context, brands, max(MAX_TO_ANSWER - len(news), 1), t),
        *await _risk(context, brands, t),
        *await _highlight(context, brands, period, t),
        *news,
    ]
    return [*lines[: MAX_LINES - len(health)], *health]


async def chart(context: Context, queue: Queue, period: Period, t: Translator) -> Chart | None:
    """The days up to the end of a day or a week, or the weeks up to the end of a month; None without any mentions."""
    brands = _brands(context, queue)
    last = (period.end - timedelta(hours=12)).astimezone(ZoneInfo(period.zone)).date()
    kind: Kind = "week" if period.kind == "month" else "day"
    steps = [containing(kind, last, period.zone).before(n) for n in range(CHART_POINTS[period.kind] - 1, -1, -1)]
    stats = [await mention_stats(context.session, brands, step) for step in steps]
    if not any(one.mentions for one in stats):
        return None
    within = [n for n, step in enumerate(steps) if step.end > period.start]
    current = [stats[n] for n in within]
    earlier = [one for n, one in enumerate(stats) if n not in within and one.mentions]
    usual = sum(one.negative for one in earlier) / sum(one.mentions for one in earlier) if earlier else None
    share = sum(one.negative for one in current) / (sum(one.mentions for one in current) or 1)
    title = t("{share} negative", share=t.percent(share))
    if usual is not None:
        title += t(", usually {share}", share=t.percent(usual))
    points = [
        ChartPoint(t.short_day(step.first), one.mentions, one.negative) for step, one in zip(steps, stats, strict=True)
    ]
    return Chart(title=f"{queue.name}: {title}", points=tuple(points), period=len(within), usual=usual)


def _brands(context: Context, queue: Queue) -> list[int]:
    return [number for slug in queue.brands if (number := context.configuration.brands.id_of(slug)) is not None]


def queue_of_brands(configuration: Configuration, brands: Sequence[str], zone: str, language: str) -> Queue:
    """A queue that stands for some brands, for a digest that belongs to no queue."""
    names = [spec.name for _, spec in configuration.brands if spec.slug in brands]
    return Queue(slug="all", name=", ".join(names), brands=tuple(brands), zone=zone, language=language)


def period_of(kind: str, day: date | None, now: datetime, zone: str) -> Period:
    return containing(kind, day or today(now, zone), zone)  # type: ignore[arg-type]


def _title(queue: Queue, period: Period, t: Translator) -> str:
    first = t.day(period.start, period.zone)
    if period.kind == "day":
        return f"{queue.name} · {first}"
    last = t.day(period.end - timedelta(hours=12), period.zone)
    return f"{queue.name} · {first} – {last}"


def _mentions(metrics: PeriodMetrics, t: Translator) -> Iterator[str]:
    current, usual = metrics.mentions, metrics.usual
    mentions = t.count("{n} mention", "{n} mentions", current.mentions)
    negative = t.count("{n} negative", "{n} negative", current.negative)
    line = f"{mentions}, {negative} ({t.percent(current.negative_share)})"
    if usual:
        line += " — " + t(
            "usually {mentions}, {share} negative", mentions=usual.mentions, share=t.percent(usual.negative_share)
        )
    yield line


def _work(metrics: PeriodMetrics, t: Translator) -> Iterator[str]:
    yield t(
        "Cases: {opened} opened, {answered} answered, {dismissed} dismissed, {open} open now",
        opened=metrics.opened,
        answered=metrics.answered,
        dismissed=metrics.dismissed,
        open=metrics.still_open,
    )
    if metrics.median_minutes is not None and metrics.p90_minutes is not None:
        yield t(
            "First answer: median {median}, 90 % within {p90}; {count} in time",
            median=t.span(timedelta(minutes=metrics.median_minutes)),
            p90=t.span(timedelta(minutes=metrics.p90_minutes)),
            count=metrics.in_time,
        )


def _topics(metrics: PeriodMetrics, t: Translator) -> Iterator[str]:
    current, usual = metrics.mentions.topics, metrics.usual.topics if metrics.usual else {}
    if current:
        topics = ", ".join(f"{topic} {count}" for topic, count in list(current.items())[:MAX_TOPICS])
        yield t("Topics: {topics}", topics=topics)
    if metrics.usual is None:
        return
    grown = max(current, key=lambda topic: current[topic] - usual.get(topic, 0), default=None)
    if grown is not None and current[grown] >= max(MIN_GROWTH, 2 * max(usual.get(grown, 0), 1)):
        before = usual.get(grown, 0)
        yield t("More than usual: {topic}, {now} instead of {usual}", topic=grown, now=current[grown], usual=before)


async def _overloaded_members(context: Context, brands: Sequence[int], t: Translator) -> list[str]:
    """Who has claimed more than they can answer in time: not to blame them, but to reassign some of it."""
    overdue = func.sum(case((Case.first_answer_due <= context.now, 1), else_=0))
    rows = await context.session.execute(
        select(Case.claimed_by, func.count(), overdue)
        .where(Case.brand_id.in_(brands), Case.state == "claimed", Case.first_answered_at.is_(None))
        .group_by(Case.claimed_by)
        .having(overdue >= OVERLOADED)
        .order_by(overdue.desc())
        .limit(MAX_NAMES)
    )
    names = context.configuration.members
    who = [
        t("{member}: {count} claimed, {late} overdue", member=names[number].name, count=count, late=late)
        for number, count, late in rows
        if number is not None
    ]
    return [t("Overloaded: {who}", who="; ".join(who))] if who else []


async def _learned(context: Context, brands: Sequence[int], period: Period, t: Translator) -> list[str]:
    """The last training run that was activated in the period."""
    run = await context.session.scalar(
        select(TrainingRun)
        .where(
            TrainingRun.brand_id.in_(brands),
            TrainingRun.activated_at >= period.start,
            TrainingRun.activated_at < period.end,
        )
        .order_by(TrainingRun.id.desc())
        .limit(1)
    )
    if run is None:
        return []
    before, after = t.percent(run.accuracy_before), t.percent(run.accuracy_after)
    return [
        t("Learned from {count} corrections: {before} → {after}", count=run.corrections, before=before, after=after)
    ]


async def _muted(context: Context, brands: Sequence[int], period: Period, t: Translator) -> list[str]:
    """The alerts of the period that were muted: a mute that nobody remembers hides things."""
    count = func.count()
    rows = await context.session.execute(
        select(Alert.severity, Alert.keyword, count)
        .where(Alert.brand_id.in_(brands), Alert.muted, Alert.raised_at >= period.start, Alert.raised_at < period.end)
        .group_by(Alert.severity, Alert.keyword)
        .order_by(count.desc())
        .limit(MAX_NAMES)
    )
    muted = [
        f"{t(labels.SEVERITY.get(severity or '', ''))}{f' “{keyword}”' if keyword else ''} ×{number}"
        for severity, keyword, number in rows
    ]
    return [t("Muted alerts: {alerts}", alerts=", ".join(muted))] if muted else []


async def _to_answer(context: Context, brands: Sequence[int], limit: int, t: Translator) -> list[str]:
    """The most urgent cases; of a duplicate group the first, as in the queue."""
    rows = await context.session.execute(
        select(Case, Author.handle)
        .join(Author, Author.id == Case.author_id)
        .where(Case.brand_id.in_(brands), Case.state.in_(("waiting", "claimed")), is_first_of_group())
        .order_by(Case.rank.desc())
        .limit(limit)
    )
    return [
        t("To answer: #{case} @{author}: “{text}”", case=case.id, author=handle, text=await _quote(context, case.id))
        for case, handle in rows
    ]


async def _risk(context: Context, brands: Sequence[int], t: Translator) -> list[str]:
    """The duplicate group with the most open cases, else the most urgent severe case."""
    group = (
        await context.session.execute(
            select(Case.duplicate_group_id, func.count())
            .where(Case.brand_id.in_(brands), Case.state.in_(OPEN), Case.duplicate_group_id.is_not(None))
            .group_by(Case.duplicate_group_id)
            .order_by(func.count().desc())
            .limit(1)
        )
    ).first()
    if group is not None and group[0] is not None and group[1] >= MIN_GROUP:
        return [t("Risk: {count} similar posts: “{text}”", count=group[1], text=await _quote(context, group[0]))]
    severe = await context.session.scalar(
        select(Case)
        .where(Case.brand_id.in_(brands), Case.state.in_(OPEN), Case.severity.is_not(None))
        .order_by(Case.rank.desc())
        .limit(1)
    )
    if severe is None:
        return []
    severity = t(labels.SEVERITY.get(severe.severity or "", ""))
    text = await _quote(context, severe.id)
    return [t("Risk: #{case}, {severity}: “{text}”", case=severe.id, severity=severity, text=text)]


async def _highlight(context: Context, brands: Sequence[int], period: Period, t: Translator) -> list[str]:
    """The clearest praise of the period, by the author with the largest audience."""
    row = (
        await context.session.execute(
            select(Mention.text, Author.handle)
            .join(MentionBrand, MentionBrand.mention_id == Mention.id)
            .join(Author, Author.id == Mention.author_id)
            .where(
                MentionBrand.brand_id.in_(brands),
                func.coalesce(MentionBrand.corrected_sentiment, MentionBrand.sentiment) == "positive",
                MentionBrand.intent == "praise",
                Mention.created_at >= period.start,
                Mention.created_at < period.end,
                Mention.deleted_at.is_(None),
            )
            .order_by(func.coalesce(Author.followers, 0).desc(), MentionBrand.positive.desc())
            .limit(1)
        )
    ).first()
    return [t("Highlight: @{author}: “{text}”", author=row[1], text=one_line(row[0], QUOTE))] if row else []


def _listening(health: ListeningHealth, t: Translator) -> Iterator[str]:
    if not health.listeners:
        return
    line = t("Sources healthy: {healthy} of {all}", healthy=health.healthy, all=health.listeners)
    if health.worst:
        length = t.span(timedelta(hours=health.worst_hours))
        line += "; " + t("no data from {source} for {length}", source=health.worst, length=length)
    yield line


async def _quote(context: Context, case_id: int) -> str:
    text = await context.session.scalar(
        select(Mention.text)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.case_id == case_id)
        .order_by(Mention.id.desc())
        .limit(1)
    )
    return one_line(text or "", QUOTE)
