from datetime import UTC, date, datetime

import pytest

from models.configuration import Queue
from triage.schedule.business_hours import due

OFFICE = {"mon-fri": "09:00-18:00", "sat": "09:00-13:00"}


def queue(**fields) -> Queue:
    return Queue(**{"slug": "q", "name": "Q", "brands": (), "zone": "Europe/Rome", "hours": OFFICE, **fields})


def rome(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    """November in Rome is UTC+1."""
    return datetime(2026, month, day, hour - 1, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        (rome(23, 10), 60, rome(23, 11)),
        (rome(23, 17, 30), 60, rome(24, 9, 30)),
        (rome(23, 3), 60, rome(23, 10)),
        (rome(23, 20), 60, rome(24, 10)),
        (rome(27, 17, 30), 60, rome(28, 9, 30)),
        (rome(28, 12, 30), 60, rome(30, 9, 30)),
        (rome(23, 9), 9 * 60, rome(23, 18)),
        (rome(23, 9), 9 * 60 + 1, rome(24, 9, 1)),
    ],
)
def test_deadlines_count_only_opening_times(start: datetime, minutes: int, end: datetime):
    assert due(start, minutes, queue()) == end


def test_a_holiday_is_not_a_working_day():
    assert due(rome(23, 17, 30), 60, queue(holidays=(date(2026, 11, 24),))) == rome(25, 9, 30)


def test_a_queue_without_hours_is_always_open():
    assert due(rome(28, 23), 120, queue(hours={})) == rome(29, 1)
    assert due(rome(29, 3), 1, queue(hours={})) == rome(29, 3, 1)


def test_the_hour_skipped_in_spring_does_not_count():
    night = queue(hours={"sat-sun": "00:00-24:00"})
    # Sunday 29 March 2026, 02:00 becomes 03:00 in Rome: from 01:30 CET two hours later it is 04:30 CEST.
    start = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    assert due(start, 120, night) == datetime(2026, 3, 29, 2, 30, tzinfo=UTC)


def test_a_day_with_a_repeated_hour_has_twenty_five_hours():
    night = queue(hours={"sun": "00:00-24:00"})
    # Sunday 25 October 2026: 03:00 CEST becomes 02:00 CET. The day starts at 22:00 UTC and has 25 hours.
    start = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    assert due(start, 25 * 60, night) == datetime(2026, 10, 25, 23, 0, tzinfo=UTC)
    assert due(start, 25 * 60 + 1, night) == datetime(2026, 10, 31, 23, 1, tzinfo=UTC)


def test_opening_times_are_local_before_and_after_the_clock_change():
    before, after = datetime(2026, 3, 27, 20, tzinfo=UTC), datetime(2026, 3, 29, 20, tzinfo=UTC)
    office = queue(hours={"mon-sun": "09:00-18:00"})
    assert due(before, 1, office) == datetime(2026, 3, 28, 8, 1, tzinfo=UTC)
    assert due(after, 1, office) == datetime(2026, 3, 30, 7, 1, tzinfo=UTC)


def test_a_queue_that_never_opens_still_has_a_deadline():
    closed = queue(hours={"mon": "09:00-10:00"}, holidays=tuple(date.fromordinal(n) for n in range(739_000, 741_000)))
    assert due(rome(23, 10), 60, closed) > rome(23, 10)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (rome(23, 9), rome(23, 9, 1)),
        (rome(23, 17, 59), rome(23, 18)),
        (rome(23, 18), rome(24, 9, 1)),
        (rome(29, 12), rome(30, 9, 1)),
    ],
)
def test_a_queue_is_open_from_the_first_minute_to_the_last(start: datetime, end: datetime):
    assert due(start, 1, queue()) == end
