"""A period on one card of at most twelve lines: what changed, up to three cases to answer, one risk, one win, what was learned
and muted, how well we heard."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from insights.numbers import Hearing, Numbers, heard, hearing, numbers
from insights.periods import Kind, Period, containing, today
from languages import Translator, translator
from models.case import OPEN, AlertMute, Case
from models.catalogue import Catalogue, Queue, clock_time
from models.desk import Chart, Digest, Point
from models.learned import Learned
from models.mention import Author, Mention, MentionBrand
from models.text import one_line
from store import cases
from triage import cards, wording
from triage.turn import Turn

MAX_LINES: Final = 12
MOST_TO_ANSWER: Final = 3
CHARTED: Final[dict[Kind, int]] = {"day": 14, "week": 21, "month": 13}
"""Points of a chart: days, but of a month weeks."""
QUOTE: Final = 70
TOO_MANY: Final = 3
"""Late cases in one pair of hands."""
LATE_BY: Final = timedelta(hours=6)
"""A morning's digest that could not be made for so long is not made any more."""


async def due(session: AsyncSession, catalogue: Catalogue, now: datetime) -> bool:
    """Whether `write_due` would make a digest."""
    return bool(await _missing(session, catalogue, now))


async def write_due(turn: Turn) -> int:
    """Makes the digests of what has just ended for every queue whose hour has come, and places them in its home chats."""
    missing = await _missing(turn.session, turn.catalogue, turn.now)
    for number, period in missing:
        queue = turn.catalogue.queues[number]
        t = translator(queue.language)
        kept = Digest(
            queue_id=number,
            period=period.kind,
            day=period.first.isoformat(),
            lines=tuple(await digest(turn, queue, period, t)),
            chart=await chart(turn, queue, period, t),
            made_at=turn.now,
        )
        turn.session.add(kept)
        await turn.session.flush()
        await cards.place(turn, "digest", kept.id, queue)
    return len(missing)


async def _missing(session: AsyncSession, catalogue: Catalogue, now: datetime) -> list[tuple[int, Period]]:
    """The digests that should have been made by now and were not, by queue."""
    wanted = [(number, period) for number, queue in catalogue.queues for period in _ended(queue, now)]
    if not wanted:
        return []
    firsts = {period.first.isoformat() for _, period in wanted}
    rows = await session.execute(select(Digest.queue_id, Digest.period, Digest.day).where(Digest.day.in_(firsts)))
    made = {(number, kind, day) for number, kind, day in rows.all()}
    return [one for one in wanted if (one[0], one[1].kind, one[1].first.isoformat()) not in made]


def _ended(queue: Queue, now: datetime) -> list[Period]:
    """In the hours of the digest on the queue's wall: yesterday, on Mondays the week before, on the first the month before.

    The longest last, so that it stands lowest in the chat; nothing for a queue without one.
    """
    here = now.astimezone(ZoneInfo(queue.zone))
    at = datetime.combine(here.date(), clock_time(queue.digest_at), here.tzinfo)
    if not (queue.chats or queue.digests) or not at <= here < at + LATE_BY:
        return []
    found = [Period("day", here.date() - timedelta(days=1), queue.zone)]
    if here.weekday() == 0:
        found.append(containing("week", here.date(), queue.zone).before())
    if here.day == 1:
        found.append(containing("month", here.date(), queue.zone).before())
    return found


async def digest(turn: Turn, queue: Queue, period: Period, t: Translator) -> list[str]:
    """The lines, in a language."""
    brands = [n for slug in queue.brands if (n := turn.catalogue.brands.id_of(slug)) is not None]
    counted = await numbers(turn.session, brands, period)
    listened = await hearing(turn.session, period, turn.now)
    news = [
        *await _helpless(turn, brands, t),
        *await _learned(turn, brands, period, t),
        *await _muted(turn, brands, period, t),
    ]
    lines = [
        _title(queue, period, t),
        *_mentions(counted, t),
        *_work(counted, t),
        *_topics(counted, t),
        *await _to_answer(turn, brands, max(MOST_TO_ANSWER - len(news), 1), t),
        *await _risk(turn, brands, t),
        *await _win(turn, brands, period, t),
        *news,
        *_hearing(listened, t),
    ]
    return lines[:MAX_LINES]


