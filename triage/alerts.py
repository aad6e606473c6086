"""Alerts: what a team must see now. Each has a key and is raised once; of a flood of one kind the later ones share a card.

Nothing is silent without a count: grouped alerts are counted on the card they share, muted ones with the mute, and the digest
reports those.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import select, update

from models.errors import Refused
from models.tables.alert import Alert, AlertKind, AlertMute
from models.tables.case import Case
from models.tables.reply import Reply
from models.text import fold, one_line
from store.engine import insert
from triage import card_placement
from triage.context import Context
from triage.permissions import get_visible_case

GROUP_WINDOW: Final = timedelta(minutes=10)
UNGROUPED: Final = 3
"""Alerts of one kind that a queue gets one by one within GROUP_WINDOW; later ones share the last one's card."""
GROUPED_KINDS: Final[frozenset[AlertKind]] = frozenset({"severe", "overdue"})
"""Raised by Ascolto itself. What a colleague asks for is never grouped."""
MUTE_DURATION: Final = timedelta(days=7)
MAX_WORDS: Final = 3
MAX_KEYWORD: Final = 40


async def raise_severe(context: Context, case: Case, words: Sequence[str]) -> None:
    """The case is severe; `words` are those in which the rules found the reason."""
    await _raise(
        context,
        f"severe:{case.id}:{case.severity}",
        "severe",
        case,
        severity=case.severity,
        words=tuple(words[:MAX_WORDS]),
        keyword=fold(one_line(words[0], MAX_KEYWORD)) if words else "",
    )


async def raise_overdue(context: Context, case: Case, notified: Sequence[str]) -> None:
    """The first answer is overdue, or still is after another step; `notified` are the slugs of whoever is next."""
    key = f"overdue:{case.id}:{case.received_at.timestamp():.0f}:{case.escalation_level}"
    await _raise(context, key, "overdue", case, notified=tuple(notified))


async def raise_escalated(context: Context, case: Case, reason: str, notified: Sequence[str]) -> None:
    key = f"escalated:{case.id}:{case.revision}"
    await _raise(context, key, "escalated", case, text=reason, notified=tuple(notified))


async def raise_approval(context: Context, case: Case, reply: Reply, approvers: Sequence[str]) -> None:
    """A reply needs approval; `approvers` are the slugs of those who can give it."""
    key = f"approval:{reply.id}:{reply.revision}"
    await _raise(context, key, "approval", case, text=one_line(reply.text, 200), notified=tuple(approvers))


async def approval_decided(context: Context, reply: Reply) -> None:
    """The reply no longer needs approval: the cards that asked for it are updated, without the button."""
    await context.session.execute(
        update(Alert)
        .where(Alert.case_id == reply.case_id, Alert.kind == "approval", Alert.key.startswith(f"approval:{reply.id}:"))
        .values(revision=Alert.revision + 1)
        .execution_options(synchronize_session="fetch")
    )


async def raise_note(context: Context, case: Case, author: int, text: str, notified: Sequence[str]) -> None:
    """A note mentions colleagues."""
    name = context.configuration.members[author].name
    text = f"{name}: {one_line(text, 300)}"
    await _raise(context, f"note:{case.id}:{case.revision}", "note", case, text=text, notified=tuple(notified))


async def mute(context: Context, alert_id: int, member_id: int) -> AlertMute:
    """For a week, alerts with this severity and keyword are muted for the brand; muting again restarts the week."""
    alert = await _visible_alert(context, alert_id, member_id)
    if not alert.severity:
        raise Refused("This alert cannot be muted.")
    muted = await _active_mute(context, alert)
    if muted is None:
        muted = AlertMute(brand_id=alert.brand_id, severity=alert.severity, keyword=alert.keyword, muted_count=0)
        context.session.add(muted)
    muted.muted_by, muted.muted_at, muted.until = member_id, context.now, context.now + MUTE_DURATION
    await context.session.flush()
    return muted


async def unmute(context: Context, alert_id: int, member_id: int) -> None:
    muted = await _active_mute(context, await _visible_alert(context, alert_id, member_id))
    if muted is not None:
        muted.until = context.now


async def _visible_alert(context: Context, alert_id: int, member_id: int) -> Alert:
    alert = await context.session.get(Alert, alert_id)
    if alert is None:
        raise Refused("This alert cannot be muted.")
    await get_visible_case(context, alert.case_id, member_id)
    return alert


async def _active_mute(context: Context, alert: Alert) -> AlertMute | None:
    return await context.session.scalar(
        select(AlertMute)
        .where(
            AlertMute.brand_id == alert.brand_id,
            AlertMute.severity == alert.severity,
            AlertMute.keyword == alert.keyword,
            AlertMute.until > context.now,
        )
        .order_by(AlertMute.id.desc())
        .limit(1)
    )


async def _raise(context: Context, key: str, kind: AlertKind, case: Case, **fields: object) -> None:
    row = {
        "text": "",
        "words": (),
        "keyword": "",
        "notified": (),
        **fields,
        "key": key,
        "kind": kind,
        "brand_id": case.brand_id,
        "queue_id": case.queue_id,
        "case_id": case.id,
        "raised_at": context.now,
        "muted": False,
        "revision": 1,
    }
    raised = await context.session.execute(insert(context.session, Alert).values(row).on_conflict_do_nothing())
    if raised.rowcount != 1:  # type: ignore[attr-defined]
        return
    alert = (await context.session.scalars(select(Alert).where(Alert.key == key))).one()
    mute = await _active_mute(context, alert) if alert.severity else None
    if mute is not None:
        mute.muted_count += 1
        alert.muted = True
    elif not await _join_group(context, alert):
        await card_placement.place(context, "alert", alert.id, context.queue(case))


async def _join_group(context: Context, alert: Alert) -> bool:
    """Whether it shares the card of a recent alert like it, because there were many."""
    if alert.kind not in GROUPED_KINDS:
        return False
    recent = await context.session.scalars(
        select(Alert)
        .where(
            Alert.kind == alert.kind,
            Alert.queue_id == alert.queue_id,
            Alert.severity == alert.severity if alert.severity else Alert.severity.is_(None),
            Alert.group_id.is_(None),
            Alert.muted.is_(False),
            Alert.id != alert.id,
            Alert.raised_at > context.now - GROUP_WINDOW,
        )
        .order_by(Alert.id)
    )
    shown = recent.all()
    if len(shown) < UNGROUPED:
        return False
    alert.group_id = shown[-1].id
    await context.session.execute(
        update(Alert)
        .where(Alert.id == shown[-1].id)
        .values(revision=Alert.revision + 1)
        .execution_options(synchronize_session="fetch")
    )
    return True
