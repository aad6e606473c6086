"""Who is notified when a case is overdue or escalated: the steps of the queue's escalation chain, and who is available.

A step at which nobody is available is skipped. At the end the whole team is notified: those available, else those in their
quiet hours, else those who are away as well: a case is never overdue without anybody knowing.
"""

from typing import Any

import msgspec

from models.configuration import EVERYONE, HOLDER, LEAD, ON_CALL, Queue
from models.tables.case import Case
from triage.context import Context
from triage.schedule.on_call import absence_of, active_member, available, on_call


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to notify (slugs), who was skipped because they are unavailable, and how many steps that took."""

    members: tuple[str, ...]
    unavailable: tuple[str, ...] = ()
    steps: int = 1

    def detail(self, level: int) -> dict[str, Any]:
        """For the case's history (EventDetail)."""
        return {"notified": self.members, "unavailable": self.unavailable, "escalation_level": level}


def next_notification(context: Context, case: Case) -> Notification:
    queue = context.queue(case)
    if queue is None:
        return Notification(members=())
    unavailable: list[str] = []
    for level in range(case.escalation_level, len(queue.escalation)):
        step = _members_of_step(context, case, queue, level)
        reachable = available(context, step)
        unavailable += [slug for slug in step if slug not in reachable]
        if reachable:
            steps = level - case.escalation_level + 1
            return Notification(members=tuple(reachable), unavailable=tuple(unavailable), steps=steps)
    steps = max(len(queue.escalation) - case.escalation_level, 0) + 1
    return Notification(members=everyone(context, queue), unavailable=tuple(unavailable), steps=steps)


def everyone(context: Context, queue: Queue) -> tuple[str, ...]:
    """The team: those available, else those not away, else all."""
    team = [slug for slug in queue.team if active_member(context, slug) is not None]
    not_away = [slug for slug in team if (m := active_member(context, slug)) and absence_of(m, context.now) is None]
    return tuple(available(context, team) or not_away or team)


def _members_of_step(context: Context, case: Case, queue: Queue, level: int) -> list[str]:
    step = queue.escalation[level]
    if step == EVERYONE:
        return list(everyone(context, queue))
    if step == HOLDER:
        holder = context.configuration.members.get(case.claimed_by)
        return [holder.slug] if holder else []
    if step == LEAD:
        return [slug for slug in queue.team if (m := active_member(context, slug)) and m.at_least("lead")]
    if step == ON_CALL:
        # Where the chain says "on-call" for the second time, the second of those on call is meant.
        position = queue.escalation[:level].count(ON_CALL)
        return available(context, on_call(queue, context.now))[position : position + 1]
    return [step]
