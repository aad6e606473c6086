"""Hours by day of the week, as the configuration writes them: {"mon-fri": "09:00-18:00"}."""

import re
from collections.abc import Mapping
from datetime import time
from typing import Final

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def clock_time(text: str) -> time:
    """ "08:30"; raises ValueError with a sentence."""
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if not match:
        raise ValueError(f"“{text}” is not a time of day like 08:30")
    return time(int(match[1]), int(match[2]))


def opening_times(hours: Mapping[str, str]) -> dict[int, tuple[time, time]]:
    """Weekday (0 is Monday) → opening and closing time; a day may close at 24:00. Raises ValueError with a sentence."""
    opening: dict[int, tuple[time, time]] = {}
    for days, span in hours.items():
        opens, dash, closes = span.partition("-")
        if not dash:
            raise ValueError(f"“{span}” is not like 09:00-18:00")
        start, end = clock_time(opens), time.max if closes.strip() == "24:00" else clock_time(closes)
        if start >= end:
            raise ValueError(f"“{span}” closes before it opens")
        for day in _weekdays(days):
            opening[day] = (start, end)
    return opening


def weekly_spans(hours: Mapping[str, str]) -> list[tuple[int, time, time]]:
    """(weekday, start, end) of each; an end at or before its start is on the next day. Raises ValueError with a sentence."""
    spans = []
    for days, span in hours.items():
        starts, dash, ends = span.partition("-")
        if not dash:
            raise ValueError(f"“{span}” is not like 22:00-07:00")
        end = time() if ends.strip() == "24:00" else clock_time(ends)
        spans += [(day, clock_time(starts), end) for day in _weekdays(days)]
    return spans


def _weekdays(text: str) -> range:
    first, _, last = text.partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise ValueError(f"“{text}” is not a day or a range of days like mon-fri")
    start, end = DAYS.index(first), DAYS.index(last or first)
    if start > end:
        raise ValueError(f"“{text}” runs backwards")
    return range(start, end + 1)
