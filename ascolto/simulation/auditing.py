"""What the house promised, held against what the far side saw: each line is a promise and what broke it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import quantiles

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ascolto.simulation.far import LIMITS, Far
from models.case import IN_FLIGHT, OPEN, Approval, Case, CaseEvent, Reply
from models.desk import CardPost
from models.mention import Mention, MentionBrand
from store.engine import Store

HOLDS = ("claimed", "assigned", "handed over")
LETS_GO = ("released", "expired", "snoozed", "dismissed", "published", "copied", "reopened", "answered there")
GRACE = timedelta(seconds=60)
"""A deadline's alert may come this much after it: a step, and a process that was killed and begun again."""


class Traffic(msgspec.Struct, frozen=True):
    desk: str
    chat: str
    messages: int
    most: int
    """In any window of the chat's limit."""
    limit: int
    seconds: float
    refused: int


class Report(msgspec.Struct, kw_only=True):
    broken: list[str]
    mentions: int
    cases: int
    answered: int
    dismissed: int
    late: int
    minutes: tuple[float, float]
    """To the first answer: the median, and what nine of ten stay under."""
    traffic: list[Traffic]
    tally: dict[str, int]


async def audit(folder: Path, killed: int) -> Report:
    """Reads what a day has left in a folder; `killed` is how often the program was killed in it."""
    store, far = Store(folder / "ascolto.db"), Far(folder / "far.db")
    try:
        async with store.reading() as session:
            return await _audit(session, far, killed)
    finally:
        far.close()
        await store.close()


async def _audit(session: AsyncSession, far: Far, killed: int) -> Report:
    cases = list(await session.scalars(select(Case)))
    events = list(await session.scalars(select(CaseEvent).order_by(CaseEvent.id)))
    replies = list(await session.scalars(select(Reply)))
    broken = [
        *await _lost(session, far),
        *_said_twice(far, replies),
        *await _unapproved(session, replies, cases),
        *_held_by_two(events),
        *_silently_late(cases, events, far.now),
        *await _stale_cards(session, far, killed),
        *_half_done(cases, replies),
    ]
    if strangers := far.tally().get("STRANGERS SERVED"):
        broken.append(f"{strangers} clicks of strangers did something")
    if drafts := far.tally().get("DRAFTS LOST"):
        broken.append(f"{drafts} drafts were not there when their author came back")
    first = [(c.first_answered_at - c.heard_at).total_seconds() / 60 for c in cases if c.first_answered_at]
    return Report(
        broken=broken,
        mentions=await session.scalar(select(func.count(Mention.id))) or 0,
        cases=len(cases),
        answered=sum(c.state == "answered" for c in cases),
        dismissed=sum(c.state == "dismissed" for c in cases),
        late=sum(e.kind == "late" for e in events),
        minutes=_spread(first),
        traffic=list(_traffic(far)),
        tally={**far.tally(), "killed": killed},
    )


def _spread(minutes: Sequence[float]) -> tuple[float, float]:
    if len(minutes) < 2:
        return (minutes[0], minutes[0]) if minutes else (0.0, 0.0)
    cuts = quantiles(minutes, n=10, method="inclusive")
    return cuts[4], cuts[8]


async def _lost(session: AsyncSession, far: Far) -> Iterator[str]:
    """Every post is one mention, and every negative one is in a case."""
    posted = {f"p{number}" for (number,) in far.rows("SELECT number FROM post")}
    heard = Counter(await session.scalars(select(Mention.native_id)))
    caseless = await session.scalar(
        select(func.count()).where(
            MentionBrand.case_id.is_(None),
            func.coalesce(MentionBrand.corrected, MentionBrand.sentiment) == "negative",
            MentionBrand.intent != "spam",
        )
    )
    unread = await session.scalar(select(func.count()).where(MentionBrand.read_at.is_(None)))
    return (
        line
        for line, count in (
            (f"posts never heard, such as {sorted(posted - set(heard))[:3]}", len(posted - set(heard))),
            ("posts heard twice", sum(count > 1 for count in heard.values())),
            ("negative mentions without a case", caseless),
            ("mentions never read", unread),
        )
        if count
    )


def _said_twice(far: Far, replies: Sequence[Reply]) -> Iterator[str]:
    """What stands in public is each published reply once, word for word, and nothing else."""
    said = far.rows("SELECT key, under, text FROM said")
    for key, count in Counter(key for key, _, _ in said).items():
        if count > 1:
            yield f"reply {key} was published {count} times"
    for under, count in Counter(under for _, under, _ in said).items():
        if count > 1:
            yield f"post {under} was answered {count} times"
    texts = {reply.key: reply.text for reply in replies if reply.state == "published"}
    for key, _, text in said:
        if texts.get(key) != text:
            yield f"{key} stands in public, and the house says otherwise"
    for key in texts.keys() - {key for key, _, _ in said}:
        yield f"{key} is kept as published, and stands nowhere"


