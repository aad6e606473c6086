"""Import into SQLite end to end, without reading: parse, match, dedupe, store, index.

The yardstick writes the same rows into the same tables, indexes and search with `sqlite3` alone, in the same batches.
"""

import asyncio
import json
import sqlite3
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, rate, texts, times
from rich.progress import Progress

from ascolto.house import House, utc_now
from ascolto.importing import BATCH, import_rows
from config.settings import Settings
from models.catalogue import Brand, BrandQuery, Contents
from models.sentiment import load
from store import catalogue, schema
from store.engine import configure

ROWS = 40_000


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "rows.jsonl"
        said = texts()
        with file.open("w", encoding="utf-8") as rows:
            for number in range(ROWS):
                row = {
                    "platform": "x",
                    "id": str(number),
                    "url": f"https://x.example/{number}",
                    "author": {"handle": f"a{number % 9_000}", "followers": number % 500},
                    "text": f"{said[number % len(said)]} ferroviola {number}",
                    "created_at": "2026-11-01T10:00:00+01:00",
                    "language": "it",
                }
                rows.write(json.dumps(row) + "\n")
        ours = asyncio.run(_ours(folder / "ours.db", file))
        raw = _raw(folder / "ours.db", folder / "raw.db")
    return [
        Figure(
            f"import of {ROWS:,} mentions into SQLite",
            rate(ROWS / ours),
            f"{rate(ROWS / raw)} raw sqlite3",
            times(raw / ours),
            "≥ 0.3×",
        )
    ]


async def _ours(path: Path, file: Path) -> float:
    schema.prepare(path)
    house = House(path, load())
    brand = Brand(slug="ferroviola", name="F", queries=(BrandQuery(slug="name", text="ferroviola OR #ferroviola"),))
    async with house.store.writing() as session:
        await catalogue.apply(session, Contents(brands=(brand,)), utc_now())
    with Progress(disable=True) as progress:
        began = time.perf_counter()
        report = await import_rows(house, Settings(), file, "", progress)
        took = time.perf_counter() - began
    await house.close()
    if report.new != ROWS:
        raise RuntimeError(f"imported {report.new} of {ROWS}")
    return took


def _raw(filled: Path, empty: Path) -> float:
    """The rows that we wrote, read back first and then written by hand."""
    tables = ("author", "mention", "mention_brand")
    source = sqlite3.connect(filled)
    kept = {table: source.execute(f"SELECT * FROM {table}").fetchall() for table in tables}  # noqa: S608
    brands = source.execute("SELECT * FROM brand").fetchall()
    source.close()
    schema.prepare(empty)
    target = sqlite3.connect(empty, isolation_level=None)
    configure(target)
    target.executemany("INSERT INTO brand VALUES (?,?,?,?)", brands)
    authors = iter(kept["author"])
    began = time.perf_counter()
    for start in range(0, len(kept["mention"]), BATCH):
        target.execute("BEGIN IMMEDIATE")
        count = BATCH if start + BATCH < len(kept["mention"]) else len(kept["author"])
        _insert(target, "author", [row for _, row in zip(range(count), authors, strict=False)])
        _insert(target, "mention", kept["mention"][start : start + BATCH])
        _insert(target, "mention_brand", kept["mention_brand"][start : start + BATCH])
        target.execute("COMMIT")
    took = time.perf_counter() - began
    target.close()
    return took


def _insert(target: sqlite3.Connection, table: str, rows: list[tuple[object, ...]]) -> None:
    if rows:
        target.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)  # noqa: S608
