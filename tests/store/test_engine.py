import asyncio
import sqlite3
from pathlib import Path

import pytest
from conftest import NOW
from sqlalchemy import select, text, update

from models.errors import OperatorError
from models.mention import Bookmark
from store.engine import Store
from store.mentions import save_bookmark


async def test_a_hundred_writers_at_once_lose_no_update(store: Store):
    async with store.writing() as session:
        await save_bookmark(session, "count", "0", NOW)

    async def add_one() -> None:
        async with store.writing() as session:
            value = await session.scalar(select(Bookmark.value))
            await asyncio.sleep(0)
            await session.execute(update(Bookmark).values(value=str(int(value) + 1)))

    await asyncio.gather(*(add_one() for _ in range(100)))
    async with store.reading() as session:
        assert await session.scalar(select(Bookmark.value)) == "100"


async def test_two_processes_writing_lose_no_update(store: Store, database: Path):
    other = Store(database)
    async with store.writing() as session:
        await save_bookmark(session, "count", "0", NOW)

    async def add_one(through: Store) -> None:
        async with through.writing() as session:
            value = await session.scalar(select(Bookmark.value))
            await session.execute(update(Bookmark).values(value=str(int(value) + 1)))

    await asyncio.gather(*(add_one(through) for through in (store, other) for _ in range(30)))
    async with store.reading() as session:
        assert await session.scalar(select(Bookmark.value)) == "60"
    await other.close()


async def test_what_fails_halfway_leaves_nothing(store: Store):
    with pytest.raises(RuntimeError):
        async with store.writing() as session:
            await save_bookmark(session, "feed", "1", NOW)
            raise RuntimeError
    async with store.reading() as session:
        assert await session.scalar(select(Bookmark.value)) is None


async def test_whoever_writes_rings(store: Store):
    seen = store.doorbell.rings
    waiting = asyncio.create_task(store.doorbell.wait(seen, 5))
    async with store.writing() as session:
        await save_bookmark(session, "feed", "1", NOW)
    await asyncio.wait_for(waiting, 1)
    await asyncio.wait_for(store.doorbell.wait(seen, 5), 1)


async def test_the_bell_rings_when_another_process_writes(store: Store, database: Path):
    store.watch_others()
    await asyncio.sleep(0.1)
    seen = store.doorbell.rings
    with sqlite3.connect(database) as other:
        other.execute("INSERT INTO bookmark VALUES ('a', 'b', '2026-01-01 00:00:00.000000')")
    other.close()
    await store.doorbell.wait(seen, 5)
    assert store.doorbell.rings > seen


async def test_a_full_disk_is_told_in_words_and_is_over_when_there_is_space(store: Store):
    async with store.writing() as session:
        pages = await session.scalar(text("PRAGMA page_count"))
        await session.execute(text(f"PRAGMA max_page_count={pages}"))
    with pytest.raises(OperatorError, match="is full"):
        async with store.writing() as session:
            await save_bookmark(session, "feed", "x" * 1_000_000, NOW)
    async with store.writing() as session:
        await session.execute(text("PRAGMA max_page_count=1000000"))
        await save_bookmark(session, "feed", "x" * 1_000_000, NOW)


async def test_a_damaged_database_is_named_with_the_way_back(database: Path):
    raw = bytearray(database.read_bytes())
    raw[4096:60000] = b"\xff" * (60000 - 4096)
    database.write_bytes(raw)
    store = Store(database)
    with pytest.raises(OperatorError, match="ascolto restore"):
        async with store.reading() as session:
            await session.execute(select(Bookmark))
    await store.close()
