"""What every action asks before it does anything: who may, who holds the case, and whether it is still what was seen."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.case import Case, CaseEvent, Reply
from models.catalogue import Member
from models.errors import Refused
from triage import cards
from triage.life import Move, after
from triage.turn import Turn

CLAIM_MINUTES: Final = 30
"""Of cases that wait in no queue."""


def member_of(turn: Turn, member_id: int) -> Member:
    member = turn.catalogue.members.get(member_id)
    if member is None or member.archived:
        raise Refused("You are not a member any more. Ask your lead.")
    return member


async def seen(turn: Turn, case_id: int, member_id: int) -> Case:
    """The case, if there is one and the member may see its brand; the two refusals sound alike on purpose."""
    member = member_of(turn, member_id)
    case = await turn.session.get(Case, case_id)
    if case is None or not member.sees(turn.brand(case).slug):
        raise Refused("There is no case {case} that you can see.", case=case_id)
    return case


async def mine(turn: Turn, case_id: int, member_id: int) -> Case:
    case = await seen(turn, case_id, member_id)
    await still_mine(turn, case, member_id)
    return case


async def still_mine(turn: Turn, case: Case, member_id: int) -> None:
    if case.claimed_by == member_id:
        return
    if case.claimed_by is not None:
        raise await taken(turn, case)
    if case.ended_at is not None:
        raise Refused("This case has ended.")
    raise Refused("Claim the case first: you do not hold it, or your claim has run out.")


async def free_or_mine(turn: Turn, case_id: int, member_id: int) -> Case:
    case = await seen(turn, case_id, member_id)
    if case.claimed_by not in (None, member_id):
        raise await taken(turn, case)
    return case


async def taken(turn: Turn, case: Case) -> Refused:
    """The refusal for who came second."""
    holder = turn.catalogue.members.get(case.claimed_by)
    name = holder.name if holder else "?"
    since = await _last(turn.session, case.id, ("claimed", "assigned"))
    minutes = int((turn.now - since).total_seconds() // 60) if since else 0
    return Refused("{member} has had this case for {minutes} min.", member=name, minutes=minutes)


async def _last(session: AsyncSession, case_id: int, kinds: tuple[str, ...]) -> datetime | None:
    return await session.scalar(
        select(CaseEvent.at)
        .where(CaseEvent.case_id == case_id, CaseEvent.kind.in_(kinds))
        .order_by(CaseEvent.id.desc())
        .limit(1)
    )


def lease(turn: Turn, case: Case) -> datetime:
    queue = turn.queue(case)
    return turn.now + timedelta(minutes=queue.claim_minutes if queue else CLAIM_MINUTES)


async def swap(turn: Turn, case: Case, move: Move) -> None:
    """Moves the case only if it is still in the state that was read: of two who try, one is told who was first."""
    old, new = case.state, after(case.state, move)
    swapped = await turn.session.execute(
        update(Case)
        .where(Case.id == case.id, Case.state == old)
        .values(state=new)
        .execution_options(synchronize_session="fetch")
    )
    if swapped.rowcount != 1:  # type: ignore[attr-defined]
        raise await taken(turn, case)


async def end(turn: Turn, case: Case, reason: str | None) -> None:
    await shelve(turn, case)
    case.ended_at, case.ended_reason = turn.now, reason
    case.claimed_by = case.claim_until = case.snoozed_until = case.step_due = None
    if case.storm_id is not None:
        await turn.session.flush()
        await cards.place_case(turn, case)


async def shelve(turn: Turn, case: Case) -> None:
    """A reply that waits for another's yes becomes a draft again, because the case goes another way."""
    await turn.session.execute(
        update(Reply)
        .where(Reply.case_id == case.id, Reply.state == "proposed")
        .values(state="draft")
        .execution_options(synchronize_session="fetch")
    )
