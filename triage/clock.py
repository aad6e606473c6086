"""What is due: claims that run out, cases that wake, deadlines that pass. Asked every few seconds, and safe to ask twice."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.case import Case, Reply
from models.catalogue import Catalogue
from triage import alerts, cards, guards
from triage.calling import absence, next_call, stand_in
from triage.hours import due
from triage.life import after
from triage.turn import Turn

BATCH: Final = 200
NO_QUEUE_STEP: Final = timedelta(minutes=30)


async def is_due(session: AsyncSession, catalogue: Catalogue, now: datetime) -> bool:
    """Whether `tick` would do anything."""
    away = [n for n, m in catalogue.members if absence(m, now)]
    found = await session.scalar(
        select(Case.id)
        .where(
            or_(
                _ran_out(now),
                and_(Case.state == "claimed", Case.claimed_by.in_(away)),
                and_(Case.state == "snoozed", Case.snoozed_until <= now),
                _is_late(now),
            )
        )
        .limit(1)
    )
    return found is not None


def _ran_out(now: datetime) -> ColumnElement[bool]:
    """A claim holds for as long as its holder waits for another's yes."""
    proposed = select(Reply.id).where(Reply.case_id == Case.id, Reply.state == "proposed").correlate(Case).exists()
    return and_(Case.state == "claimed", Case.claim_until <= now, ~proposed)


def _is_late(now: datetime) -> ColumnElement[bool]:
    return and_(
        Case.state.in_(("waiting", "claimed")),
        Case.step_due <= now,
        Case.first_answered_at.is_(None),
        or_(Case.storm_id.is_(None), Case.storm_id == Case.id),
    )


async def tick(turn: Turn) -> int:
    """Does all that is due now; returns how many things were."""
    return await _expire_claims(turn) + await _hand_over(turn) + await _wake(turn) + await _call(turn)


async def _expire_claims(turn: Turn) -> int:
    ran_out = await turn.session.scalars(select(Case).where(_ran_out(turn.now)).limit(BATCH))
    count = 0
    for case in ran_out:
        holder = case.claimed_by
        case.state = after(case.state, "expire")
        case.claimed_by = case.claim_until = None
        turn.note(case, "expired", holder)
        count += 1
    return count


async def _hand_over(turn: Turn) -> int:
    """What a member holds who is away from today goes to who stands in, else back to the queue."""
    away = {n: m for n, m in turn.catalogue.members if absence(m, turn.now)}
    if not away:
        return 0
    held = await turn.session.scalars(
        select(Case).where(Case.state == "claimed", Case.claimed_by.in_(away)).limit(BATCH)
    )
    count = 0
    for case in held:
        holder = away[case.claimed_by or 0]
        cover = stand_in(turn, holder.slug)
        found = turn.catalogue.members.named(cover) if cover else None
        await guards.shelve(turn, case)
        if found is not None and found[1].sees(turn.brand(case).slug):
            case.state = after(case.state, "assign")
            case.claimed_by, case.claim_until = found[0], guards.lease(turn, case)
            turn.note(case, "handed over", None, to=found[1].slug, away=holder.slug)
        else:
            case.state = after(case.state, "expire")
            case.claimed_by = case.claim_until = None
            turn.note(case, "handed over", None, away=holder.slug)
        count += 1
    return count


async def _wake(turn: Turn) -> int:
    slept = await turn.session.scalars(
        select(Case).where(Case.state == "snoozed", Case.snoozed_until <= turn.now).limit(BATCH)
    )
    count = 0
    for case in slept:
        case.state = after(case.state, "wake")
        case.snoozed_until = None
        turn.note(case, "woke")
        await cards.place_case(turn, case)
        count += 1
    return count


async def _call(turn: Turn) -> int:
    """A case late for its first answer calls the next of the chain, then the one after, until somebody answers."""
    late = await turn.session.scalars(select(Case).where(_is_late(turn.now)).limit(BATCH))
    count = 0
    for case in late:
        call = next_call(turn, case)
        case.level += call.steps
        queue = turn.queue(case)
        steps = len(queue.chain) if queue else 0
        # Past the end of the chain everyone has been called: calling again would be noise.
        more = case.level <= steps
        step = due(turn.now, queue.step_minutes, queue) if queue else turn.now + NO_QUEUE_STEP
        case.step_due = step if more else None
        turn.note(case, "late", None, **call.detail(case.level))
        await alerts.late(turn, case, call.slugs)
        count += 1
    return count
