"""How far each listener, desk, deletion check and import has read."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.tables.cursor import Cursor, CursorKind
from store.engine import insert


async def load(session: AsyncSession, kind: CursorKind, connection: str) -> str | None:
    return await session.scalar(select(Cursor.value).where(Cursor.kind == kind, Cursor.connection == connection))


async def save(session: AsyncSession, kind: CursorKind, connection: str, value: str, now: datetime) -> None:
    statement = insert(session, Cursor).values(kind=kind, connection=connection, value=value, saved_at=now)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["kind", "connection"], set_={"value": value, "saved_at": now})
    )


async def remove(session: AsyncSession, kind: CursorKind, connection: str) -> None:
    await session.execute(delete(Cursor).where(Cursor.kind == kind, Cursor.connection == connection))
