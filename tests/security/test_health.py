"""The health check says no while nothing can be written, soon, and yes again afterwards."""

import asyncio
import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from web_desk import Desk

from store import engine


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that waits one second for a lock, in place of ten; asked for before the desk."""
    monkeypatch.setattr(engine, "BUSY_SECONDS", 1)


async def health(desk: Desk) -> tuple[int, bool]:
    """The status and `ok`, a minute after the last time it was asked."""
    desk.harness.advance(minutes=1)
    async with asyncio.timeout(5), desk.browser().get("/healthz") as response:
        return response.status, bool((await response.json())["ok"])


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow or be written beyond its first byte; reading works."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_it_is_well_while_all_is_well(desk: Desk):
    assert await health(desk) == (200, True)


async def test_a_full_disk_is_told_and_its_end_too(desk: Desk):
    assert await health(desk) == (200, True)
    with full_disk():
        answer = await health(desk)
    assert answer == (503, False)
    assert await health(desk) == (200, True)


async def test_a_full_disk_is_told_at_once_where_it_was_well_a_moment_before(desk: Desk):
    """Fifteen seconds later at most: monitors ask every minute."""
    assert await health(desk) == (200, True)
    with full_disk():
        desk.harness.advance(seconds=15)
        async with desk.browser().get("/healthz") as response:
            assert response.status == 503


async def test_a_locked_database_is_told(impatient: None, desk: Desk):
    assert await health(desk) == (200, True)
    with closing(sqlite3.connect(desk.harness.store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await health(desk) == (503, False)
        other.execute("ROLLBACK")
    assert await health(desk) == (200, True)


async def test_a_damaged_database_is_told(desk: Desk):
    assert await health(desk) == (200, True)
    await desk.harness.store.close()
    path: Path = desk.harness.store.path
    with path.open("r+b") as file:
        file.seek(100)
        file.write(bytes(path.stat().st_size - 100))
    assert await health(desk) == (503, False)


async def test_a_database_that_may_not_be_written_is_told(desk: Desk):
    async with desk.harness.store._writer.connect() as connection:
        await connection.exec_driver_sql("PRAGMA query_only=ON")
        await connection.rollback()
    assert await health(desk) == (503, False)


async def test_it_tells_strangers_neither_names_nor_reasons(desk: Desk):
    with full_disk():
        desk.harness.advance(minutes=1)
        async with desk.browser().get("/healthz") as response:
            text = await response.text()
    for word in ("ferroviola", "panegrano", "ana", str(desk.harness.store.path), "sqlite"):
        assert word not in text.lower()


async def test_asking_a_thousand_times_writes_no_thousand_times(desk: Desk):
    """Anybody may ask."""
    before = desk.harness.store.path.with_name(desk.harness.store.path.name + "-wal").stat().st_size
    browser, start = desk.browser(), time.monotonic()
    for _ in range(200):
        async with browser.get("/healthz") as response:
            assert response.status == 200
    after = desk.harness.store.path.with_name(desk.harness.store.path.name + "-wal").stat().st_size
    assert after - before < 100_000
    assert time.monotonic() - start < 4
