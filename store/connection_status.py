"""The state of every connection, for everyone to see, and outages, for the digest."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.tables.connection_status import ConnectionStatus, Health, Outage, Role

DOWN: Final[frozenset[Health]] = frozenset({"backing off", "paused", "needs you"})


class Report(msgspec.Struct, kw_only=True):
    """The state of a connection as its supervisor knows it."""

    role: Role
    name: str
    platform: str
    health: Health
    since: datetime
    reason: str = ""
    fix: str = ""
    until: datetime | None = None
    last_event_at: datetime | None = None
    last_success_at: datetime | None = None


async def save_reports(session: AsyncSession, reports: Iterable[Report], now: datetime) -> None:
    """Stores the states; begins an outage where a connection went down and ends it where it is back."""
    for report in reports:
        row = await session.get(ConnectionStatus, (report.role, report.name))
        if row is None:
            row = ConnectionStatus(role=report.role, name=report.name)
            session.add(row)
        row.platform, row.health, row.reason, row.fix = report.platform, report.health, report.reason, report.fix
        row.since, row.until, row.reported_at = report.since, report.until, now
        row.last_event_at = report.last_event_at or row.last_event_at
        row.last_success_at = report.last_success_at or row.last_success_at
        await _update_outage(session, report)


async def _update_outage(session: AsyncSession, report: Report) -> None:
    outage = await session.scalar(
        select(Outage).where(Outage.role == report.role, Outage.name == report.name, Outage.ended_at.is_(None))
    )
    if report.health in DOWN and outage is None:
        session.add(Outage(role=report.role, name=report.name, began_at=report.since, reason=report.reason))
    elif report.health in ("connected", "off") and outage is not None:
        outage.ended_at = report.since


async def turn_off(session: AsyncSession, running: Sequence[tuple[Role, str]], now: datetime) -> None:
    """Connections that are no longer configured are off, and so not down."""
    for row in await session.scalars(select(ConnectionStatus).where(ConnectionStatus.health != "off")):
        if (row.role, row.name) not in running:
            row.health, row.reason, row.fix, row.since, row.reported_at = "off", "", "", now, now
            await session.execute(
                update(Outage)
                .where(Outage.role == row.role, Outage.name == row.name, Outage.ended_at.is_(None))
                .values(ended_at=now)
            )


async def all_connections(session: AsyncSession) -> list[ConnectionStatus]:
    """Without those that are off."""
    return list(
        await session.scalars(
            select(ConnectionStatus)
            .where(ConnectionStatus.health != "off")
            .order_by(ConnectionStatus.role, ConnectionStatus.name)
        )
    )