async def _unapproved(session: AsyncSession, replies: Sequence[Reply], cases: Sequence[Case]) -> list[str]:
    """Nothing was published without a yes, nor with fewer than its queue wanted."""
    yes: dict[tuple[int, int], set[int | None]] = {}
    for approval in await session.scalars(select(Approval)):
        yes.setdefault((approval.reply_id, approval.revision), set()).add(approval.member_id)
    two = {c.id for c in cases if c.language == "ro" or c.grave or c.intent == "crisis"}
    published = [r for r in replies if r.state == "published"]
    behind = {
        r.key: {r.author_id, r.approved_by, *yes.get((r.id, r.revision), ())} for r in published if r.case_id in two
    }
    alone = [key for key, people in behind.items() if len(people) < 2]
    nobody = [r.key for r in replies if r.state in ("published", *IN_FLIGHT) and r.approved_by is None]
    return [
        *(f"{key} went out on its author's yes alone" for key in alone),
        *(f"{key} went out on nobody's yes" for key in nobody),
    ]


def _held_by_two(events: Sequence[CaseEvent]) -> Iterator[str]:
    """Between two who take a case, somebody lets it go."""
    held: dict[int, int | None] = {}
    for event in events:
        if event.kind in LETS_GO:
            held.pop(event.case_id, None)
        elif event.kind == "claimed":
            if held.get(event.case_id) not in (None, event.member_id):
                yield f"case {event.case_id} was claimed by two"
            held[event.case_id] = event.member_id
        elif event.kind in HOLDS:
            held.pop(event.case_id, None)


def _silently_late(cases: Sequence[Case], events: Sequence[CaseEvent], now: datetime | None) -> Iterator[str]:
    """A deadline passed without an answer has its alert, within a minute of it."""
    told: dict[int, list[datetime]] = {}
    for event in events:
        if event.kind in ("late", "approved"):
            told.setdefault(event.case_id, []).append(event.at)
    asleep = _asleep(events)
    for case in cases:
        due, done = case.first_answer_due, case.first_answered_at or case.ended_at or now
        if case.storm_id not in (None, case.id) or done is None or now is None:
            continue
        for begin, end in asleep.get(case.id, []):
            due = end if begin <= due <= end else due
        latest = due + GRACE
        if latest < min(done, now) and not any(at <= latest for at in told.get(case.id, [])):
            yield f"case {case.id} was due at {due:%H:%M:%S}, and nobody was told"


def _asleep(events: Sequence[CaseEvent]) -> dict[int, list[tuple[datetime, datetime]]]:
    """When each case slept: nobody is late on it then."""
    found: dict[int, list[tuple[datetime, datetime]]] = {}
    since: dict[int, datetime] = {}
    for event in events:
        if event.kind == "snoozed":
            since[event.case_id] = event.at
        elif event.case_id in since:
            found.setdefault(event.case_id, []).append((since.pop(event.case_id), event.at))
    return found


async def _stale_cards(session: AsyncSession, far: Far, killed: int) -> list[str]:
    """Each case stands once in each chat of its queue, and its card shows what is true.

    A card that was being drawn when the program was killed may stand twice: the one that the house does not know of is dead,
    and says so when it is pressed.
    """
    places = list(await session.scalars(select(CardPost).where(CardPost.subject == "case")))
    revisions = {number: revision for number, revision in (await session.execute(select(Case.id, Case.revision))).all()}  # noqa: C416 - typed
    shown = {str(address): revision for address, revision in far.rows("SELECT address, revision FROM message")}
    stale = [p for p in places if p.shown < revisions[p.subject_id] or shown.get(p.address or "", 0) < p.shown]
    twice = far.one("SELECT COUNT(*) - COUNT(DISTINCT desk || chat || subject_id) FROM message WHERE subject = 'case'")
    return [
        *([f"{len(stale)} cards show what is not true any more"] if stale else []),
        *([f"{twice} cards stand twice in a chat, after {killed} kills"] if twice > killed else []),
    ]


def _half_done(cases: Sequence[Case], replies: Sequence[Reply]) -> Iterator[str]:
    still = [c.id for c in cases if c.state in OPEN]
    if still:
        yield f"{len(still)} cases are still open, such as {still[:3]}"
    going = [r.key for r in replies if r.state in IN_FLIGHT]
    if going:
        yield f"{len(going)} replies are still on their way"


def _traffic(far: Far) -> Iterator[Traffic]:
    for desk, chat in far.rows("SELECT DISTINCT desk, chat FROM traffic ORDER BY desk, chat"):
        limit = LIMITS[desk]
        taken = far.rows("SELECT at FROM traffic WHERE desk = ? AND chat = ? AND refused = 0 ORDER BY at", desk, chat)
        at = [moment for (moment,) in taken]
        refused = far.one("SELECT SUM(refused) FROM traffic WHERE desk = ? AND chat = ?", desk, chat)
        first, most = 0, 0
        for n, moment in enumerate(at):
            while at[first] <= moment - limit.seconds:
                first += 1
            most = max(most, n - first + 1)
        yield Traffic(desk, chat, len(at), most, limit.most, limit.seconds, refused)
