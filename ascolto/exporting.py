"""`ascolto export`: all mentions of a brand, in the form that `ascolto import` reads, with what was read in them."""

import asyncio
import csv
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec
import typer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ascolto.showing import brand_ids
from config.settings import Settings
from models.errors import OperatorError
from models.mention import Author, Mention, MentionBrand
from store import catalogue as catalogues
from store import schema
from store.engine import Store

BATCH: Final = 1_000
COLUMNS: Final = (
    "platform", "id", "url", "author", "author_name", "author_followers", "text", "created_at", "language", "thread",
    "parent", "brand", "query", "sentiment", "negative", "neutral", "positive", "intent", "topics", "case",
)  # fmt: skip
_RUNS: Final = re.compile(r"(^|[;\n\r])(?=[=+\-@\t\r])")
"""Where a spreadsheet would begin a formula; many in Europe begin a cell after a semicolon, too."""


def export(settings: Settings, out: Path, brand: str) -> None:
    if out.suffix.lower() not in (".csv", ".jsonl"):
        raise OperatorError(f"{out} is neither .csv nor .jsonl.", "The ending says which of the two is written.")
    if out.exists():
        raise OperatorError(f"{out} exists already.", "Name another file.")
    typer.echo(f"{asyncio.run(_export(settings, out, brand))} mentions written to {out}.")


async def _export(settings: Settings, out: Path, brand: str) -> int:
    await asyncio.to_thread(schema.prepare, settings.store.path)
    store = Store(settings.store.path)
    count = 0
    try:
        async with store.reading() as session:
            catalogue = await catalogues.load(session)
            brands = brand_ids(settings, catalogue, brand)
            names = {number: catalogue.brands[number].slug for number in brands}
            with out.open("w", encoding="utf-8", newline="") as file:
                write = _csv_writer(file) if out.suffix.lower() == ".csv" else _json_writer(file)
                async for mention, author, read in _rows(session, brands):
                    write(_row(mention, author, read, names[read.brand_id]))
                    count += 1
    finally:
        await store.close()
    return count


async def _rows(session: AsyncSession, brands: list[int]) -> AsyncIterator[tuple[Mention, Author, MentionBrand]]:
    """In the order they were heard; what was deleted on its platform is not given away."""
    last = 0
    while True:
        found = (
            await session.execute(
                select(Mention, Author, MentionBrand)
                .join(Author, Author.id == Mention.author_id)
                .join(MentionBrand, MentionBrand.mention_id == Mention.id)
                .where(Mention.id > last, MentionBrand.brand_id.in_(brands), Mention.deleted_at.is_(None))
                .order_by(Mention.id, MentionBrand.brand_id)
                .limit(BATCH)
            )
        ).all()
        # A mention of several brands must not be cut in two by the end of a batch.
        whole = found if len(found) < BATCH else [row for row in found if row[0].id != found[-1][0].id]
        for mention, author, read in whole:
            yield mention, author, read
        if len(found) < BATCH:
            return
        last = whole[-1][0].id
        session.expunge_all()


def _row(mention: Mention, author: Author, read: MentionBrand, brand: str) -> dict[str, Any]:
    return {
        "platform": mention.platform,
        "id": mention.native_id,
        "url": mention.url,
        "author": {"handle": author.handle, "name": author.name, "followers": author.followers},
        "text": mention.text,
        "created_at": mention.created_at.isoformat(),
        "language": read.language or mention.language,
        "thread": mention.thread,
        "parent": mention.parent,
        "brand": brand,
        "query": read.query,
        "sentiment": read.felt,
        "negative": read.negative,
        "neutral": read.neutral,
        "positive": read.positive,
        "intent": read.intent,
        "topics": list(read.topics),
        "case": read.case_id,
    }


def _json_writer(file: Any) -> Any:
    return lambda row: file.write(msgspec.json.encode(row).decode() + "\n")


def _csv_writer(file: Any) -> Any:
    """Cells that a spreadsheet would run as a formula get an apostrophe in front, as spreadsheets write text themselves."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)

    def write(row: dict[str, Any]) -> None:
        author = row["author"]
        flat = {
            **row,
            "author": author["handle"],
            "author_name": author["name"],
            "author_followers": author["followers"],
        }
        flat["topics"] = " ".join(row["topics"])
        writer.writerow([_cell(flat[column]) for column in COLUMNS])

    return write


def _cell(value: Any) -> Any:
    return _RUNS.sub(r"\1'", value) if isinstance(value, str) else value
