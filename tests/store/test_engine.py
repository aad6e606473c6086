import asyncio
import sqlite3
from pathlib import Path

import pytest
from conftest import NOW
from sqlalchemy import select, text, update

from models.errors import OperatorError
from models.tables.cursor import Cursor
from store import cursors
from store.engine import Store


async def test_a_hundred_concurrent_writers_lose_no_update(store: Store):
    async with store.writing() as session:
        await cursors.save(session, "listener", "count", "0", NOW)

    async def add_one() -> None:
        async with store.writing() as session:
            value = await session.scalar(select(Cursor.value))
            await asyncio.sleep(0)
            await session.execute(update(Cursor).values(value=str(int(value) + 1)))

    await asyncio.gather(*(add_one() for _ in range(100)))
    async with store.reading() as session:
        assert await session.scalar(select(Cursor.value)) == "100"


async def test_two_writing_processes_lose_no_update(store: Store, database: Path):
    other = Store(database)
    async with store.writing() as session:
        await cursors.save(session, "listener", "count", "0", NOW)

    async def add_one(through: Store) -> None:
        async with through.writing() as session:
            value = await session.scalar(select(Cursor.value))
            await session.execute(update(Cursor).values(value=str(int(value) + 1)))

    await asyncio.gather(*(add_one(through) for through in (store, other) for _ in range(30)))
    async with store.reading() as session:
        assert await session.scalar(select(Cursor.value)) == "60"
    await other.close()


async def test_a_transaction_that_fails_halfway_leaves_nothing(store: Store):
    with pytest.raises(RuntimeError):
        async with store.writing() as session:
            await cursors.save(session, "listener", "feed", "1", NOW)
            raise RuntimeError
    async with store.reading() as session:
        assert await session.scalar(select(Cursor.value)) is None


async def test_every_write_notifies(store: Store):
    seen = store.notifier.version
    waiting = asyncio.create_task(store.notifier.wait(seen, 5))
    async with store.writing() as session:
        await cursors.save(session, "listener", "feed", "1", NOW)
    await asyncio.wait_for(waiting, 1)
    await asyncio.wait_for(store.notifier.wait(seen, 5), 1)


async def test_a_write_of_another_process_notifies(store: Store, database: Path):
    store.watch_other_processes()
    await asyncio.sleep(0.1)
    seen = store.notifier.version
    with sqlite3.connect(database) as other:
        other.execute("INSERT INTO cursor VALUES ('listener', 'a', 'b', '2026-01-01 00:00:00.000000')")
    other.close()
    await store.notifier.wait(seen, 5)
    assert store.notifier.version > seen


async def test_a_full_disk_is_reported_in_words_and_writing_resumes_when_there_is_space(store: Store):
    async with store.writing() as session:
        pages = await session.scalar(text("PRAGMA page_count"))
        await session.execute(text(f"PRAGMA max_page_count={pages}"))
    with pytest.raises(OperatorError, match="is full"):
        async with store.writing() as session:
            await cursors.save(session, "listener", "feed", "x" * 1_000_000, NOW)
    async with store.writing() as session:
        await session.execute(text("PRAGMA max_page_count=1000000"))
        await cursors.save(session, "listener", "feed", "x" * 1_000_000, NOW)


async def test_a_damaged_database_is_reported_with_the_way_to_restore_it(database: Path):
    raw = bytearray(database.read_bytes())
    raw[4096:60000] = b"\xff" * (60000 - 4096)
    database.write_bytes(raw)
    store = Store(database)
    with pytest.raises(OperatorError, match="ascolto restore"):
        async with store.reading() as session:
            await session.execute(select(Cursor))
    await store.close()
