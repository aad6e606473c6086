"""Alerts as they are raised, for pages that show them at once."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.tables.alert import Alert


async def raised_since(session: AsyncSession, alert_id: int) -> Sequence[Alert]:
    """Alerts after `alert_id`, without those that are muted or share another's card."""
    rows = await session.scalars(
        select(Alert).where(Alert.id > alert_id, Alert.group_id.is_(None), Alert.muted.is_(False)).order_by(Alert.id)
    )
    return rows.all()


async def last_alert(session: AsyncSession) -> int:
    return await session.scalar(select(func.max(Alert.id))) or 0
