"""A member's own view: the cases they hold, the next case, their quiet hours and absences."""

import re
from datetime import date
from typing import Final

import msgspec

from languages import mark
from models.configuration import Absence, ConfigurationFile, Member
from models.errors import Refused
from models.text import fold
from models.weekly_hours import DAYS, weekly_spans
from store import cases
from store.cases import CaseSummary
from store.configuration import InvalidConfiguration, apply_changes, load_configuration
from triage.context import Context
from triage.permissions import require_member

OFF: Final = frozenset({"off", "no", "nu", "mai", "niciodata"})
MAX_OWN: Final = 10
MAX_OTHERS: Final = 3
_DATE: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})[./](\d{1,2})(?:[./](\d{4}))?")


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


async def set_quiet_hours(context: Context, member_id: int, text: str) -> Member:
    """`22:00-07:00`, `mon-fri 20:00-08:00, sat-sun 00:00-24:00`, or `off`."""
    words = fold(text).strip()
    hours: dict[str, str] = {}
    for part in words.split(",") if words and words not in OFF else ():
        *days, span = part.split()[-2:] or [""]
        hours[days[0] if days else f"{DAYS[0]}-{DAYS[-1]}"] = span
    try:
        weekly_spans(hours)
    except ValueError:
        raise Refused(mark("Use a format like 22:00-07:00, mon-fri 20:00-08:00, or off.")) from None
    return await _change(context, member_id, quiet_hours=hours)


async def add_absence(context: Context, member_id: int, text: str) -> Member:
    """`24.12 6.1 bruno` (first day, last day, who covers), `2026-12-24`, or `off`. Past absences are dropped."""
    member = require_member(context, member_id)
    today = context.now.astimezone(member.timezone).date()
    if fold(text).strip() in OFF:
        return await _change(context, member_id, absences=())
    days = [_day(match, today) for match in _DATE.finditer(text)]
    cover = _DATE.sub(" ", text).strip(" -–,").lower()
    if not 1 <= len(days) <= 2 or any(day is None for day in days):
        raise Refused(mark("Give the first day, the last day and who covers: 24.12 6.1 bruno. Or off."))
    first, last = days[0] or today, days[-1] or today
    if last < first and last.year == first.year:  # past the end of the year
        last = last.replace(year=last.year + 1)
    current = tuple(absence for absence in member.absences if absence.last >= today)
    return await _change(context, member_id, absences=(*current, Absence(first=first, last=last, cover=cover)))


def _day(match: re.Match[str], today: date) -> date | None:
    """A date as 24.12.2026, 24.12 (the next one) or 2026-12-24."""
    iso_year, iso_month, iso_day, day, month, year = match.groups()
    try:
        if iso_year:
            return date(int(iso_year), int(iso_month), int(iso_day))
        written = date(int(year or today.year), int(month), int(day))
        return written.replace(year=today.year + 1) if not year and written < today else written
    except ValueError:
        return None


async def _change(context: Context, member_id: int, **values: object) -> Member:
    current = (await load_configuration(context.session)).members[member_id]  # with what this transaction changed
    member = msgspec.structs.replace(current, **values)
    try:
        await apply_changes(context.session, ConfigurationFile(members=(member,)), context.now)
    except InvalidConfiguration as error:
        raise Refused(mark("Invalid: {reason}"), reason=error.errors[0]) from None
    return member
