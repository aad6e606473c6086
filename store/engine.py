"""One database, opened in the way that loses nothing.

SQLite under asyncio loses updates by default: a deferred BEGIN lets two transactions read before either writes. Here all
writes of this process go through one connection that begins IMMEDIATE, and readers have their own.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, event, func, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from models.errors import OperatorError
from store.change_notifier import ChangeNotifier

BUSY_SECONDS: Final = 10
POLL_SECONDS: Final = 0.3
"""How often SQLite is asked whether another process has written."""
READERS: Final = 4
CONFIGURATION_CHANGED: Final = "configuration changed"
"""Set in the info of a session that changes brands, queues, members or saved replies."""


class Store:
    """`writing()` and `reading()` give a session in a transaction; leaving `writing()` commits and notifies.

    Without `notify` nothing is woken: for what no worker looks for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notifier = ChangeNotifier()
        self.configuration_changes = 0
        """How often this process has changed the configuration."""
        self._writer = _engine(path, "BEGIN IMMEDIATE", connections=1)
        self._reader = _engine(path, "BEGIN", connections=READERS)
        self._watch: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def writing(self, *, notify: bool = True) -> AsyncIterator[AsyncSession]:
        with _operator_errors(self.path):
            async with AsyncSession(self._writer, expire_on_commit=False) as session, session.begin():
                yield session
        self.configuration_changes += CONFIGURATION_CHANGED in session.info
        if notify:
            self.notifier.notify()

    async def truncate_log(self) -> None:
        """Writes the log into the database and empties it; what is erased stands in neither afterwards."""
        async with self._writer.connect() as connection:
            raw = await connection.get_raw_connection()
            if raw.driver_connection is not None:
                cursor = await raw.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                await cursor.close()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        with _operator_errors(self.path):
            async with AsyncSession(self._reader, expire_on_commit=False) as session, session.begin():
                yield session

    def watch_other_processes(self) -> None:
        """From now on also notifies when another process writes."""
        self._watch = asyncio.create_task(self._poll(), name="change notifier")

    async def _poll(self) -> None:
        async with self._reader.connect() as connection:
            raw = await connection.get_raw_connection()

            async def data_version() -> int:
                async with raw.driver_connection.execute("PRAGMA data_version") as rows:  # type: ignore[union-attr]
                    return int((await rows.fetchone())[0])

            await connection.rollback()
            await self.notifier.watch(data_version, POLL_SECONDS)

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._writer.dispose()
        await self._reader.dispose()

    async def integrity_errors(self) -> list[str]:
        """What SQLite's own check finds wrong."""
        async with self.reading() as session:
            lines = (await session.execute(text("PRAGMA quick_check(5)"))).scalars().all()
        return [line for line in lines if line != "ok"]


def _engine(path: Path, begin: str, connections: int) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        poolclass=AsyncAdaptedQueuePool,
        pool_size=connections,
        max_overflow=0,
        connect_args={"isolation_level": None},
        hide_parameters=True,  # an error must not put what somebody wrote into the log
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        configure(connection)

    @event.listens_for(engine.sync_engine, "begin")
    def _(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def configure(connection: Any) -> None:
    """The pragmas of every connection. FULL: a reply marked as sending must survive a power cut, or it is sent twice."""
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        "cache_size=-8000",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def _operator_errors(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into what an operator can do."""
    try:
        yield
    except DatabaseError as error:
        if explained := explain(path, error.orig):
            raise explained from error
        raise


def explain(path: Path, error: BaseException | None) -> OperatorError | None:
    """The operator's words for an error of SQLite's, or None where it is a bug of ours."""
    message = str(error)
    if "database or disk is full" in message:
        return OperatorError(f"The disk that holds {path} is full.", "Free some space; Ascolto continues by itself.")
    if "disk I/O error" in message or "unable to open database file" in message:
        return OperatorError(f"{path} cannot be read or written.", "Check the disk and the folder's permissions.")
    if "malformed" in message or "file is not a database" in message:
        return OperatorError(
            f"{path} is damaged or is not a database.", "Move it away and restore a copy: ascolto restore COPY"
        )
    if "readonly database" in message:
        return OperatorError(f"{path} is read-only.", "Give the account that runs Ascolto permission to write it.")
    if isinstance(error, sqlite3.OperationalError) and "locked" in message:
        return OperatorError(f"{path} has been locked by another program for {BUSY_SECONDS} s.", "Close that program.")
    return None


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
