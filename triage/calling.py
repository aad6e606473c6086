"""Who is called when a case is late or escalated: the steps of the queue's chain, and who is there to hear it.

A step at which nobody is there is passed over. At the end everyone of the team is called: those who are there, and if none
is, those in their quiet hours too, and those away as well: a case is never late without anybody knowing.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from models.case import Case
from models.catalogue import EVERYONE, HOLDER, LEAD, ON_CALL, Absence, Member, Queue, wall_spans
from triage.turn import Turn


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to call (slugs), who was passed over because they are not there, and how many steps that has taken."""

    slugs: tuple[str, ...]
    passed: tuple[str, ...] = ()
    steps: int = 1

    def detail(self, level: int) -> dict[str, str]:
        """For the case's history."""
        passed = {"passed": ",".join(self.passed)} if self.passed else {}
        return {"called": ",".join(self.slugs), "level": str(level), **passed}


def next_call(turn: Turn, case: Case) -> Call:
    queue = turn.queue(case)
    if queue is None:
        return Call(slugs=())
    passed: list[str] = []
    for level in range(case.level, len(queue.chain)):
        wanted = _of_step(turn, case, queue, level)
        there = _there(turn, wanted)
        passed += [slug for slug in wanted if slug not in there]
        if there:
            return Call(slugs=tuple(there), passed=tuple(passed), steps=level - case.level + 1)
    steps = max(len(queue.chain) - case.level, 0) + 1
    return Call(slugs=everyone(turn, queue), passed=tuple(passed), steps=steps)


def everyone(turn: Turn, queue: Queue) -> tuple[str, ...]:
    """The team: those who are there, else those who are not away, else all."""
    team = [slug for slug in queue.team if _member(turn, slug) is not None]
    not_away = [slug for slug in team if (m := _member(turn, slug)) and absence(m, turn.now) is None]
    return tuple(_there(turn, team) or not_away or team)


def _of_step(turn: Turn, case: Case, queue: Queue, level: int) -> list[str]:
    step = queue.chain[level]
    if step == EVERYONE:
        return list(everyone(turn, queue))
    if step == HOLDER:
        holder = turn.catalogue.members.get(case.claimed_by)
        return [holder.slug] if holder else []
    if step == LEAD:
        return [slug for slug in queue.team if (m := _member(turn, slug)) and m.at_least("lead")]
    if step == ON_CALL:
        # The second time that the chain names it, the second of those on call is meant.
        place = queue.chain[:level].count(ON_CALL)
        return _there(turn, on_call(queue, turn.now))[place : place + 1]
    return [step]


def on_call(queue: Queue, now: datetime) -> list[str]:
    """The members of the shifts that run now, in order, each once."""
    running = [s for s in queue.rota if within({s.days: s.hours}, now, queue.timezone)]
    return list(dict.fromkeys(slug for shift in running for slug in shift.members))


def _there(turn: Turn, slugs: list[str]) -> list[str]:
    """Those who can be called now; somebody who is away is replaced by who stands in."""
    found: dict[str, None] = {}
    for slug in slugs:
        stands = stand_in(turn, slug)
        member = _member(turn, stands) if stands else None
        if member is not None and not is_quiet(member, turn.now):
            found[member.slug] = None
    return list(found)


def stand_in(turn: Turn, slug: str) -> str | None:
    """The member, or who stands in for them while they are away, and in for those; None where nobody does."""
    seen: set[str] = set()
    while slug not in seen:
        seen.add(slug)
        member = _member(turn, slug)
        gone = absence(member, turn.now) if member else None
        if member is None or gone is None:
            return slug if member else None
        slug = gone.cover
    return None


def is_quiet(member: Member, now: datetime) -> bool:
    return within(member.quiet, now, ZoneInfo(member.zone))


def absence(member: Member, now: datetime) -> Absence | None:
    today: date = now.astimezone(ZoneInfo(member.zone)).date()
    return next((a for a in member.away if a.first <= today <= a.last), None)


def within(hours: dict[str, str], now: datetime, zone: ZoneInfo) -> bool:
    """Whether the wall clock of a zone stands within the hours now."""
    here = now.astimezone(zone)
    for weekday, begins, ends in wall_spans(hours):
        over_midnight = ends <= begins
        if here.weekday() == weekday and begins <= here.time() and (over_midnight or here.time() < ends):
            return True
        if over_midnight and (here - timedelta(days=1)).weekday() == weekday and here.time() < ends:
            return True
    return False


def _member(turn: Turn, slug: str) -> Member | None:
    found = turn.catalogue.members.named(slug)
    return found[1] if found and not found[1].archived else None
