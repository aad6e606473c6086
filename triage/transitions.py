"""Moving cases through their lifecycle, by compare-and-swap."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import update

from models.tables.case import Case
from models.tables.reply import Reply
from triage import card_placement
from triage.context import Context
from triage.lifecycle import Move, next_state
from triage.permissions import already_claimed_error

CLAIM_MINUTES: Final = 30
"""For cases without a queue."""


def claim_expiry(context: Context, case: Case) -> datetime:
    queue = context.queue(case)
    return context.now + timedelta(minutes=queue.claim_minutes if queue else CLAIM_MINUTES)


async def transition(context: Context, case: Case, move: Move) -> None:
    """Moves the case only if it is still in the state that was read; the loser of a race is told who was first."""
    old, new = case.state, next_state(case.state, move)
    moved = await context.session.execute(
        update(Case)
        .where(Case.id == case.id, Case.state == old)
        .values(state=new)
        .execution_options(synchronize_session="fetch")
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise await already_claimed_error(context, case)


async def end_case(context: Context, case: Case, reason: str | None) -> None:
    await withdraw_proposal(context, case)
    case.ended_at, case.ended_reason = context.now, reason
    case.claimed_by = case.claim_until = case.snoozed_until = case.next_escalation_at = None
    if case.duplicate_group_id is not None:
        await context.session.flush()
        await card_placement.place_case(context, case)


async def withdraw_proposal(context: Context, case: Case) -> None:
    """A reply that is waiting for approval becomes a draft again, because something else happens to the case."""
    await context.session.execute(
        update(Reply)
        .where(Reply.case_id == case.id, Reply.state == "proposed")
        .values(state="draft")
        .execution_options(synchronize_session="fetch")
    )
