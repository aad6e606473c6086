"""A member's quiet hours and absences, changed by themselves."""

import re
from datetime import date
from typing import Final

import msgspec

from languages import mark
from models.configuration import Absence, ConfigurationFile, Member
from models.errors import Refused
from models.text import fold
from models.weekly_hours import DAYS, weekly_spans
from store.configuration import InvalidConfiguration, apply_changes, load_configuration
from triage.context import Context
from triage.permissions import require_member

OFF: Final = frozenset({"off", "no", "nu", "mai", "niciodata"})
_DATE: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})[./](\d{1,2})(?:[./](\d{4}))?")


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
