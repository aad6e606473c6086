"""Checks what the program guarantees against what was seen outside of it: each line is a guarantee and what violated it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import quantiles

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ascolto.simulation.outside_world import LIMITS, OutsideWorld
from models.tables.card_placement import CardPlacement
from models.tables.case import OPEN, Case, CaseEvent, EventKind
from models.tables.mention import Mention, MentionBrand
from models.tables.reply import IN_FLIGHT, Approval, Reply
from store.engine import Store

ASSIGNS: tuple[EventKind, ...] = ("assigned", "reassigned", "returned")
ENDS_CLAIM: tuple[EventKind, ...] = (
    "released", "claim expired", "snoozed", "dismissed", "published", "answered manually", "reopened", "answered externally",
)  # fmt: skip
GRACE = timedelta(seconds=60)
"""How late a deadline's alert may come: one step, and a process that was killed and started again."""


class Traffic(msgspec.Struct, frozen=True):
    desk: str
    chat: str
    messages: int
    peak: int
    """The most messages in any window of the chat's limit."""
    limit: int
    seconds: float
    refused: int


class Report(msgspec.Struct, kw_only=True):
    violations: list[str]
    mentions: int
    cases: int
    answered: int
    dismissed: int
    overdue: int
    minutes_to_answer: tuple[float, float]
    """Minutes to the first answer: median and 90th percentile."""
    traffic: list[Traffic]
    counts: dict[str, int]


async def audit(folder: Path, killed: int) -> Report:
    """Reads what a day has left in a folder; `killed` is how often the program was killed."""
    store, outside = Store(folder / "ascolto.db"), OutsideWorld(folder / "outside.db")
    try:
        async with store.reading() as session:
            return await _audit(session, outside, killed)
    finally:
        outside.close()
        await store.close()


async def _audit(session: AsyncSession, outside: OutsideWorld, killed: int) -> Report:
    cases = list(await session.scalars(select(Case)))
    events = list(await session.scalars(select(CaseEvent).order_by(CaseEvent.id)))
    replies = list(await session.scalars(select(Reply)))
    violations = [
        *await _lost_posts(session, outside),
        *_published_wrongly(outside, replies),
        *await _unapproved(session, replies, cases),
        *_claimed_by_two(events),
        *_missed_deadlines(cases, events, outside.now),
        *await _outdated_cards(session, outside, killed),
        *_unfinished(cases, replies),
    ]
    counts = outside.counts()
    if served := counts.get("NON-MEMBERS SERVED"):
        violations.append(f"{served} clicks of non-members had an effect")
    if drafts := counts.get("DRAFTS LOST"):
        violations.append(f"{drafts} drafts were lost")
    minutes = [(c.first_answered_at - c.received_at).total_seconds() / 60 for c in cases if c.first_answered_at]
    return Report(
        violations=violations,
        mentions=await session.scalar(select(func.count(Mention.id))) or 0,
        cases=len(cases),
        answered=sum(c.state == "answered" for c in cases),
        dismissed=sum(c.state == "dismissed" for c in cases),
        overdue=sum(e.kind == "overdue" for e in events),
        minutes_to_answer=_median_and_p90(minutes),
        traffic=list(_traffic(outside)),
        counts={**counts, "killed": killed},
    )


def _median_and_p90(minutes: Sequence[float]) -> tuple[float, float]:
    if len(minutes) < 2:
        return (minutes[0], minutes[0]) if minutes else (0.0, 0.0)
    deciles = quantiles(minutes, n=10, method="inclusive")
    return deciles[4], deciles[8]


async def _lost_posts(session: AsyncSession, outside: OutsideWorld) -> Iterator[str]:
    """Every post is one mention, and every negative one is in a case."""
    posted = {f"p{number}" for (number,) in outside.rows("SELECT number FROM post")}
    received = Counter(await session.scalars(select(Mention.native_id)))
    without_case = await session.scalar(
        select(func.count()).where(
            MentionBrand.case_id.is_(None),
            func.coalesce(MentionBrand.corrected_sentiment, MentionBrand.sentiment) == "negative",
            MentionBrand.intent != "spam",
        )
    )
    unanalyzed = await session.scalar(select(func.count()).where(MentionBrand.analyzed_at.is_(None)))
    lost = posted - set(received)
    return (
        line
        for line, count in (
            (f"posts lost, such as {sorted(lost)[:3]}", len(lost)),
            ("posts stored twice", sum(count > 1 for count in received.values())),
            ("negative mentions without a case", without_case),
            ("mentions never analyzed", unanalyzed),
        )
        if count
    )


def _published_wrongly(outside: OutsideWorld, replies: Sequence[Reply]) -> Iterator[str]:
    """What is public is each published reply, once and word for word, and nothing else."""
    public = outside.rows("SELECT key, in_reply_to, text FROM reply")
    for key, count in Counter(key for key, _, _ in public).items():
        if count > 1:
            yield f"reply {key} was published {count} times"
    for post, count in Counter(post for _, post, _ in public).items():
        if count > 1:
            yield f"post {post} was answered {count} times"
    texts = {reply.key: reply.text for reply in replies if reply.state == "published"}
    for key, _, text in public:
        if texts.get(key) != text:
            yield f"{key} is public with another text than is stored"
    for key in texts.keys() - {key for key, _, _ in public}:
        yield f"{key} is stored as published, but is not public"


