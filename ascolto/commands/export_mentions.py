"""`ascolto export`: all mentions of a brand with their analysis, in the format that `ascolto import` reads."""

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

from ascolto.commands.listing import brand_ids
from config.settings import Settings
from models.errors import OperatorError
from models.tables.mention import Author, Mention, MentionBrand
from store import schema
from store.configuration import load_configuration
from store.engine import Store

BATCH: Final = 1_000
COLUMNS: Final = (
    "platform", "id", "url", "author", "author_name", "author_followers", "text", "created_at", "language", "thread",
    "parent", "brand", "query", "sentiment", "negative", "neutral", "positive", "intent", "topics", "case",
)  # fmt: skip
GUARDED: Final = frozenset({"author", "author_name", "text", "query", "topics"})
"""Columns with what somebody wrote; an id that begins with a sign is no formula, and must stay as it is."""
_FORMULA: Final = re.compile(r"(^|[;\n\r])(?=[=+\-@\t\r])")
"""Where a spreadsheet would see a formula; in many European locales a cell also starts after a semicolon."""


def export(settings: Settings, out: Path, brand: str) -> None:
    if out.suffix.lower() not in (".csv", ".jsonl"):
        raise OperatorError(f"{out} is neither .csv nor .jsonl.", "Name a .csv or a .jsonl file.")
    if out.exists():
        raise OperatorError(f"{out} exists already.", "Use another file.")
    out.touch(mode=0o600)  # what people wrote is for nobody else on this machine
    typer.echo(f"{asyncio.run(_export(settings, out, brand))} mentions written to {out}.")


async def _export(settings: Settings, out: Path, brand: str) -> int:
    await asyncio.to_thread(schema.prepare, settings.store.path)
    store = Store(settings.store.path)
    count = 0
    try:
        async with store.reading() as session:
            configuration = await load_configuration(session)
            brands = brand_ids(settings, configuration, brand)
            slugs = {number: configuration.brands[number].slug for number in brands}
            encoding = "utf-8-sig" if out.suffix.lower() == ".csv" else "utf-8"  # the mark by which Excel knows UTF-8
            with out.open("w", encoding=encoding, newline="") as file:
                write = _csv_writer(file) if out.suffix.lower() == ".csv" else _json_writer(file)
                async for mention, author, match in _rows(session, brands):
                    write(_row(mention, author, match, slugs[match.brand_id]))
                    count += 1
    finally:
        await store.close()
    return count


async def _rows(session: AsyncSession, brands: list[int]) -> AsyncIterator[tuple[Mention, Author, MentionBrand]]:
    """In the order they were received, without those deleted on their platform."""
    last = 0
    while True:
        rows = (
            await session.execute(
                select(Mention, Author, MentionBrand)
                .join(Author, Author.id == Mention.author_id)
                .join(MentionBrand, MentionBrand.mention_id == Mention.id)
                .where(Mention.id > last, MentionBrand.brand_id.in_(brands), Mention.deleted_at.is_(None))
                .order_by(Mention.id, MentionBrand.brand_id)
                .limit(BATCH)
            )
        ).all()
        # The rows of a mention of several brands must not be split by the end of a batch.
        complete = rows if len(rows) < BATCH else [row for row in rows if row[0].id != rows[-1][0].id]
        for mention, author, match in complete:
            yield mention, author, match
        if len(rows) < BATCH:
            return
        last = complete[-1][0].id
        session.expunge_all()


def _row(mention: Mention, author: Author, match: MentionBrand, brand: str) -> dict[str, Any]:
    return {
        "platform": mention.platform,
        "id": mention.native_id,
        "url": mention.url,
        "author": {"handle": author.handle, "name": author.name, "followers": author.followers},
        "text": mention.text,
        "created_at": mention.created_at.isoformat(),
        "language": match.language or mention.language,
        "thread": mention.thread,
        "parent": mention.parent,
        "brand": brand,
        "query": match.query,
        "sentiment": match.effective_sentiment,
        "negative": match.negative,
        "neutral": match.neutral,
        "positive": match.positive,
        "intent": match.intent,
        "topics": list(match.topics),
        "case": match.case_id,
    }


def _json_writer(file: Any) -> Any:
    return lambda row: file.write(msgspec.json.encode(row).decode() + "\n")


def _csv_writer(file: Any) -> Any:
    """Cells that a spreadsheet would run as a formula get a leading apostrophe, which marks text."""
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
        writer.writerow([_cell(flat[column]) if column in GUARDED else flat[column] for column in COLUMNS])

    return write


def _cell(value: Any) -> Any:
    return _FORMULA.sub(r"\1'", value) if isinstance(value, str) else value
