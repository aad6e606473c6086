"""Why a case is first: points one can add up, and the waiting time.

Waiting counts one point every five minutes, without end, so that nothing waits for ever behind louder things. Because
it grows alike for all, the order of a queue never changes while nothing happens: `rank` holds points and waiting in one
number, and a database index sorts by it.
"""

from collections.abc import Sequence
from datetime import datetime
from math import log2, log10
from typing import Final

from models.case import Part

SECONDS_A_POINT: Final = 300

NEGATIVITY: Final = 40
GRAVE: Final = 60
INTENT: Final = {"complaint": 10, "question": 15, "lead": 12, "crisis": 20}
REACH: Final = 20
REPEAT: Final = 5
MAX_REPEAT: Final = 20
STORM: Final = 8


def parts(
    *, negative: float, intent: str, grave: str | None, followers: int | None, mentions: int, earlier: int, storm: int
) -> tuple[Part, ...]:
    """The reasons, greatest first. `earlier` counts the author's other cases of late, `storm` the cases that say the same."""
    again = mentions - 1 + earlier
    found = [
        Part("negativity", round(NEGATIVITY * negative), f"{negative:.0%}"),
        Part("grave", GRAVE if grave else 0, grave or ""),
        Part(intent, INTENT.get(intent, 0)),
        Part("reach", min(REACH, round(5 * log10(followers + 1) - 5)) if followers else 0, str(followers or 0)),
        Part("repetition", min(MAX_REPEAT, REPEAT * again), str(again)),
        Part("storm", round(STORM * log2(storm)) if storm > 1 else 0, str(storm)),
    ]
    return tuple(sorted((part for part in found if part.points > 0), key=lambda part: -part.points))


def total(found: Sequence[Part]) -> int:
    return sum(part.points for part in found)


def rank(points: int, heard_at: datetime) -> float:
    """Higher comes first. Five minutes of waiting weigh as much as one point."""
    return points * SECONDS_A_POINT - heard_at.timestamp()


def waiting(heard_at: datetime, now: datetime) -> Part:
    """The part that grows while you look at it."""
    minutes = max(0, int((now - heard_at).total_seconds() // 60))
    return Part("waiting", minutes * 60 // SECONDS_A_POINT, str(minutes))
