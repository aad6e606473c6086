"""What SQLite and PostgreSQL spell differently."""

from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession


def insert(session: AsyncSession, table: type[Any]) -> sqlite.Insert:
    """An INSERT that supports ON CONFLICT; past the ORM, which would look at every row."""
    if _is_postgresql(session):
        return postgresql.insert(table.__table__)  # type: ignore[return-value]
    return sqlite.insert(table.__table__)


def greatest(session: AsyncSession, *values: Any) -> ColumnElement[Any]:
    """The greatest of several values in one row."""
    return (func.greatest if _is_postgresql(session) else func.max)(*values)


def _is_postgresql(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "postgresql"