async def chart(turn: Turn, queue: Queue, period: Period, t: Translator) -> Chart | None:
    """The days up to a day's or a week's end, or the weeks up to a month's; None where nothing was said in any."""
    brands = [n for slug in queue.brands if (n := turn.catalogue.brands.id_of(slug)) is not None]
    last = (period.end - timedelta(hours=12)).astimezone(ZoneInfo(period.zone)).date()
    kind: Kind = "week" if period.kind == "month" else "day"
    steps = [containing(kind, last, period.zone).before(n) for n in range(CHARTED[period.kind] - 1, -1, -1)]
    counts = [await heard(turn.session, brands, step) for step in steps]
    if not any(one.mentions for one in counts):
        return None
    within = [n for n, step in enumerate(steps) if step.end > period.start]
    now = [counts[n] for n in within]
    before = [one for n, one in enumerate(counts) if n not in within and one.mentions]
    usual = sum(one.negative for one in before) / sum(one.mentions for one in before) if before else None
    share = sum(one.negative for one in now) / (sum(one.mentions for one in now) or 1)
    title = t("{share} negative", share=t.percent(share))
    if usual is not None:
        title += t(", usually {share}", share=t.percent(usual))
    points = [
        Point(t.short_day(step.first), one.mentions, one.negative) for step, one in zip(steps, counts, strict=True)
    ]
    return Chart(title=f"{queue.name}: {title}", points=tuple(points), period=len(within), usual=usual)


def whole(catalogue: Catalogue, brands: Sequence[str], zone: str, language: str) -> Queue:
    """A queue that stands for some brands, where a digest is asked for that belongs to no queue."""
    names = [spec.name for _, spec in catalogue.brands if spec.slug in brands]
    return Queue(slug="all", name=", ".join(names), brands=tuple(brands), zone=zone, language=language)


def period_of(kind: str, day: date | None, now: datetime, zone: str) -> Period:
    return containing(kind, day or today(now, zone), zone)  # type: ignore[arg-type]


def _title(queue: Queue, period: Period, t: Translator) -> str:
    first = t.day(period.start, period.zone)
    if period.kind == "day":
        return f"{queue.name} · {first}"
    last = t.day(period.end - timedelta(hours=12), period.zone)
    return f"{queue.name} · {first} – {last}"


def _mentions(counted: Numbers, t: Translator) -> Iterator[str]:
    now, usual = counted.heard, counted.usual
    said = t.count("{n} mention", "{n} mentions", now.mentions)
    bad = t.count("{n} negative", "{n} negative", now.negative)
    line = f"{said}, {bad} ({t.percent(now.negative_share)})"
    if usual:
        line += " — " + t(
            "usually {mentions}, {share} negative", mentions=usual.mentions, share=t.percent(usual.negative_share)
        )
    yield line


def _work(counted: Numbers, t: Translator) -> Iterator[str]:
    yield t(
        "Cases: {opened} opened, {answered} answered, {dismissed} dismissed, {open} open now",
        opened=counted.opened,
        answered=counted.answered,
        dismissed=counted.dismissed,
        open=counted.still_open,
    )
    if counted.median_minutes is not None and counted.p90_minutes is not None:
        yield t(
            "First answer: half within {median}, nine of ten within {p90}; {count} in time",
            median=t.span(timedelta(minutes=counted.median_minutes)),
            p90=t.span(timedelta(minutes=counted.p90_minutes)),
            count=counted.in_time,
        )


def _topics(counted: Numbers, t: Translator) -> Iterator[str]:
    now, usual = counted.heard.topics, counted.usual.topics if counted.usual else {}
    if now:
        said = ", ".join(f"{topic} {count}" for topic, count in list(now.items())[:4])
        yield t("About: {topics}", topics=said)
    grown = max(now, key=lambda topic: now[topic] - usual.get(topic, 0), default=None) if counted.usual else None
    if grown is not None and now[grown] >= 5 and now[grown] >= 2 * max(usual.get(grown, 0), 1):
        yield t(
            "More than usual: {topic}, {now} instead of {usual}", topic=grown, now=now[grown], usual=usual.get(grown, 0)
        )


async def _helpless(turn: Turn, brands: Sequence[int], t: Translator) -> list[str]:
    """Who has taken more than they can answer in time: not to blame, but to take some of it off them."""
    late = func.sum(case((Case.first_answer_due <= turn.now, 1), else_=0))
    found = await turn.session.execute(
        select(Case.claimed_by, func.count(), late)
        .where(Case.brand_id.in_(brands), Case.state == "claimed", Case.first_answered_at.is_(None))
        .group_by(Case.claimed_by)
        .having(late >= TOO_MANY)
        .order_by(late.desc())
        .limit(3)
    )
    names = turn.catalogue.members
    who = [
        t("{member} holds {count}, {late} of them late", member=names[number].name, count=count, late=overdue)
        for number, count, overdue in found
        if number is not None
    ]
    return [t("Needs help: {who}", who="; ".join(who))] if who else []


