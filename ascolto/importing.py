"""`ascolto import`: past mentions from JSONL or CSV, resumable, duplicates skipped, bad rows set aside with their reason."""

import asyncio
import csv
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import delete, func, select

from ascolto.house import House, utc_now
from ascolto.printing import counted, print_json
from ascolto.reader import reader_of
from ascolto.showing import brand_ids
from config.settings import Settings
from models.errors import OperatorError
from models.exported import from_columns, from_json
from models.mention import Bookmark, MentionBrand
from models.post import Post
from store import schema
from store.mentions import bookmark_of, save_bookmark, write_posts

BATCH: Final = 2_000
"""Rows a transaction."""
MAX_LINE: Final = 5_000_000
"""Bytes of one row; a longer one is set aside unread."""


class Row(msgspec.Struct):
    """`line` counts from 1; `offset` is where the next row begins, in bytes for JSONL and in rows for CSV."""

    line: int
    offset: int
    post: Post | None = None
    reason: str = ""
    raw: str = ""


class Report(msgspec.Struct, kw_only=True):
    rows: int = 0
    new: int = 0
    duplicates: int = 0
    rejected: int = 0
    unmatched: int = 0
    read: int = 0
    resumed_at: int = 0


def import_file(settings: Settings, file: Path, brand: str, *, read: bool, json: bool) -> int:
    """Returns 0 also when some rows were set aside: they are in the .rejected.jsonl file, and said; 1 when all were."""
    if not file.is_file():
        raise OperatorError(f"{file} is a folder." if file.is_dir() else f"There is no file {file}.")
    report = asyncio.run(_import(settings, file, brand, read=read, quiet=json))
    if json:
        print_json(report)
        return _code(report)
    again = f" (begun again at row {report.resumed_at})" if report.resumed_at else ""
    rows = counted(report.rows, "row", "rows")
    typer.echo(f"{rows}{again}: {report.new} new, {report.duplicates} known already, {report.rejected} set aside.")
    if report.unmatched:
        typer.echo(f"{report.unmatched} concern no brand and were not kept; --brand keeps them all.")
    if report.rejected:
        typer.echo(f"Rows set aside, with the reason: {rejects_of(file)}")
    if report.read:
        typer.echo(f"{report.read} read for their sentiment.")
    return _code(report)


def _code(report: Report) -> int:
    return int(0 < report.rows == report.rejected)


def rejects_of(file: Path) -> Path:
    return file.with_name(file.name + ".rejected.jsonl")


async def _import(settings: Settings, file: Path, brand: str, *, read: bool, quiet: bool) -> Report:
    await asyncio.to_thread(schema.prepare, settings.store.path)
    sentiment = settings.sentiment
    reader = await asyncio.to_thread(reader_of, sentiment)
    house = House(settings.store.path, reader)
    with ExitStack() as stack:
        progress = stack.enter_context(_bar(quiet))
        try:
            report = await import_rows(house, settings, file, brand, progress)
            if read:
                report.read = await _read(house, progress)
        finally:
            await house.close()
    return report


def _bar(quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True)


async def import_rows(house: House, settings: Settings, file: Path, brand: str, progress: Progress) -> Report:
    """Batches of rows, each written with how far the file was read; broken off anywhere, it goes on there."""
    catalogue = await house.catalogue()
    owner = brand_ids(settings, catalogue, brand)[0] if brand or settings.default_brand else None
    matching = await house.matching()
    name = f"import:{_identity(file)}"
    async with house.store.reading() as session:
        bookmark = await bookmark_of(session, name)
    line, offset = map(int, bookmark.split(":")) if bookmark else (0, 0)
    report = Report(resumed_at=line)
    task = progress.add_task(file.name, total=None if _is_csv(file) else _size(file), completed=offset)
    with _open_rejects(file, again=bool(bookmark)) as rejects:
        for batch in _batches(file, line, offset, utc_now()):
            posts = [row.post for row in batch if row.post is not None]
            kept = matching.kept(posts, "import", owner)
            async with house.store.writing() as session:
                written = await write_posts(session, "import", kept, utc_now())
                await save_bookmark(session, name, f"{batch[-1].line}:{batch[-1].offset}", utc_now())
            for row in batch:
                if row.post is None:
                    rejects.write(msgspec.json.encode({"line": row.line, "reason": row.reason, "row": row.raw}) + b"\n")
            report.rows += len(batch)
            report.new += written.new
            report.duplicates += written.duplicates
            report.rejected += len(batch) - len(posts)
            report.unmatched += len(posts) - len(kept)
            progress.update(task, completed=batch[-1].offset)
    if not report.rejected and not bookmark:
        rejects_of(file).unlink()
    async with house.store.writing() as session:
        await session.execute(delete(Bookmark).where(Bookmark.connection == name))
    return report


