from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from conftest import CONTENTS, House

from models.case import Alert, Case, CaseEvent
from models.catalogue import Absence, Catalogue, Contents, Member, Queue, Shift
from models.errors import Refused
from triage import actions, calling, clock
from triage.turn import Turn

ROME_NOON = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)


def _turn(now: datetime, queue: Queue, *members: Member) -> tuple[Turn, Case]:
    catalogue = Catalogue(1, {1: CONTENTS.brands[0]}, {1: queue}, dict(enumerate(members, 1)), {})
    return Turn(None, catalogue, now), Case(id=1, brand_id=1, queue_id=1, level=0, claimed_by=None)  # type: ignore[arg-type]


def _queue(*chain: str, team: tuple[str, ...] = ("ana", "bruno", "lidia"), **fields) -> Queue:
    return Queue(slug="q", name="Q", brands=("ferroviola",), team=team, chain=chain, **fields)


ANA, BRUNO, LIDIA = (
    Member(slug="ana", name="Ana"),
    Member(slug="bruno", name="Bruno"),
    Member(slug="lidia", name="Lidia", role="lead"),
)


def test_the_holder_is_reminded_before_anybody_else_is_called():
    turn, case = _turn(ROME_NOON, _queue("holder", "lead", "everyone"), ANA, BRUNO, LIDIA)
    case.claimed_by = 2
    calls = []
    for _ in range(3):
        call = calling.next_call(turn, case)
        calls.append(call.slugs)
        case.level += call.steps
    assert calls == [("bruno",), ("lidia",), ("ana", "bruno", "lidia")]


def test_a_step_without_anybody_is_passed_over_at_once():
    turn, case = _turn(ROME_NOON, _queue("holder", "lead"), ANA, BRUNO, LIDIA)
    call = calling.next_call(turn, case)
    assert (call.slugs, call.steps) == (("lidia",), 2)


def test_who_sleeps_is_passed_over_and_named():
    asleep = msgspec.structs.replace(ANA, quiet={"mon-sun": "10:00-14:00"})
    turn, case = _turn(ROME_NOON, _queue("ana", "bruno"), asleep, BRUNO, LIDIA)
    call = calling.next_call(turn, case)
    assert (call.slugs, call.passed, call.steps) == (("bruno",), ("ana",), 2)


def test_when_all_sleep_all_are_woken_rather_than_nobody():
    night = {"mon-sun": "22:00-07:00"}
    members = [msgspec.structs.replace(m, quiet=night) for m in (ANA, BRUNO, LIDIA)]
    turn, case = _turn(ROME_NOON.replace(hour=2), _queue("ana"), *members)
    assert calling.next_call(turn, case).slugs == ("ana", "bruno", "lidia")


def test_who_is_away_is_replaced_by_who_stands_in_even_through_two():
    gone = {"first": date(2026, 11, 20), "last": date(2026, 11, 30)}
    ana = msgspec.structs.replace(ANA, away=(Absence(**gone, cover="bruno"),))
    bruno = msgspec.structs.replace(BRUNO, away=(Absence(**gone, cover="lidia"),))
    turn, case = _turn(ROME_NOON, _queue("ana"), ana, bruno, LIDIA)
    assert calling.next_call(turn, case).slugs == ("lidia",)
    in_a_ring = msgspec.structs.replace(LIDIA, away=(Absence(**gone, cover="ana"),))
    turn, case = _turn(ROME_NOON, _queue("ana"), ana, bruno, in_a_ring)
    assert calling.next_call(turn, case).slugs == ("ana", "bruno", "lidia")