async def _unapproved(session: AsyncSession, replies: Sequence[Reply], cases: Sequence[Case]) -> list[str]:
    """Nothing was published without an approval, nor with fewer than its queue requires."""
    approvers: dict[tuple[int, int], set[int | None]] = {}
    for approval in await session.scalars(select(Approval)):
        approvers.setdefault((approval.reply_id, approval.revision), set()).add(approval.member_id)
    need_two = {c.id for c in cases if c.language == "ro" or c.severity or c.intent == "crisis"}
    published = [r for r in replies if r.state == "published" and r.case_id in need_two]
    involved = {r.key: {r.author_id, r.approved_by, *approvers.get((r.id, r.revision), ())} for r in published}
    alone = [key for key, people in involved.items() if len(people) < 2]
    nobody = [r.key for r in replies if r.state in ("published", *IN_FLIGHT) and r.approved_by is None]
    return [
        *(f"{key} was published with its author's approval alone" for key in alone),
        *(f"{key} was published without an approval" for key in nobody),
    ]


def _claimed_by_two(events: Sequence[CaseEvent]) -> Iterator[str]:
    """Between two claims of a case the first one ends."""
    claimed: dict[int, int | None] = {}
    for event in events:
        if event.kind in ENDS_CLAIM:
            claimed.pop(event.case_id, None)
        elif event.kind == "claimed":
            if claimed.get(event.case_id) not in (None, event.member_id):
                yield f"case {event.case_id} was claimed by two"
            claimed[event.case_id] = event.member_id
        elif event.kind in ASSIGNS:
            claimed.pop(event.case_id, None)


def _missed_deadlines(cases: Sequence[Case], events: Sequence[CaseEvent], now: datetime | None) -> Iterator[str]:
    """A deadline that passed without an answer was notified, within a minute."""
    notified: dict[int, list[datetime]] = {}
    for event in events:
        if event.kind in ("overdue", "approved"):
            notified.setdefault(event.case_id, []).append(event.at)
    snoozes = _snoozes(events)
    for case in cases:
        due, done = case.first_answer_due, case.first_answered_at or case.ended_at or now
        if case.duplicate_group_id not in (None, case.id) or done is None or now is None:
            continue
        for start, end in snoozes.get(case.id, []):
            due = end if start <= due <= end else due
        latest = due + GRACE
        if latest < min(done, now) and not any(at <= latest for at in notified.get(case.id, [])):
            yield f"case {case.id} was due at {due:%H:%M:%S}, and nobody was notified"


def _snoozes(events: Sequence[CaseEvent]) -> dict[int, list[tuple[datetime, datetime]]]:
    """When each case was snoozed: no deadline passes then."""
    snoozes: dict[int, list[tuple[datetime, datetime]]] = {}
    since: dict[int, datetime] = {}
    for event in events:
        if event.kind == "snoozed":
            since[event.case_id] = event.at
        elif event.case_id in since:
            snoozes.setdefault(event.case_id, []).append((since.pop(event.case_id), event.at))
    return snoozes


async def _outdated_cards(session: AsyncSession, outside: OutsideWorld, killed: int) -> list[str]:
    """Each case has one card in each chat of its queue, and the card is up to date.

    A card that was being posted when the program was killed may exist twice: one of them is not stored, and says that it is
    outdated when it is clicked.
    """
    placements = list(await session.scalars(select(CardPlacement).where(CardPlacement.subject == "case")))
    revisions = {number: revision for number, revision in (await session.execute(select(Case.id, Case.revision))).all()}  # noqa: C416 - typed
    shown = {str(number): revision for number, revision in outside.rows("SELECT id, revision FROM message")}
    outdated = [
        p
        for p in placements
        if p.shown_revision < revisions[p.subject_id] or shown.get(p.message_id or "", 0) < p.shown_revision
    ]
    twice = outside.one(
        "SELECT COUNT(*) - COUNT(DISTINCT desk || chat || subject_id) FROM message WHERE subject = 'case'"
    )
    return [
        *([f"{len(outdated)} cards are outdated"] if outdated else []),
        *([f"{twice} cards exist twice in a chat, after {killed} kills"] if twice > killed else []),
    ]


def _unfinished(cases: Sequence[Case], replies: Sequence[Reply]) -> Iterator[str]:
    still_open = [c.id for c in cases if c.state in OPEN]
    if still_open:
        yield f"{len(still_open)} cases are still open, such as {still_open[:3]}"
    in_flight = [r.key for r in replies if r.state in IN_FLIGHT]
    if in_flight:
        yield f"{len(in_flight)} replies are still being published"


def _traffic(outside: OutsideWorld) -> Iterator[Traffic]:
    for desk, chat in outside.rows("SELECT DISTINCT desk, chat FROM traffic ORDER BY desk, chat"):
        limit = LIMITS[desk]
        sent = outside.rows(
            "SELECT at FROM traffic WHERE desk = ? AND chat = ? AND refused = 0 ORDER BY at", desk, chat
        )
        at = [moment for (moment,) in sent]
        refused = outside.one("SELECT SUM(refused) FROM traffic WHERE desk = ? AND chat = ?", desk, chat)
        first, peak = 0, 0
        for n, moment in enumerate(at):
            while at[first] <= moment - limit.seconds:
                first += 1
            peak = max(peak, n - first + 1)
        yield Traffic(desk, chat, len(at), peak, limit.messages, limit.seconds, refused)