async def _read(house: House, progress: Progress) -> int:
    """Also what other imports left unread."""
    unread = select(func.count(MentionBrand.mention_id)).where(MentionBrand.read_at.is_(None))
    async with house.store.reading() as session:
        total = await session.scalar(unread) or 0
    task = progress.add_task("reading", total=total)
    catalogue, done = await house.catalogue(), 0
    while count := await house.triage.read_batch(catalogue, utc_now()):
        done += count
        progress.update(task, completed=done)
    return done


def _identity(file: Path) -> str:
    """The same file, not merely one of the same name: its beginning and its size."""
    with file.open("rb") as raw:
        begin = raw.read(65_536)
    return hashlib.sha256(begin + str(_size(file)).encode()).hexdigest()[:24]


def _size(file: Path) -> int:
    return file.stat().st_size


def _open_rejects(file: Path, *, again: bool) -> BinaryIO:
    return rejects_of(file).open("ab" if again else "wb")


def _is_csv(file: Path) -> bool:
    return file.suffix.lower() in (".csv", ".tsv")


def _batches(file: Path, line: int, offset: int, now: datetime) -> Iterator[list[Row]]:
    rows = _csv_rows(file, offset, now) if _is_csv(file) else _json_rows(file, line, offset, now)
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _json_rows(file: Path, line: int, offset: int, now: datetime) -> Iterator[Row]:
    with file.open("rb") as raw:
        raw.seek(offset)
        while said := raw.readline(MAX_LINE):
            line += 1
            whole = said.endswith(b"\n") or len(said) < MAX_LINE
            while not whole:  # the rest of a row that is too long is passed over
                rest = raw.readline(MAX_LINE)
                whole = not rest or rest.endswith(b"\n")
                said = said[:1_000]
            offset = raw.tell()
            if row := _json_row(said, line, offset, now):
                yield row


def _json_row(said: bytes, line: int, offset: int, now: datetime) -> Row | None:
    stripped = said.removeprefix(b"\xef\xbb\xbf").strip()
    if not stripped:
        return None
    try:
        return Row(line, offset, from_json(stripped, now, "import"))
    except ValueError as error:
        return Row(line, offset, None, str(error), stripped[:1_000].decode("utf-8", "replace"))


def _csv_rows(file: Path, skip: int, now: datetime) -> Iterator[Row]:
    """Rows are counted, not bytes: a quoted cell may hold line breaks."""
    csv.field_size_limit(MAX_LINE)
    with file.open("rb") as raw, TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="") as text:
        head = text.readline()
        text.seek(0)
        delimiter = max(",;\t", key=head.count)
        reader = csv.DictReader(text, delimiter=delimiter)
        number = 0
        while True:
            number += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if number > skip:
                    yield Row(number + 1, number, None, str(error))
                continue
            if number > skip:
                yield _csv_row({k: v for k, v in cells.items() if isinstance(v, str)}, number, now)


def _csv_row(cells: dict[str, str], number: int, now: datetime) -> Row:
    raw = msgspec.json.encode({k: v.encode("utf-8", "replace").decode() for k, v in cells.items() if k}).decode()[
        :1_000
    ]
    try:
        for value in cells.values():
            value.encode()
        return Row(number + 1, number, from_columns(cells, now, "import"))
    except UnicodeEncodeError:
        return Row(number + 1, number, None, "this is not UTF-8", raw)
    except ValueError as error:
        return Row(number + 1, number, None, str(error), raw)
