"""Why a case comes first: points that can be added up, and the waiting time.

Waiting counts one point every five minutes, without limit, so that nothing waits forever behind more urgent things. Because
it grows alike for all, the order of a queue never changes while nothing happens: `rank` holds score and waiting in one
number, and a database index sorts by it.
"""

from collections.abc import Sequence
from datetime import datetime
from math import log2, log10
from typing import Final

from models.tables.case import ScorePart

SECONDS_PER_POINT: Final = 300

NEGATIVITY: Final = 40
SEVERITY: Final = 60
INTENT: Final = {"complaint": 10, "question": 15, "lead": 12, "crisis": 20}
MAX_REACH: Final = 20
REPETITION: Final = 5
MAX_REPETITION: Final = 20
DUPLICATES: Final = 8


def score_parts(
    *,
    negative: float,
    intent: str,
    severity: str | None,
    followers: int | None,
    mentions: int,
    earlier_cases: int,
    duplicates: int,
) -> tuple[ScorePart, ...]:
    """The reasons, greatest first. `earlier_cases` are the author's recent ones; `duplicates` the size of its group."""
    repetitions = mentions - 1 + earlier_cases
    reach = min(MAX_REACH, round(5 * log10(followers + 1) - 5)) if followers else 0
    parts = [
        ScorePart("negativity", round(NEGATIVITY * negative), f"{negative:.0%}"),
        ScorePart("severity", SEVERITY if severity else 0, severity or ""),
        ScorePart(intent, INTENT.get(intent, 0)),
        ScorePart("reach", reach, str(followers or 0)),
        ScorePart("repetition", min(MAX_REPETITION, REPETITION * repetitions), str(repetitions)),
        ScorePart("duplicates", round(DUPLICATES * log2(duplicates)) if duplicates > 1 else 0, str(duplicates)),
    ]
    return tuple(sorted((part for part in parts if part.points > 0), key=lambda part: -part.points))


def total(parts: Sequence[ScorePart]) -> int:
    return sum(part.points for part in parts)


def rank(score: int, received_at: datetime) -> float:
    """Higher comes first. Five minutes of waiting weigh as much as one point."""
    return score * SECONDS_PER_POINT - received_at.timestamp()


def waiting(received_at: datetime, now: datetime) -> ScorePart:
    """The part that grows while nothing happens."""
    minutes = max(0, int((now - received_at).total_seconds() // 60))
    return ScorePart("waiting", minutes * 60 // SECONDS_PER_POINT, str(minutes))
