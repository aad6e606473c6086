"""What a team must see now. Each alert has a key and is raised once."""

from collections.abc import Sequence

from sqlalchemy import select

from models.case import Alert, Case
from store.sql import insert
from triage import cards
from triage.turn import Turn


async def grave(turn: Turn, case: Case, words: Sequence[str]) -> None:
    """A case speaks of something grave; the reason is the kind and the words in which it was found."""
    reason = f"{case.grave}: {', '.join(words[:3])}" if words else str(case.grave)
    await _raise(turn, f"grave:{case.id}:{case.grave}", "grave", case, reason, ())


async def late(turn: Turn, case: Case, called: Sequence[str]) -> None:
    """The first-answer deadline has passed, or passed again; `called` are the slugs of those whose turn it is."""
    await _raise(turn, f"late:{case.id}:{case.heard_at.timestamp():.0f}:{case.level}", "late", case, "", called)


async def escalated(turn: Turn, case: Case, reason: str, called: Sequence[str]) -> None:
    """A member asked for the next level."""
    await _raise(turn, f"escalated:{case.id}:{case.revision}", "escalated", case, reason, called)


async def _raise(turn: Turn, key: str, kind: str, case: Case, reason: str, called: Sequence[str]) -> None:
    values = {
        "key": key,
        "kind": kind,
        "brand_id": case.brand_id,
        "queue_id": case.queue_id,
        "case_id": case.id,
        "reason": reason,
        "called": ",".join(called),
        "raised_at": turn.now,
    }
    await turn.session.execute(insert(turn.session, Alert).values(**values).on_conflict_do_nothing())
    number = await turn.session.scalar(select(Alert.id).where(Alert.key == key))
    if number is not None:
        await cards.place(turn, "alert", number, turn.queue(case))
