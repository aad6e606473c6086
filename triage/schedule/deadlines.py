"""What is due: expired claims, absent members' cases, ended snoozes, overdue answers. Runs every second; safe to run twice."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.configuration import Configuration
from models.tables.case import Case
from models.tables.reply import Reply
from store.failed_items import ItemFailed, isolated, not_set_aside, record_failure
from triage import alerts, card_placement
from triage.context import Context
from triage.lifecycle import next_state
from triage.schedule.business_hours import due
from triage.schedule.escalation import next_notification
from triage.schedule.on_call import absence_of, cover_for
from triage.transitions import claim_expiry, withdraw_proposal

BATCH: Final = 200
STEP: Final = "deadlines"
STEP_WITHOUT_QUEUE: Final = timedelta(minutes=30)


async def is_anything_due(session: AsyncSession, configuration: Configuration, now: datetime) -> bool:
    """Whether `run_due` would do anything."""
    absent = [number for number, member in configuration.members if absence_of(member, now)]
    case_id = await session.scalar(
        select(Case.id)
        .where(
            or_(
                _claim_expired(now),
                and_(Case.state == "claimed", Case.claimed_by.in_(absent)),
                and_(Case.state == "snoozed", Case.snoozed_until <= now),
                _is_overdue(now),
            )
        )
        .where(_not_set_aside())
        .limit(1)
    )
    return case_id is not None


def _not_set_aside() -> ColumnElement[bool]:
    return not_set_aside(STEP, Case.id)


def _claim_expired(now: datetime) -> ColumnElement[bool]:
    """A claim does not expire while its holder waits for an approval."""
    proposed = select(Reply.id).where(Reply.case_id == Case.id, Reply.state == "proposed").correlate(Case).exists()
    return and_(Case.state == "claimed", Case.claim_until <= now, ~proposed)


def _is_overdue(now: datetime) -> ColumnElement[bool]:
    return and_(
        Case.state.in_(("waiting", "claimed")),
        Case.next_escalation_at <= now,
        Case.first_answered_at.is_(None),
        or_(Case.duplicate_group_id.is_(None), Case.duplicate_group_id == Case.id),
    )


async def run_due(context: Context) -> int:
    """Does everything that is due now; returns how many things were."""
    return (
        await _expire_claims(context)
        + await _reassign_cases_of_absent(context)
        + await _end_snoozes(context)
        + await _escalate_overdue(context)
    )


async def _expire_claims(context: Context) -> int:
    expired = (
        await context.session.scalars(select(Case).where(_claim_expired(context.now), _not_set_aside()).limit(BATCH))
    ).all()
    return await _each(context, expired, _expire_claim)


async def _expire_claim(context: Context, case: Case) -> None:
    holder = case.claimed_by
    case.state = next_state(case.state, "expire")
    case.claimed_by = case.claim_until = None
    context.record_event(case, "claim expired", holder)


async def _reassign_cases_of_absent(context: Context) -> int:
    """The cases of a member who is away go to their cover, else back to the queue."""
    absent = [number for number, m in context.configuration.members if absence_of(m, context.now)]
    if not absent:
        return 0
    claimed = select(Case).where(Case.state == "claimed", Case.claimed_by.in_(absent), _not_set_aside()).limit(BATCH)
    cases = (await context.session.scalars(claimed)).all()
    return await _each(context, cases, _reassign)


async def _reassign(context: Context, case: Case) -> None:
    holder = context.configuration.members[case.claimed_by or 0]
    cover = cover_for(context, holder.slug)
    entry = context.configuration.members.by_slug(cover) if cover else None
    await withdraw_proposal(context, case)
    if entry is not None and entry[1].can_see(context.brand(case).slug):
        case.state = next_state(case.state, "assign")
        case.claimed_by, case.claim_until = entry[0], claim_expiry(context, case)
        context.record_event(case, "reassigned", None, to=entry[1].slug, absent=holder.slug)
    else:
        case.state = next_state(case.state, "expire")
        case.claimed_by = case.claim_until = None
        context.record_event(case, "returned", None, absent=holder.slug)


async def _end_snoozes(context: Context) -> int:
    snoozed = (
        select(Case).where(Case.state == "snoozed", Case.snoozed_until <= context.now, _not_set_aside()).limit(BATCH)
    )
    cases = (await context.session.scalars(snoozed)).all()
    return await _each(context, cases, _end_snooze)


async def _end_snooze(context: Context, case: Case) -> None:
    case.state = next_state(case.state, "end snooze")
    case.snoozed_until = None
    context.record_event(case, "snooze ended")
    await card_placement.place_case(context, case)


async def _escalate_overdue(context: Context) -> int:
    """A case without a first answer in time notifies the next of the chain, then the one after, until it is answered."""
    cases = (
        await context.session.scalars(select(Case).where(_is_overdue(context.now), _not_set_aside()).limit(BATCH))
    ).all()
    return await _each(context, cases, _escalate)


async def _escalate(context: Context, case: Case) -> None:
    notification = next_notification(context, case)
    case.escalation_level += notification.steps
    case.next_escalation_at = _next_step(context, case)
    context.record_event(case, "overdue", None, **notification.detail(case.escalation_level))
    await alerts.raise_overdue(context, case, notification.members)


def _next_step(context: Context, case: Case) -> datetime | None:
    """None past the end of the chain: everyone has been notified, and doing it again would be noise."""
    queue = context.queue(case)
    if case.escalation_level > (len(queue.escalation) if queue else 0):
        return None
    return due(context.now, queue.escalation_minutes, queue) if queue else context.now + STEP_WITHOUT_QUEUE


async def _each(context: Context, cases: Sequence[Case], act: Callable[[Context, Case], Awaitable[None]]) -> int:
    """Each case in a savepoint of its own: one that fails is counted, and stops no other."""
    for case in cases:
        number = case.id
        try:
            with isolated():
                async with context.session.begin_nested():
                    await act(context, case)
        except ItemFailed as failure:
            await record_failure(context.session, STEP, str(number), failure.error, context.now)
    return len(cases)
