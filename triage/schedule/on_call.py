"""Who is on call, who is away or in their quiet hours, and who covers for whom."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from models.configuration import Absence, Member, Queue
from models.weekly_hours import weekly_spans
from triage.context import Context


def on_call(queue: Queue, now: datetime) -> list[str]:
    """The members of the current shifts, in order, each once."""
    current = [shift for shift in queue.rota if within({shift.days: shift.hours}, now, queue.timezone)]
    return list(dict.fromkeys(slug for shift in current for slug in shift.members))


def available(context: Context, slugs: list[str]) -> list[str]:
    """Those who can be notified now; whoever is away is replaced by their cover."""
    reachable: dict[str, None] = {}
    for slug in slugs:
        cover = cover_for(context, slug)
        member = active_member(context, cover) if cover else None
        if member is not None and not is_quiet(member, context.now):
            reachable[member.slug] = None
    return list(reachable)


def cover_for(context: Context, slug: str) -> str | None:
    """The member, or who covers while they are away, or who covers for those; None where nobody does."""
    seen: set[str] = set()
    while slug not in seen:
        seen.add(slug)
        member = active_member(context, slug)
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


def active_member(context: Context, slug: str) -> Member | None:
    entry = context.configuration.members.by_slug(slug)
    return entry[1] if entry and not entry[1].archived else None
