"""Days, weeks and months in a time zone."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

Kind = Literal["day", "week", "month"]


class Period(msgspec.Struct, frozen=True):
    """From the first midnight to the one after the last day; a day can have 23 or 25 hours."""

    kind: Kind
    first: date
    zone: str

    @property
    def start(self) -> datetime:
        return _midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        return _midnight(self._next(), self.zone)

    def _next(self) -> date:
        if self.kind == "month":
            return (self.first + timedelta(days=32)).replace(day=1)
        return self.first + timedelta(days=7 if self.kind == "week" else 1)

    def before(self, steps: int = 1) -> "Period":
        """The period of the same kind that many steps earlier."""
        first = self.first
        for _ in range(steps):
            if self.kind == "month":
                first = (first - timedelta(days=1)).replace(day=1)
            else:
                first -= timedelta(days=7 if self.kind == "week" else 1)
        return Period(self.kind, first, self.zone)


def containing(kind: Kind, day: date, zone: str) -> Period:
    """Weeks begin on Monday."""
    if kind == "week":
        day -= timedelta(days=day.weekday())
    elif kind == "month":
        day = day.replace(day=1)
    return Period(kind, day, zone)


def today(now: datetime, zone: str) -> date:
    return now.astimezone(ZoneInfo(zone)).date()


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
