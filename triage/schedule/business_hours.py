"""Deadlines in a queue's business hours, holidays and time zone."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from models.configuration import Queue
from models.weekly_hours import opening_times

MAX_DAYS: Final = 400
"""Days after which a queue that has not opened has its deadline all the same."""


def due(start: datetime, minutes: int, queue: Queue) -> datetime:
    """The moment, in UTC, at which `minutes` of the queue's opening times have passed since `start`.

    Real minutes count: the hour skipped in spring does not exist, the one repeated in autumn counts twice.
    """
    if not queue.hours:
        return start + timedelta(minutes=minutes)
    left = timedelta(minutes=minutes)
    day = start.astimezone(queue.timezone).date()
    for ahead in range(MAX_DAYS):
        opening = _opening(queue, day + timedelta(days=ahead))
        if opening is None:
            continue
        opens, closes = max(opening[0], start), opening[1]
        if closes - opens >= left:
            return opens + left
        left -= max(closes - opens, timedelta())
    return start + timedelta(days=MAX_DAYS)


def _opening(queue: Queue, day: date) -> tuple[datetime, datetime] | None:
    """When the queue opens and closes on a day, in UTC."""
    span = _times(tuple(queue.hours.items())).get(day.weekday())
    if span is None or day in queue.holidays:
        return None
    closing_day = day + timedelta(days=1) if span[1] == time.max else day
    closes = time() if span[1] == time.max else span[1]
    return _utc(day, span[0], queue.timezone), _utc(closing_day, closes, queue.timezone)


def _utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)


@lru_cache(maxsize=256)
def _times(hours: tuple[tuple[str, str], ...]) -> dict[int, tuple[time, time]]:
    return opening_times(dict(hours))
