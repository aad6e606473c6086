"""A member's own view of the inbox: what they hold, what is overdue, what waits, and the next case."""

from typing import Final

from store import cases
from store.cases import CaseSummary
from triage.context import Context
from triage.permissions import require_member

MAX_OWN: Final = 10
MAX_OTHERS: Final = 3


async def summary(context: Context, member_id: int) -> dict[cases.InboxView, tuple[int, list[CaseSummary]]]:
    """What a member holds, what is overdue and what waits: how many of each, and the most urgent."""
    brands = context.configuration.visible_brands(require_member(context, member_id))
    counts = await cases.counts(context.session, brands, member_id, context.now)
    views: tuple[tuple[cases.InboxView, int], ...] = (("mine", MAX_OWN), ("overdue", MAX_OTHERS), ("queue", MAX_OTHERS))
    return {
        view: (counts[view], await cases.list_cases(context.session, view, brands, member_id, context.now, limit))
        for view, limit in views
    }


async def next_case(context: Context, member_id: int) -> CaseSummary | None:
    """The most urgent unclaimed case."""
    brands = context.configuration.visible_brands(require_member(context, member_id))
    queue = await cases.list_cases(context.session, "queue", brands, member_id, context.now)
    return next((summary for summary in queue if summary.case.state == "waiting"), None)
