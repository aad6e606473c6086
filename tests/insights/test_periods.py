from datetime import date

import pytest

from insights.periods import Period, containing


@pytest.mark.parametrize(
    ("kind", "day", "hours"),
    [
        ("day", date(2026, 3, 29), 23),
        ("day", date(2026, 10, 25), 25),
        ("day", date(2026, 11, 23), 24),
        ("week", date(2026, 3, 25), 167),
        ("month", date(2026, 2, 10), 28 * 24),
    ],
)
def test_days_weeks_and_months_are_local(kind, day: date, hours: int):
    period = containing(kind, day, "Europe/Rome")
    assert (period.end - period.start).total_seconds() == hours * 3600


def test_periods_follow_each_other_without_a_gap():
    for kind in ("day", "week", "month"):
        period = containing(kind, date(2026, 12, 31), "Europe/Bucharest")
        for step in range(1, 15):
            assert period.before(step).end == period.before(step - 1).start


def test_a_day_ends_at_the_next_midnight():
    assert Period("day", date(2026, 1, 1), "UTC").end.day == 2
