"""Hours as people have them: a lunch break, a night shift, days in their own language."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from conftest import CONFIGURATION, Harness
from msgspec.structs import replace

from models.configuration import Absence, ConfigurationFile, Member, Queue
from models.configuration_checks import configuration_errors
from models.errors import Refused
from triage.schedule import on_call
from triage.schedule.business_hours import due
from triage.schedule.quiet_hours import add_absence, set_quiet_hours

ROME = ZoneInfo("Europe/Rome")
LUNCH = {"mon-fri": "09:00-13:00", "mon-thu": "14:00-18:00"}
IN_ONE = {"mon-thu": "09:00-13:00, 14:00-18:00", "fri": "09:00-13:00"}
BY_DAY = {"mon-fri": "09:00-13:00", "mon-wed": "14:00-18:00", "thu": "14:00-18:00"}


def queue(hours: dict[str, str], holidays: tuple[date, ...] = ()) -> Queue:
    return Queue(slug="q", name="Q", brands=(), zone="Europe/Rome", hours=hours, holidays=holidays)


def rome(day: int, hour: int, minute: int = 0) -> datetime:
    """In November 2026; the 23rd is a Monday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=ROME).astimezone(UTC)


# Two spans a day.


@pytest.mark.parametrize("hours", [LUNCH, IN_ONE, BY_DAY], ids=["two keys", "one value", "three keys"])
@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        (rome(23, 9, 30), 60, rome(23, 10, 30)),
        (rome(23, 12, 30), 60, rome(23, 14, 30)),
        (rome(23, 13, 20), 60, rome(23, 15)),
        (rome(23, 8), 60, rome(23, 10)),
        (rome(23, 17, 30), 60, rome(24, 9, 30)),
        (rome(23, 9), 8 * 60, rome(23, 18)),
        (rome(23, 9), 8 * 60 + 1, rome(24, 9, 1)),
        (rome(23, 9), 4 * 60, rome(23, 13)),
        (rome(23, 9), 4 * 60 + 1, rome(23, 14, 1)),
        (rome(27, 12, 30), 60, rome(30, 9, 30)),
        (rome(28, 12), 60, rome(30, 10)),
    ],
)
def test_both_spans_of_a_day_count(hours: dict[str, str], start: datetime, minutes: int, end: datetime):
    assert due(start, minutes, queue(hours)) == end


@pytest.mark.parametrize(
    "value", ["09:00-13:00,14:00-18:00", "14:00-18:00, 09:00-13:00", " 09:00-13:00 , 14:00-18:00 "]
)
def test_spaces_and_order_do_not_matter(value: str):
    assert due(rome(23, 12, 30), 60, queue({"mon": value})) == rome(23, 14, 30)


def test_three_spans_count():
    hours = {"mon-sun": "08:00-10:00, 12:00-14:00, 16:00-18:00"}
    assert due(rome(23, 9), 4 * 60, queue(hours)) == rome(23, 17)


@pytest.mark.parametrize(
    "hours",
    [
        {"mon-fri": "09:00-13:00", "mon": "12:00-15:00"},
        {"mon": "12:00-15:00", "mon-fri": "09:00-13:00"},
        {"mon": "09:00-13:00, 12:00-15:00"},
        {"mon": "09:00-13:00, 13:00-15:00"},
        {"mon": "09:00-15:00", "mon-tue": "10:00-11:00"},
    ],
)
def test_a_minute_in_two_spans_counts_once(hours: dict[str, str]):
    assert due(rome(23, 9), 6 * 60, queue(hours)) == rome(23, 15)
    assert due(rome(23, 12, 30), 60, queue(hours)) == rome(23, 13, 30)


async def test_a_complaint_on_monday_morning_is_due_on_monday_morning(harness: Harness):
    await harness.change_queue("trains", hours=LUNCH)
    harness.now = rome(23, 9, 30)
    assert (await harness.case()).first_answer_due == rome(23, 10, 30)


@pytest.mark.parametrize("hours", [LUNCH, IN_ONE, {"mon-sun": "22:00-06:00"}, {"lun-ven": "09:00-18:00"}])
def test_such_hours_are_applied(hours: dict[str, str]):
    changed = replace(CONFIGURATION.queues[0], hours=hours)
    assert configuration_errors(replace(CONFIGURATION, queues=(changed,))) == []


@pytest.mark.parametrize(
    "value", ["09:00-13:00, 14:00", "09:00-13:00, 25:00-26:00", "09:00-13:00,", ", 09:00-13:00", "a, b"]
)
def test_what_cannot_be_read_is_refused_with_the_queue_named(value: str):
    changed = replace(CONFIGURATION.queues[0], hours={"mon-fri": value})
    [error] = configuration_errors(replace(CONFIGURATION, queues=(changed,)))
    assert error.startswith("queue trains: ")


# Past midnight.


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        (rome(27, 23), 120, rome(28, 1)),
        (rome(27, 12), 60, rome(27, 23)),
        (rome(28, 5, 30), 30, rome(28, 6)),
        (rome(28, 5, 30), 60, rome(28, 22, 30)),
        (rome(29, 5, 30), 31, datetime(2026, 12, 4, 22, 1, tzinfo=ROME)),
        (rome(27, 22), 8 * 60, rome(28, 6)),
    ],
)
def test_a_night_shift_belongs_to_the_day_on_which_it_begins(start: datetime, minutes: int, end: datetime):
    assert due(start, minutes, queue({"fri-sat": "22:00-06:00"})) == end


def test_a_night_shift_of_sunday_ends_on_monday():
    assert due(rome(23, 1), 60, queue({"sun": "20:00-04:00"})) == rome(23, 2)


