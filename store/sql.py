"""The two statements that SQLite and PostgreSQL spell alike but SQLAlchemy keeps in two places."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession


def insert(session: AsyncSession, table: type[Any]) -> sqlite.Insert:
    """An INSERT that knows ON CONFLICT, for the database at hand; past the ORM, which would look at every row."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table.__table__)  # type: ignore[return-value]
    return sqlite.insert(table.__table__)
