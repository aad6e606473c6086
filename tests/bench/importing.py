"""Import into SQLite from start to end, without classification: parse, match, remove duplicates, store, index.

The yardstick writes the same rows into the same tables, indexes and full-text search with `sqlite3` alone, in the same batches.
"""

import asyncio
import json
import sqlite3
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, rate, texts, times
from rich.progress import Progress

from ascolto.application import Application, utc_now
from ascolto.commands.import_mentions import BATCH, import_rows
from config.settings import Settings
from models.configuration import Brand, BrandQuery, ConfigurationFile
from models.sentiment import load
from store import schema
from store.configuration import apply_changes
from store.engine import configure

ROWS = 40_000


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "rows.jsonl"
        posts = texts()
        with file.open("w", encoding="utf-8") as rows:
            for number in range(ROWS):
                row = {
                    "platform": "x",
                    "id": str(number),
                    "url": f"https://x.example/{number}",
                    "author": {"handle": f"a{number % 9_000}", "followers": number % 500},
                    "text": f"{posts[number % len(posts)]} ferroviola {number}",
                    "created_at": "2026-11-01T10:00:00+01:00",
                    "language": "it",
                }
                rows.write(json.dumps(row) + "\n")
        import_seconds = asyncio.run(_import(folder / "imported.db", file))
        raw_seconds = _insert_all(folder / "imported.db", folder / "raw.db")
    return [
        Figure(
            f"import of {ROWS:,} mentions into SQLite",
            rate(ROWS / import_seconds),
            f"{rate(ROWS / raw_seconds)} raw sqlite3",
            times(raw_seconds / import_seconds),
            "≥ 0.3×",
        )
    ]


async def _import(path: Path, file: Path) -> float:
    """Seconds."""
    schema.prepare(path)
    application = Application(path, load())
    brand = Brand(slug="ferroviola", name="F", queries=(BrandQuery(slug="name", text="ferroviola OR #ferroviola"),))
    async with application.store.writing() as session:
        await apply_changes(session, ConfigurationFile(brands=(brand,)), utc_now())
    with Progress(disable=True) as progress:
        started = time.perf_counter()
        report = await import_rows(application, Settings(), file, "", progress)
        seconds = time.perf_counter() - started
    await application.close()
    if report.new != ROWS:
        raise RuntimeError(f"imported {report.new} of {ROWS}")
    return seconds


def _insert_all(filled: Path, empty: Path) -> float:
    """Seconds to insert the imported rows, which are read first, into an empty database."""
    tables = ("author", "mention", "mention_brand")
    source = sqlite3.connect(filled)
    rows = {table: source.execute(f"SELECT * FROM {table}").fetchall() for table in tables}  # noqa: S608
    brands = source.execute("SELECT * FROM brand").fetchall()
    source.close()
    schema.prepare(empty)
    target = sqlite3.connect(empty, isolation_level=None)
    configure(target)
    target.executemany("INSERT INTO brand VALUES (?,?,?,?)", brands)
    authors = iter(rows["author"])
    started = time.perf_counter()
    for start in range(0, len(rows["mention"]), BATCH):
        target.execute("BEGIN IMMEDIATE")
        count = BATCH if start + BATCH < len(rows["mention"]) else len(rows["author"])
        _insert(target, "author", [row for _, row in zip(range(count), authors, strict=False)])
        _insert(target, "mention", rows["mention"][start : start + BATCH])
        _insert(target, "mention_brand", rows["mention_brand"][start : start + BATCH])
        target.execute("COMMIT")
    seconds = time.perf_counter() - started
    target.close()
    return seconds


def _insert(target: sqlite3.Connection, table: str, rows: list[tuple[object, ...]]) -> None:
    if rows:
        target.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)  # noqa: S608
