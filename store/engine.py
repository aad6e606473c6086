"""One database, opened the way that loses nothing.

SQLite under asyncio loses updates by default: a deferred BEGIN lets two transactions read before either writes. Here all
writes of this process go through one connection that begins IMMEDIATE, and readers have their own.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from models.errors import OperatorError
from store.doorbell import Doorbell

BUSY_SECONDS: Final = 10
LOOK_SECONDS: Final = 0.3
"""How often SQLite is asked whether another process has written."""
READERS: Final = 4
CATALOGUE: Final = "catalogue"
"""Noted in the info of a session that changes brands, queues, members or saved replies."""


class Store:
    """`writing()` and `reading()` give a session inside one transaction; leaving `writing()` commits and rings.

    Without `ring` nobody is woken: for what no other step looks for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.doorbell = Doorbell()
        self.catalogue_changes = 0
        """How often this process has changed the catalogue."""
        self._writer = _engine(path, "BEGIN IMMEDIATE", connections=1)
        self._reader = _engine(path, "BEGIN", connections=READERS)
        self._watch: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def writing(self, *, ring: bool = True) -> AsyncIterator[AsyncSession]:
        with _in_words(self.path):
            async with AsyncSession(self._writer, expire_on_commit=False) as session, session.begin():
                yield session
        self.catalogue_changes += CATALOGUE in session.info
        if ring:
            self.doorbell.ring()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        with _in_words(self.path):
            async with AsyncSession(self._reader, expire_on_commit=False) as session, session.begin():
                yield session

    def watch_others(self) -> None:
        """From now on also rings when another process writes."""
        self._watch = asyncio.create_task(self._watching(), name="doorbell")

    async def _watching(self) -> None:
        async with self._reader.connect() as connection:
            raw = await connection.get_raw_connection()

            async def data_version() -> int:
                async with raw.driver_connection.execute("PRAGMA data_version") as rows:  # type: ignore[union-attr]
                    return int((await rows.fetchone())[0])

            await connection.rollback()
            await self.doorbell.watch(data_version, LOOK_SECONDS)

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._writer.dispose()
        await self._reader.dispose()

    async def damage(self) -> list[str]:
        """What SQLite's own check finds wrong; empty when nothing is."""
        async with self.reading() as session:
            found = (await session.execute(text("PRAGMA quick_check(5)"))).scalars().all()
        return [line for line in found if line != "ok"]


def _engine(path: Path, begin: str, connections: int) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        poolclass=AsyncAdaptedQueuePool,
        pool_size=connections,
        max_overflow=0,
        connect_args={"isolation_level": None},
        hide_parameters=True,  # an error must not carry what somebody wrote into the log
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
        "cache_size=-8000",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class _in_words:  # noqa: N801 - reads as a phrase
    """Turns what SQLite says into what an operator can do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, DatabaseError) and (words := explain(self.path, error.orig)):
            raise words from error


def explain(path: Path, error: BaseException | None) -> OperatorError | None:
    """The operator's words for an error of SQLite's, or None when it is a bug of ours."""
    said = str(error)
    if "database or disk is full" in said:
        return OperatorError(f"The disk that holds {path} is full.", "Free some space; Ascolto goes on by itself.")
    if "disk I/O error" in said or "unable to open database file" in said:
        return OperatorError(f"{path} cannot be read or written.", "Check the disk and the folder's permissions.")
    if "malformed" in said or "file is not a database" in said:
        return OperatorError(
            f"{path} is damaged or is not a database.", "Put it aside and bring back a copy: ascolto restore COPY"
        )
    if "readonly database" in said:
        return OperatorError(f"{path} is read-only.", "Give the person who runs Ascolto the right to write it.")
    if isinstance(error, sqlite3.OperationalError) and "locked" in said:
        return OperatorError(f"{path} has been locked by another program for {BUSY_SECONDS} s.", "Close that program.")
    return None
