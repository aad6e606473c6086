"""What is due: claims that run out, cases that wake, deadlines that pass. Asked every few seconds, and safe to ask twice."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.case import Case
from triage import alerts, cards
from triage.actions import next_called
from triage.hours import due
from triage.life import after
from triage.turn import Turn

BATCH: Final = 200
NO_QUEUE_STEP: Final = timedelta(minutes=30)


async def is_due(session: AsyncSession, now: datetime) -> bool:
    """Whether `tick` would do anything."""
    found = await session.scalar(
        select(Case.id)
        .where(
            or_(
                and_(Case.state == "claimed", Case.claim_until <= now),
                and_(Case.state == "snoozed", Case.snoozed_until <= now),
                _is_late(now),
            )
        )
        .limit(1)
    )
    return found is not None


def _is_late(now: datetime) -> ColumnElement[bool]:
    return and_(
        Case.state.in_(("waiting", "claimed")),
        Case.step_due <= now,
        Case.first_answered_at.is_(None),
        or_(Case.storm_id.is_(None), Case.storm_id == Case.id),
    )


async def tick(turn: Turn) -> int:
    """Does all that is due now; returns how many things were."""
    return await _expire_claims(turn) + await _wake(turn) + await _call(turn)


async def _expire_claims(turn: Turn) -> int:
    ran_out = await turn.session.scalars(
        select(Case).where(Case.state == "claimed", Case.claim_until <= turn.now).limit(BATCH)
    )
    count = 0
    for case in ran_out:
        holder = case.claimed_by
        case.state = after(case.state, "expire")
        case.claimed_by = case.claim_until = None
        turn.note(case, "expired", holder)
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
        called = next_called(turn, case)
        case.level += 1
        queue = turn.queue(case)
        steps = len(queue.chain) if queue else 0
        # Past the end of the chain everyone has been called: calling again would be noise.
        more = case.level <= steps
        step = due(turn.now, queue.step_minutes, queue) if queue else turn.now + NO_QUEUE_STEP
        case.step_due = step if more else None
        turn.note(case, "late", called=",".join(called), level=str(case.level))
        await alerts.late(turn, case, called)
        count += 1
    return count
