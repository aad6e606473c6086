"""Who is notified when a case is overdue or escalated: the steps of the queue's escalation chain, and who is available.

A step at which nobody is available is skipped. At the end the whole team is notified: those available, else those in their
quiet hours, else those who are away as well: a case is never overdue without anybody knowing.
"""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from models.configuration import EVERYONE, HOLDER, LEAD, ON_CALL, Absence, Member, Queue
from models.tables.case import Case
from models.weekly_hours import weekly_spans
from triage.context import Context


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
        available = _available(context, step)
        unavailable += [slug for slug in step if slug not in available]
        if available:
            steps = level - case.escalation_level + 1
            return Notification(members=tuple(available), unavailable=tuple(unavailable), steps=steps)
    steps = max(len(queue.escalation) - case.escalation_level, 0) + 1
    return Notification(members=everyone(context, queue), unavailable=tuple(unavailable), steps=steps)


def everyone(context: Context, queue: Queue) -> tuple[str, ...]:
    """The team: those available, else those not away, else all."""
    team = [slug for slug in queue.team if _member(context, slug) is not None]
    not_away = [slug for slug in team if (m := _member(context, slug)) and absence_of(m, context.now) is None]
    return tuple(_available(context, team) or not_away or team)


def _members_of_step(context: Context, case: Case, queue: Queue, level: int) -> list[str]:
    step = queue.escalation[level]
    if step == EVERYONE:
        return list(everyone(context, queue))
    if step == HOLDER:
        holder = context.configuration.members.get(case.claimed_by)
        return [holder.slug] if holder else []
    if step == LEAD:
        return [slug for slug in queue.team if (m := _member(context, slug)) and m.at_least("lead")]
    if step == ON_CALL:
        # Where the chain says "on-call" for the second time, the second of those on call is meant.
        position = queue.escalation[:level].count(ON_CALL)
        return _available(context, on_call(queue, context.now))[position : position + 1]
    return [step]


def on_call(queue: Queue, now: datetime) -> list[str]:
    """The members of the current shifts, in order, each once."""
    current = [shift for shift in queue.rota if within({shift.days: shift.hours}, now, queue.timezone)]
    return list(dict.fromkeys(slug for shift in current for slug in shift.members))


def _available(context: Context, slugs: list[str]) -> list[str]:
    """Those who can be notified now; whoever is away is replaced by their cover."""
    available: dict[str, None] = {}
    for slug in slugs:
        cover = cover_for(context, slug)
        member = _member(context, cover) if cover else None
        if member is not None and not is_quiet(member, context.now):
            available[member.slug] = None
    return list(available)


def cover_for(context: Context, slug: str) -> str | None:
    """The member, or who covers while they are away, or who covers for those; None where nobody does."""
    seen: set[str] = set()
    while slug not in seen:
        seen.add(slug)
        member = _member(context, slug)
        absence = absence_of(member, context.now) if member else None
        if member is None or absence is None:
            return slug if member else None
        slug = absence.cover
    return None


def is_quiet(member: Member, now: datetime) -> bool:
    return within(member.quiet_hours, now, ZoneInfo(member.zone))


def absence_of(member: Member, now: datetime) -> Absence | None:
    today: date = now.astimezone(ZoneInfo(member.zone)).date()
    return next((absence for absence in member.absences if absence.first <= today <= absence.last), None)


def within(hours: dict[str, str], now: datetime, zone: ZoneInfo) -> bool:
    """Whether the local time in a zone is within the hours now."""
    local = now.astimezone(zone)
    for weekday, start, end in weekly_spans(hours):
        past_midnight = end <= start
        if local.weekday() == weekday and start <= local.time() and (past_midnight or local.time() < end):
            return True
        if past_midnight and (local - timedelta(days=1)).weekday() == weekday and local.time() < end:
            return True
    return False


def _member(context: Context, slug: str) -> Member | None:
    entry = context.configuration.members.by_slug(slug)
    return entry[1] if entry and not entry[1].archived else None
