"""Who is notified at each step, and who is skipped."""

from datetime import UTC, date, datetime

import msgspec
import pytest
from conftest import CONFIGURATION

from models.configuration import Absence, Configuration, Member, Queue, Shift
from models.tables.case import Case
from triage.context import Context
from triage.schedule import escalation, on_call

ROME_NOON = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)

ANA, BRUNO, LIDIA = (
    Member(slug="ana", name="Ana"),
    Member(slug="bruno", name="Bruno"),
    Member(slug="lidia", name="Lidia", role="lead"),
)


def _context(now: datetime, queue: Queue, *members: Member) -> tuple[Context, Case]:
    configuration = Configuration(1, {1: CONFIGURATION.brands[0]}, {1: queue}, dict(enumerate(members, 1)), {})
    case = Case(id=1, brand_id=1, queue_id=1, escalation_level=0, claimed_by=None)
    return Context(None, configuration, now), case  # type: ignore[arg-type]


def _queue(*chain: str, **fields) -> Queue:
    team = ("ana", "bruno", "lidia")
    return Queue(slug="q", name="Q", brands=("ferroviola",), team=team, escalation=chain, **fields)


def test_the_holder_is_notified_before_anybody_else():
    context, case = _context(ROME_NOON, _queue("holder", "lead", "everyone"), ANA, BRUNO, LIDIA)
    case.claimed_by = 2
    notified = []
    for _ in range(3):
        notification = escalation.next_notification(context, case)
        notified.append(notification.members)
        case.escalation_level += notification.steps
    assert notified == [("bruno",), ("lidia",), ("ana", "bruno", "lidia")]


def test_a_step_without_members_is_skipped():
    context, case = _context(ROME_NOON, _queue("holder", "lead"), ANA, BRUNO, LIDIA)
    notification = escalation.next_notification(context, case)
    assert (notification.members, notification.steps) == (("lidia",), 2)


def test_a_member_in_quiet_hours_is_skipped_and_recorded():
    quiet = msgspec.structs.replace(ANA, quiet_hours={"mon-sun": "10:00-14:00"})
    context, case = _context(ROME_NOON, _queue("ana", "bruno"), quiet, BRUNO, LIDIA)
    notification = escalation.next_notification(context, case)
    assert (notification.members, notification.unavailable, notification.steps) == (("bruno",), ("ana",), 2)


def test_everyone_is_notified_when_everyone_is_in_quiet_hours():
    night = {"mon-sun": "22:00-07:00"}
    members = [msgspec.structs.replace(member, quiet_hours=night) for member in (ANA, BRUNO, LIDIA)]
    context, case = _context(ROME_NOON.replace(hour=2), _queue("ana"), *members)
    assert escalation.next_notification(context, case).members == ("ana", "bruno", "lidia")


def test_an_absent_member_is_replaced_by_their_cover_even_over_two_steps():
    days = {"first": date(2026, 11, 20), "last": date(2026, 11, 30)}
    ana = msgspec.structs.replace(ANA, absences=(Absence(**days, cover="bruno"),))
    bruno = msgspec.structs.replace(BRUNO, absences=(Absence(**days, cover="lidia"),))
    context, case = _context(ROME_NOON, _queue("ana"), ana, bruno, LIDIA)
    assert escalation.next_notification(context, case).members == ("lidia",)
    circular = msgspec.structs.replace(LIDIA, absences=(Absence(**days, cover="ana"),))
    context, case = _context(ROME_NOON, _queue("ana"), ana, bruno, circular)
    assert escalation.next_notification(context, case).members == ("ana", "bruno", "lidia")


def test_the_second_on_call_step_notifies_the_second_member_of_the_shift():
    rota = (
        Shift(days="mon-fri", hours="09:00-18:00", members=("bruno", "ana")),
        Shift(days="mon-sun", hours="18:00-09:00", members=("lidia",)),
    )
    queue = _queue("on-call", "on-call", "lead", rota=rota)
    context, case = _context(ROME_NOON, queue, ANA, BRUNO, LIDIA)
    first = escalation.next_notification(context, case)
    case.escalation_level += first.steps
    assert (first.members, escalation.next_notification(context, case).members) == (("bruno",), ("ana",))
    context, case = _context(ROME_NOON.replace(hour=20), queue, ANA, BRUNO, LIDIA)
    assert escalation.next_notification(context, case).members == ("lidia",)


@pytest.mark.parametrize(
    ("utc", "quiet"),
    [
        ("2026-10-24T21:30", True),  # 23:30 in summer time
        ("2026-10-25T05:30", True),  # 06:30, an hour later than the day before
        ("2026-10-25T06:30", False),  # 07:30 in winter time
        ("2026-03-29T04:30", True),  # 06:30 in summer time already
        ("2026-03-29T05:30", False),
    ],
)
def test_quiet_hours_are_local_over_both_clock_changes(utc: str, quiet: bool):
    member = msgspec.structs.replace(ANA, quiet_hours={"mon-sun": "22:00-07:00"})
    assert on_call.is_quiet(member, datetime.fromisoformat(utc).replace(tzinfo=UTC)) is quiet


def test_a_shift_past_midnight_belongs_to_the_day_it_starts():
    queue = _queue(rota=(Shift(days="fri", hours="22:00-06:00", members=("ana",)),))
    friday_night, saturday_morning, saturday_night = (
        datetime(2026, 11, day, hour, tzinfo=UTC) for day, hour in ((27, 22), (28, 4), (28, 22))
    )
    assert on_call.on_call(queue, friday_night) == ["ana"]
    assert on_call.on_call(queue, saturday_morning) == ["ana"]
    assert on_call.on_call(queue, saturday_night) == []
