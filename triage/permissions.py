"""Who may do what: which cases a member sees, who holds one, and who may approve a reply.

Every rule is here and nowhere else; actions ask before they write anything.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.configuration import Brand, Member
from models.errors import Refused
from models.tables.case import Case, CaseEvent, EventKind
from models.tables.reply import Reply
from triage.context import Context


def require_member(context: Context, member_id: int) -> Member:
    member = context.configuration.members.get(member_id)
    if member is None or member.archived:
        raise Refused("You are no longer a member. Ask your lead.")
    return member


def may_operate(member: Member) -> bool:
    """Whether a member sees what servers say of connections and what was set aside, and retries it."""
    return member.at_least("lead")


def require_brand(context: Context, brand_id: int, member_id: int) -> Brand:
    brand = context.configuration.brands[brand_id]
    if not require_member(context, member_id).can_see(brand.slug):
        raise Refused("You do not have access to this brand.")
    return brand


async def get_visible_case(context: Context, case_id: int, member_id: int) -> Case:
    """The case, if it exists and the member may see its brand; the two refusals read the same on purpose."""
    member = require_member(context, member_id)
    case = await context.session.get(Case, case_id)
    if case is None or not member.can_see(context.brand(case).slug):
        raise Refused("Case {case} does not exist, or you do not have access to it.", case=case_id)
    return case


async def require_claim(context: Context, case_id: int, member_id: int) -> Case:
    case = await get_visible_case(context, case_id, member_id)
    await assert_claim(context, case, member_id)
    return case


async def assert_claim(context: Context, case: Case, member_id: int) -> None:
    if case.claimed_by == member_id:
        return
    if case.claimed_by is not None:
        raise await already_claimed_error(context, case)
    if case.ended_at is not None:
        raise Refused("This case has ended.")
    raise Refused("Claim the case first: it is not assigned to you, or your claim has expired.")


async def require_unclaimed_or_own(context: Context, case_id: int, member_id: int) -> Case:
    case = await get_visible_case(context, case_id, member_id)
    if case.claimed_by not in (None, member_id):
        raise await already_claimed_error(context, case)
    return case


async def already_claimed_error(context: Context, case: Case) -> Refused:
    """The refusal for whoever came second."""
    holder = context.configuration.members.get(case.claimed_by)
    if holder is None:
        return Refused("The case has changed. Reload and retry.")
    since = await _last_event(context.session, case.id, ("claimed", "assigned"))
    minutes = int((context.now - since).total_seconds() // 60) if since else 0
    return Refused("{member} claimed this case {minutes} min ago.", member=holder.name, minutes=minutes)


async def _last_event(session: AsyncSession, case_id: int, kinds: tuple[EventKind, ...]) -> datetime | None:
    return await session.scalar(
        select(CaseEvent.at)
        .where(CaseEvent.case_id == case_id, CaseEvent.kind.in_(kinds))
        .order_by(CaseEvent.id.desc())
        .limit(1)
    )


def require_assignable(context: Context, case: Case, member_id: int, assignee: Member) -> None:
    """A case goes to members who see its brand; one that a colleague has claimed only a lead may assign."""
    brand = context.brand(case)
    if not assignee.can_see(brand.slug):
        raise Refused("{member} does not have access to {brand}.", member=assignee.name, brand=brand.name)
    if case.claimed_by not in (None, member_id) and not require_member(context, member_id).at_least("lead"):
        raise Refused("Only a lead can assign a case that a colleague has claimed.")


def is_risky(case: Case) -> bool:
    return case.severity is not None or case.intent == "crisis"


def required_approvals(context: Context, case: Case) -> int:
    """How many approvers must approve a reply beside its author.

    A correction that would lower the number does not: whoever decides how many eyes are needed would not count among them.
    """
    queue = context.queue(case)
    if queue is None:
        return 0
    risky = is_risky(case) or case.risk_lowered_by is not None
    return max(queue.approvals, queue.risky_approvals) if risky else queue.approvals


def eligible_approvers(context: Context, case: Case) -> dict[int, Member]:
    """Who may approve a colleague's reply: approvers of the queue's team, and leads."""
    brand, queue = context.brand(case).slug, context.queue(case)
    team = queue.team if queue else ()
    return {
        number: member
        for number, member in context.configuration.members
        if member.can_see(brand)
        and not member.archived
        and member.at_least("approver" if member.slug in team else "lead")
    }


def can_approve(context: Context, case: Case, reply: Reply, member_id: int) -> bool:
    """Whether a member may approve a proposed reply: an eligible approver who did not write it."""
    return member_id != reply.author_id and member_id in eligible_approvers(context, case)


def require_approver(context: Context, case: Case, reply: Reply, member_id: int) -> None:
    if member_id == reply.author_id:
        raise Refused("You cannot approve your own reply.")
    if not can_approve(context, case, reply, member_id):
        raise Refused("Only approvers can approve a colleague's reply.")
