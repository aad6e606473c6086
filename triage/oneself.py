"""What members say of themselves: what they hold, which case is next, when they are not to be called, when they are away."""

import re
from datetime import date
from typing import Final

import msgspec

from models.catalogue import DAYS, Absence, Contents, Member, wall_spans
from models.errors import OperatorError, Refused
from models.text import fold
from store import cases, catalogue
from store.cases import Line
from triage import guards
from triage.turn import Turn

OFF: Final = frozenset({"off", "no", "nu", "mai", "niciodata"})
LISTED: Final = 10
SAMPLED: Final = 3
_DATE: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})[./](\d{1,2})(?:[./](\d{4}))?")


def _(message: str) -> str:
    return message


async def at_a_glance(turn: Turn, member_id: int) -> dict[cases.View, tuple[int, list[Line]]]:
    """What a member holds, what is late and what waits: how many of each, and the most pressing."""
    brands = _brands(turn, guards.member_of(turn, member_id))
    counts = await cases.counts(turn.session, brands, member_id, turn.now)
    listed: tuple[tuple[cases.View, int], ...] = (("mine", LISTED), ("late", SAMPLED), ("queue", SAMPLED))
    return {
        view: (counts[view], await cases.listing(turn.session, view, brands, member_id, turn.now, most))
        for view, most in listed
    }


async def following(turn: Turn, member_id: int) -> Line | None:
    """The most pressing case that nobody holds."""
    brands = _brands(turn, guards.member_of(turn, member_id))
    waiting = await cases.listing(turn.session, "queue", brands, member_id, turn.now)
    return next((line for line in waiting if line.case.state == "waiting"), None)


def _brands(turn: Turn, member: Member) -> list[int]:
    return [number for number, brand in turn.catalogue.brands if member.sees(brand.slug)]


async def be_quiet(turn: Turn, member_id: int, said: str) -> Member:
    """Hours of each day in which somebody is called only when nobody else is there: `22:00-07:00`,
    `mon-fri 20:00-08:00, sat-sun 00:00-24:00`, or `off`."""
    words = fold(said).strip()
    quiet: dict[str, str] = {}
    for part in words.split(",") if words and words not in OFF else ():
        *days, span = part.split()[-2:] or [""]
        quiet[days[0] if days else f"{DAYS[0]}-{DAYS[-1]}"] = span
    try:
        wall_spans(quiet)
    except ValueError:
        raise Refused(_("Write it like 22:00-07:00, or mon-fri 20:00-08:00, or off.")) from None
    return await _change(turn, member_id, quiet=quiet)


async def be_away(turn: Turn, member_id: int, said: str) -> Member:
    """Days on which somebody is away, and who stands in: `24.12 6.1 bruno`, `2026-12-24`, or `off`. Past ones are forgotten."""
    member = guards.member_of(turn, member_id)
    today = turn.now.astimezone(member.timezone).date()
    kept = tuple(absence for absence in member.away if absence.last >= today)
    if fold(said).strip() in OFF:
        return await _change(turn, member_id, away=())
    found = [_day(match, today) for match in _DATE.finditer(said)]
    cover = _DATE.sub(" ", said).strip(" -–,").lower()
    if not 1 <= len(found) <= 2 or any(day is None for day in found):
        raise Refused(_("Write the first and the last day, and who stands in: 24.12 6.1 bruno. Or off."))
    first, last = found[0] or today, found[-1] or today
    if last < first and last.year == first.year:  # over the turn of the year
        last = last.replace(year=last.year + 1)
    return await _change(turn, member_id, away=(*kept, Absence(first=first, last=last, cover=cover)))


def _day(match: re.Match[str], today: date) -> date | None:
    """A day as it is written here or as computers write it; without a year the next one there is."""
    year, month, day, day_here, month_here, year_here = match.groups()
    try:
        if year:
            return date(int(year), int(month), int(day))
        found = date(int(year_here or today.year), int(month_here), int(day_here))
        return found.replace(year=today.year + 1) if not year_here and found < today else found
    except ValueError:
        return None


async def _change(turn: Turn, member_id: int, **values: object) -> Member:
    now = (await catalogue.load(turn.session)).members[member_id]  # as it is after what was changed in this turn
    member = msgspec.structs.replace(now, **values)
    try:
        await catalogue.apply(turn.session, Contents(members=(member,)), turn.now)
    except OperatorError as error:
        raise Refused(_("That cannot be: {why}"), why=str(error).partition("·")[2].partition("\n")[0].strip()) from None
    return member