def test_the_rota_calls_in_its_order_and_the_second_the_second_time():
    rota = (
        Shift(days="mon-fri", hours="09:00-18:00", members=("bruno", "ana")),
        Shift(days="mon-sun", hours="18:00-09:00", members=("lidia",)),
    )
    queue = _queue("on-call", "on-call", "lead", rota=rota)
    turn, case = _turn(ROME_NOON, queue, ANA, BRUNO, LIDIA)
    first = calling.next_call(turn, case)
    case.level += first.steps
    assert (first.slugs, calling.next_call(turn, case).slugs) == (("bruno",), ("ana",))
    turn, case = _turn(ROME_NOON.replace(hour=20), queue, ANA, BRUNO, LIDIA)
    assert calling.next_call(turn, case).slugs == ("lidia",)


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
def test_quiet_hours_follow_the_wall_over_both_changes_of_the_clocks(utc: str, quiet: bool):
    member = msgspec.structs.replace(ANA, quiet={"mon-sun": "22:00-07:00"})
    assert calling.is_quiet(member, datetime.fromisoformat(utc).replace(tzinfo=UTC)) is quiet


def test_a_shift_over_midnight_belongs_to_the_day_on_which_it_begins():
    queue = _queue(rota=(Shift(days="fri", hours="22:00-06:00", members=("ana",)),))
    friday_night, saturday_morning, saturday_night = (
        datetime(2026, 11, day, hour, tzinfo=UTC) for day, hour in ((27, 22), (28, 4), (28, 22))
    )
    assert [calling.on_call(queue, at) for at in (friday_night, saturday_morning, saturday_night)] == [
        ["ana"],
        ["ana"],
        [],
    ]


def _away(house: House, slug: str, cover: str = "") -> Member:
    today = house.now.date()
    member = house.catalogue.members[house.member(slug)]
    return msgspec.structs.replace(member, away=(Absence(first=today, last=today, cover=cover),))


async def test_what_somebody_holds_who_goes_on_holiday_is_handed_over(house: House):
    case = await house.case()
    other = await house.case(author="ugo")
    await house.do(actions.claim, case.id, house.member("ana"))
    await house.do(actions.claim, other.id, house.member("bruno"))
    today = house.now.date()
    ana = msgspec.structs.replace(
        house.catalogue.members[house.member("ana")], away=(Absence(first=today, last=today, cover="lidia"),)
    )
    bruno = msgspec.structs.replace(
        house.catalogue.members[house.member("bruno")], away=(Absence(first=today, last=today),)
    )
    await house.apply(Contents(members=(ana, bruno)))
    async with house.store.reading() as session:
        assert await clock.is_due(session, house.catalogue, house.now)
    await house.do(clock.tick)
    assert (await house.get(Case, case.id)).claimed_by == house.member("lidia")
    assert (await house.get(Case, other.id)).state == "waiting"
    assert [e.detail for e in await house.all(CaseEvent) if e.kind == "handed over"] == [
        {"to": "lidia", "away": "ana"},
        {"away": "bruno"},
    ]
    with pytest.raises(Refused, match="Ana is away until"):
        await house.do(actions.assign, other.id, house.member("lidia"), "ana")


async def test_a_note_that_names_a_colleague_calls_them(house: House):
    case = await house.case()
    await house.do(actions.note, case.id, house.member("bruno"), "@lidia puoi guardare? e @nessuno no")
    assert [(a.kind, a.called, a.reason) for a in await house.all(Alert)] == [
        ("noted", "lidia", "Bruno: @lidia puoi guardare? e @nessuno no")
    ]


async def test_a_late_case_says_who_was_not_there(house: House):
    today = house.now.date()
    ana = msgspec.structs.replace(
        house.catalogue.members[house.member("ana")], away=(Absence(first=today, last=today),)
    )
    await house.apply(Contents(members=(ana,)))
    await house.case()
    house.later(minutes=61)
    await house.do(clock.tick)
    event = (await house.all(CaseEvent))[-1]
    assert (event.kind, event.detail) == ("late", {"called": "lidia", "passed": "ana", "level": "2"})
    house.later(minutes=31)
    assert house.now - timedelta(minutes=92) == datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    await house.do(clock.tick)
    assert (await house.all(Alert))[-1].called == "bruno,lidia"
