"""How well we hear: states written down for everyone to see, and outages kept for the digest."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.source import Health, Kind, Outage, Source

AWAY: Final[frozenset[Health]] = frozenset({"backing off", "paused", "needs you"})


class Seen(msgspec.Struct, kw_only=True):
    """The state of a source as its supervisor knows it."""

    kind: Kind
    name: str
    platform: str
    health: Health
    since: datetime
    reason: str = ""
    fix: str = ""
    until: datetime | None = None
    last_event_at: datetime | None = None
    last_good_at: datetime | None = None


async def write(session: AsyncSession, seen: Iterable[Seen], now: datetime) -> None:
    """Writes the states, begins an outage where a source went away and ends it where it is back."""
    for state in seen:
        row = await session.get(Source, (state.kind, state.name))
        if row is None:
            row = Source(kind=state.kind, name=state.name)
            session.add(row)
        row.platform, row.health, row.reason, row.fix = state.platform, state.health, state.reason, state.fix
        row.since, row.until, row.seen_at = state.since, state.until, now
        row.last_event_at = state.last_event_at or row.last_event_at
        row.last_good_at = state.last_good_at or row.last_good_at
        await _outage(session, state)


async def _outage(session: AsyncSession, state: Seen) -> None:
    running = await session.scalar(
        select(Outage).where(Outage.kind == state.kind, Outage.name == state.name, Outage.ended_at.is_(None))
    )
    if state.health in AWAY and running is None:
        session.add(Outage(kind=state.kind, name=state.name, began_at=state.since, reason=state.reason))
    elif state.health in ("ok", "off") and running is not None:
        running.ended_at = state.since


async def turn_off(session: AsyncSession, running: Sequence[tuple[Kind, str]], now: datetime) -> None:
    """Sources that were known once and are not configured any more are off, and so not away."""
    for row in await session.scalars(select(Source).where(Source.health != "off")):
        if (row.kind, row.name) not in running:
            row.health, row.reason, row.fix, row.since, row.seen_at = "off", "", "", now, now
            await session.execute(
                update(Outage)
                .where(Outage.kind == row.kind, Outage.name == row.name, Outage.ended_at.is_(None))
                .values(ended_at=now)
            )


async def all_sources(session: AsyncSession) -> list[Source]:
    return list(await session.scalars(select(Source).where(Source.health != "off").order_by(Source.kind, Source.name)))