async def _learned(turn: Turn, brands: Sequence[int], period: Period, t: Translator) -> list[str]:
    """What the reader learned from corrections and uses since this period; the last of it."""
    learned = await turn.session.scalar(
        select(Learned)
        .where(Learned.brand_id.in_(brands), Learned.used_at >= period.start, Learned.used_at < period.end)
        .order_by(Learned.id.desc())
        .limit(1)
    )
    if learned is None:
        return []
    before, after = t.percent(learned.before), t.percent(learned.after)
    return [
        t("Learned from {count} corrections: {before} → {after}", count=learned.corrections, before=before, after=after)
    ]


async def _muted(turn: Turn, brands: Sequence[int], period: Period, t: Translator) -> list[str]:
    """What stayed quiet because somebody muted it, with how often: a mute that nobody remembers hides things."""
    rows = await turn.session.execute(
        select(AlertMute.pattern, AlertMute.silenced)
        .where(AlertMute.brand_id.in_(brands), AlertMute.silenced > 0)
        .where(AlertMute.muted_at < period.end, AlertMute.until > period.start)
        .order_by(AlertMute.silenced.desc())
        .limit(3)
    )
    found = ", ".join(f"{pattern} ×{count}" for pattern, count in rows)
    return [t("Muted alerts: {patterns}", patterns=found)] if found else []


async def _to_answer(turn: Turn, brands: Sequence[int], most: int, t: Translator) -> list[str]:
    """The worst of those that wait; of a storm the first, as in the queue."""
    found = await turn.session.execute(
        select(Case, Author.handle)
        .join(Author, Author.id == Case.author_id)
        .where(Case.brand_id.in_(brands), Case.state.in_(("waiting", "claimed")), cases.first_of_storm())
        .order_by(Case.rank.desc())
        .limit(most)
    )
    return [
        t("To answer: #{case} @{author}: “{text}”", case=case.id, author=handle, text=await _quote(turn, case.id))
        for case, handle in found
    ]


async def _risk(turn: Turn, brands: Sequence[int], t: Translator) -> list[str]:
    """The storm with the most open cases, else the gravest open case."""
    storm = (
        await turn.session.execute(
            select(Case.storm_id, func.count())
            .where(Case.brand_id.in_(brands), Case.state.in_(OPEN), Case.storm_id.is_not(None))
            .group_by(Case.storm_id)
            .order_by(func.count().desc())
            .limit(1)
        )
    ).first()
    if storm is not None and storm[0] is not None and storm[1] >= 3:
        return [t("Risk: {count} people say the same: “{text}”", count=storm[1], text=await _quote(turn, storm[0]))]
    grave = await turn.session.scalar(
        select(Case)
        .where(Case.brand_id.in_(brands), Case.state.in_(OPEN), Case.grave.is_not(None))
        .order_by(Case.rank.desc())
        .limit(1)
    )
    if grave is None:
        return []
    kind = t(wording.GRAVE.get(grave.grave or "", ""))
    return [t("Risk: #{case}, {kind}: “{text}”", case=grave.id, kind=kind, text=await _quote(turn, grave.id))]


async def _win(turn: Turn, brands: Sequence[int], period: Period, t: Translator) -> list[str]:
    """The surest praise of the period, of the author with the most readers."""
    found = (
        await turn.session.execute(
            select(Mention.text, Author.handle)
            .join(MentionBrand, MentionBrand.mention_id == Mention.id)
            .join(Author, Author.id == Mention.author_id)
            .where(
                MentionBrand.brand_id.in_(brands),
                func.coalesce(MentionBrand.corrected, MentionBrand.sentiment) == "positive",
                MentionBrand.intent == "praise",
                Mention.created_at >= period.start,
                Mention.created_at < period.end,
                Mention.deleted_at.is_(None),
            )
            .order_by(func.coalesce(Author.followers, 0).desc(), MentionBrand.positive.desc())
            .limit(1)
        )
    ).first()
    return [t("Win: @{author}: “{text}”", author=found[1], text=one_line(found[0], QUOTE))] if found else []


def _hearing(listened: Hearing, t: Translator) -> Iterator[str]:
    if not listened.sources:
        return
    line = t("Heard well: {well} of {all} sources", well=listened.well, all=listened.sources)
    if listened.worst:
        silence = t.span(timedelta(hours=listened.worst_hours))
        line += "; " + t("{source} was silent for {length}", source=listened.worst, length=silence)
    yield line


async def _quote(turn: Turn, case_id: int) -> str:
    text = await turn.session.scalar(
        select(Mention.text)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.case_id == case_id)
        .order_by(Mention.id.desc())
        .limit(1)
    )
    return one_line(text or "", QUOTE)
