"""What a team must see now. Each alert has a key and is raised once; a flood of one kind is shown on one card, with its count.

Nothing is silent without a count: what is grouped stands on the card that it is grouped in, and what a muted pattern kept
quiet is counted with it and told by the digest.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import select, update

from models.case import Alert, AlertMute, Case, Reply
from models.errors import Refused
from models.text import fold, one_line
from store.sql import insert
from triage import cards, guards
from triage.turn import Turn

GROUP: Final = timedelta(minutes=10)
AT_ONCE: Final = 3
"""Alerts of one kind that a queue gets one by one within GROUP; those after stand on the last of them."""
GROUPED: Final = frozenset({"grave", "late"})
"""What the house raises by itself. What a colleague asks for is never put among others."""
NOWHERE: Final = 0
"""The card on which muted alerts stand."""
MUTED_FOR: Final = timedelta(days=7)


async def grave(turn: Turn, case: Case, words: Sequence[str]) -> None:
    """A case speaks of something grave; the reason is the kind and the words in which it was found."""
    reason = f"{case.grave}: {', '.join(words[:3])}" if words else str(case.grave)
    pattern = f"{case.grave}:{fold(one_line(words[0], 40)) if words else ''}"
    await _raise(turn, f"grave:{case.id}:{case.grave}", "grave", case, reason, (), pattern)


async def late(turn: Turn, case: Case, called: Sequence[str]) -> None:
    """The first-answer deadline has passed, or passed again; `called` are the slugs of those whose turn it is."""
    await _raise(turn, f"late:{case.id}:{case.heard_at.timestamp():.0f}:{case.level}", "late", case, "", called)


async def escalated(turn: Turn, case: Case, reason: str, called: Sequence[str]) -> None:
    """A member asked for the next level."""
    await _raise(turn, f"escalated:{case.id}:{case.revision}", "escalated", case, reason, called)


async def approval(turn: Turn, case: Case, reply: Reply, able: Sequence[str]) -> None:
    """A reply waits for a second yes; `able` are the slugs of those who may give it."""
    await _raise(turn, f"approval:{reply.id}:{reply.revision}", "approval", case, one_line(reply.text, 200), able)


async def decided(turn: Turn, reply: Reply) -> None:
    """The reply waits no more: the cards that asked for a yes are drawn again, without the button."""
    await turn.session.execute(
        update(Alert)
        .where(Alert.case_id == reply.case_id, Alert.kind == "approval", Alert.key.startswith(f"approval:{reply.id}:"))
        .values(revision=Alert.revision + 1)
        .execution_options(synchronize_session="fetch")
    )


async def noted(turn: Turn, case: Case, by: int, text: str, called: Sequence[str]) -> None:
    """A note names colleagues."""
    who = turn.catalogue.members[by].name
    await _raise(turn, f"noted:{case.id}:{case.revision}", "noted", case, f"{who}: {one_line(text, 300)}", called)


async def mute(turn: Turn, case_id: int, member_id: int, pattern: str) -> AlertMute:
    """For a week this pattern raises no alerts for the brand; muting it again begins the week anew."""
    case = await guards.seen(turn, case_id, member_id)
    if not pattern or ":" not in pattern:
        raise Refused("This alert cannot be muted.")
    muted = await _muted(turn, case.brand_id, pattern)
    if muted is None:
        muted = AlertMute(brand_id=case.brand_id, pattern=pattern, silenced=0)
        turn.session.add(muted)
    muted.muted_by, muted.muted_at, muted.until = member_id, turn.now, turn.now + MUTED_FOR
    await turn.session.flush()
    return muted


async def unmute(turn: Turn, case_id: int, member_id: int, pattern: str) -> None:
    case = await guards.seen(turn, case_id, member_id)
    muted = await _muted(turn, case.brand_id, pattern)
    if muted is not None:
        muted.until = turn.now


async def _muted(turn: Turn, brand_id: int, pattern: str) -> AlertMute | None:
    return await turn.session.scalar(
        select(AlertMute)
        .where(AlertMute.brand_id == brand_id, AlertMute.pattern == pattern, AlertMute.until > turn.now)
        .order_by(AlertMute.id.desc())
        .limit(1)
    )


async def _raise(
    turn: Turn, key: str, kind: str, case: Case, reason: str, called: Sequence[str], pattern: str = ""
) -> None:
    values = {
        "key": key,
        "kind": kind,
        "brand_id": case.brand_id,
        "queue_id": case.queue_id,
        "case_id": case.id,
        "reason": reason,
        "called": ",".join(called),
        "raised_at": turn.now,
        "pattern": pattern,
        "revision": 1,
    }
    raised = await turn.session.execute(insert(turn.session, Alert).values(**values).on_conflict_do_nothing())
    if raised.rowcount != 1:  # type: ignore[attr-defined]
        return
    alert = (await turn.session.scalars(select(Alert).where(Alert.key == key))).one()
    muted = await _muted(turn, case.brand_id, pattern) if pattern else None
    if muted is not None:
        muted.silenced += 1
        alert.grouped_in = NOWHERE
        return
    if not await _joined(turn, alert):
        await cards.place(turn, "alert", alert.id, turn.queue(case))


async def _joined(turn: Turn, alert: Alert) -> bool:
    """Whether it stands on the card of an alert like it, because there were many just now."""
    if alert.kind not in GROUPED:
        return False
    code = alert.pattern.partition(":")[0]
    lately = await turn.session.scalars(
        select(Alert)
        .where(
            Alert.kind == alert.kind,
            Alert.queue_id == alert.queue_id,
            Alert.pattern.startswith(f"{code}:") if code else Alert.pattern == "",
            Alert.grouped_in.is_(None),
            Alert.id != alert.id,
            Alert.raised_at > turn.now - GROUP,
        )
        .order_by(Alert.id)
    )
    shown = lately.all()
    if len(shown) < AT_ONCE:
        return False
    alert.grouped_in = shown[-1].id
    await turn.session.execute(
        update(Alert)
        .where(Alert.id == shown[-1].id)
        .values(revision=Alert.revision + 1)
        .execution_options(synchronize_session="fetch")
    )
    return True