def test_a_day_and_a_night_shift_are_two_spans():
    hours = {"mon-fri": "09:00-13:00, 22:00-02:00"}
    assert due(rome(23, 12, 30), 60, queue(hours)) == rome(23, 22, 30)
    assert due(rome(24, 1, 30), 60, queue(hours)) == rome(24, 9, 30)


def test_a_night_shift_and_the_next_mornings_are_joined_without_a_gap():
    hours = {"mon": "22:00-06:00", "tue": "05:00-08:00"}
    assert due(rome(23, 22), 9 * 60, queue(hours)) == rome(24, 7)


def test_a_night_shift_that_begins_on_a_holiday_is_closed():
    closed = queue({"mon-sun": "22:00-06:00"}, holidays=(date(2026, 11, 24),))
    assert due(rome(24, 23), 60, closed) == rome(25, 23)


# Days as people write them.


async def quiet(harness: Harness, text: str) -> Member:
    """Ana, with the quiet hours that she typed."""
    await harness.do(set_quiet_hours, harness.member("ana"), text)
    await harness.apply(ConfigurationFile())
    return harness.configuration.members[harness.member("ana")]


@pytest.mark.parametrize(
    "text",
    [
        "mon-fri 20:00-08:00",
        "lun-ven 20:00-08:00",
        "Lun-Ven 20:00-08:00",
        "lunedì-venerdì 20:00-08:00",
        "lunedi-venerdi 20:00-08:00",
        "luni-vineri 20:00-08:00",
        "lun-vin 20:00-08:00",
        "monday-friday 20:00-08:00",
    ],
)
async def test_quiet_days_are_read_in_each_language(harness: Harness, text: str):
    ana = await quiet(harness, text)
    assert [on_call.is_quiet(ana, rome(day, 21)) for day in range(23, 30)] == [True] * 5 + [False] * 2
    assert not on_call.is_quiet(ana, rome(23, 12))


@pytest.mark.parametrize(
    "text",
    [
        "lun-ven 20:00-08:00, sab-dom 00:00-24:00",
        "luni-vineri 20:00-08:00, sâmbătă-duminică 00:00-24:00",
        "luni-vineri 20:00-08:00, sambata-duminica 00:00-24:00",
        "lunedì-venerdì 20:00-08:00, sabato 00:00-24:00, domenica 00:00-24:00",
    ],
)
async def test_more_than_one_span_of_quiet_days_is_read(harness: Harness, text: str):
    ana = await quiet(harness, text)
    assert [on_call.is_quiet(ana, rome(day, 12)) for day in range(23, 30)] == [False] * 5 + [True] * 2


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mar 12:00-14:00", [24]),
        ("mer 12:00-14:00", [25]),
        ("gio 12:00-14:00", [26]),
        ("marți 12:00-14:00", [24]),
        ("miercuri 12:00-14:00", [25]),
        ("joi 12:00-14:00", [26]),
        ("martedì-giovedì 12:00-14:00", [24, 25, 26]),
        ("dum 12:00-14:00", [29]),
    ],
)
async def test_each_day_has_its_name(harness: Harness, text: str, days: list[int]):
    ana = await quiet(harness, text)
    assert [day for day in range(23, 30) if on_call.is_quiet(ana, rome(day, 13))] == days


async def test_two_spans_of_quiet_hours_on_the_same_days_both_count(harness: Harness):
    ana = await quiet(harness, "lun-ven 12:00-14:00, lun-ven 20:00-08:00")
    assert [on_call.is_quiet(ana, rome(23, hour)) for hour in (10, 13, 16, 21)] == [False, True, False, True]


@pytest.mark.parametrize("text", ["lun-xyz 20:00-08:00", "ieri 20:00-08:00", "luna 20:00-08:00"])
async def test_a_day_that_is_none_is_refused_with_an_example(harness: Harness, text: str):
    with pytest.raises(Refused, match="22:00-07:00"):
        await quiet(harness, text)


@pytest.mark.parametrize("days", ["lun-ven", "luni-vineri", "lunedì-venerdì"])
def test_a_queues_days_are_read_in_each_language(days: str):
    assert due(rome(27, 17, 30), 60, queue({days: "09:00-18:00"})) == rome(30, 9, 30)


CHRISTMAS = Absence(first=date(2026, 12, 24), last=date(2027, 1, 6), cover="bruno")
EVE = Absence(first=date(2026, 12, 24), last=date(2026, 12, 24))


@pytest.mark.parametrize(
    ("text", "absence"),
    [
        ("24 dicembre", EVE),
        ("24 dic", EVE),
        ("24 decembrie", EVE),
        ("24 December 2026", EVE),
        ("il 24 dicembre", EVE),
        ("24 dicembre 6 gennaio bruno", CHRISTMAS),
        ("24 dicembre - 6 gennaio Bruno", CHRISTMAS),
        ("dal 24 dicembre al 6 gennaio, bruno", CHRISTMAS),
        ("24 decembrie - 6 ianuarie bruno", CHRISTMAS),
        ("24 December to 6 January bruno", CHRISTMAS),
        ("1 marzo", Absence(first=date(2027, 3, 1), last=date(2027, 3, 1))),
    ],
)
async def test_absences_are_read_with_the_months_name(harness: Harness, text: str, absence: Absence):
    await harness.do(add_absence, harness.member("ana"), text)
    await harness.apply(ConfigurationFile())
    assert harness.configuration.members[harness.member("ana")].absences == (absence,)


@pytest.mark.parametrize("text", ["31 febbraio", "24 dicembrino", "dicembre", "24 dicembre nessuno"])
async def test_no_day_or_nobody_is_refused(harness: Harness, text: str):
    with pytest.raises(Refused):
        await harness.do(add_absence, harness.member("ana"), text)
