"""Deadlines in a queue's own working hours, holidays and time zone."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from models.catalogue import Queue, opening_times

MAX_DAYS: Final = 400
"""A queue that never opens within so many days has no deadline before then."""


def due(start: datetime, minutes: int, queue: Queue) -> datetime:
    """The moment at which `minutes` of the queue's opening times have passed since `start`; UTC.

    Real minutes count: an hour that the clocks skip in spring is not there, one that they repeat in autumn counts twice.
    """
    if not queue.hours:
        return start + timedelta(minutes=minutes)
    left = timedelta(minutes=minutes)
    day = start.astimezone(queue.timezone).date()
    for ahead in range(MAX_DAYS):
        opened = _opening(queue, day + timedelta(days=ahead))
        if opened is None:
            continue
        begins, ends = max(opened[0], start), opened[1]
        if ends - begins >= left:
            return begins + left
        left -= max(ends - begins, timedelta())
    return start + timedelta(days=MAX_DAYS)


def is_open(moment: datetime, queue: Queue) -> bool:
    if not queue.hours:
        return True
    opened = _opening(queue, moment.astimezone(queue.timezone).date())
    return opened is not None and opened[0] <= moment < opened[1]


def _opening(queue: Queue, day: date) -> tuple[datetime, datetime] | None:
    """When the queue opens and closes on a day, in UTC."""
    span = _times(tuple(queue.hours.items())).get(day.weekday())
    if span is None or day in queue.holidays:
        return None
    closes = day + timedelta(days=1) if span[1] == time.max else day
    ends = time() if span[1] == time.max else span[1]
    return _utc(day, span[0], queue.timezone), _utc(closes, ends, queue.timezone)


def _utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)


@lru_cache(maxsize=256)
def _times(hours: tuple[tuple[str, str], ...]) -> dict[int, tuple[time, time]]:
    return opening_times(dict(hours))
