"""Actions from chat desks: stored once, then performed in order."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.tables.action import Action, QueuedAction
from models.text import clean
from store.engine import insert


async def store_actions(session: AsyncSession, desk: str, actions: Sequence[Action], now: datetime) -> None:
    """An action that the platform repeats is the same action."""
    actions = [msgspec.structs.replace(a, text=clean(a.text), message=clean(a.message)) for a in actions]
    rows = [{"desk": desk, "native_id": a.native_id, "action": a, "received_at": now} for a in actions]
    if rows:
        await session.execute(insert(session, QueuedAction).on_conflict_do_nothing(), rows)


async def waiting_actions(session: AsyncSession, desk: str, limit: int) -> list[QueuedAction]:
    return list(
        await session.scalars(
            select(QueuedAction)
            .where(QueuedAction.desk == desk, QueuedAction.performed_at.is_(None))
            .order_by(QueuedAction.id)
            .limit(limit)
        )
    )
