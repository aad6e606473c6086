"""`ascolto import`: past mentions from JSONL or CSV; resumable, skips duplicates, writes invalid rows to a file of their own."""

import asyncio
import csv
import hashlib
import re
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
from sqlalchemy import func, select

from ascolto.application import Application, utc_now
from ascolto.commands.listing import brand_ids
from ascolto.commands.output import counted, print_json
from ascolto.factories import build_reader
from config.settings import Settings
from models.errors import OperatorError
from models.incoming import IncomingPost
from models.interchange import from_columns, from_json
from models.tables.mention import MentionBrand
from store import cursors, schema
from store.mentions import write_posts

BATCH: Final = 2_000
"""Rows per transaction."""
MAX_LINE: Final = 5_000_000
"""Bytes of one row; a longer one is rejected unread."""

GUARD: Final = re.compile(r"(^|[;\n\r])'(?=[=+\-@\t\r])")
"""The apostrophe that `ascolto export` puts before what a spreadsheet would run."""


class Row(msgspec.Struct):
    """`line` counts from 1; `offset` is where the next row begins, in bytes for JSONL and in rows for CSV."""

    line: int
    offset: int
    post: IncomingPost | None = None
    reason: str = ""
    raw: str = ""


class Report(msgspec.Struct, kw_only=True):
    rows: int = 0
    new: int = 0
    duplicates: int = 0
    rejected: int = 0
    unmatched: int = 0
    analyzed: int = 0
    resumed_at: int = 0


def import_file(settings: Settings, file: Path, brand: str, *, analyze: bool, json: bool) -> int:
    """Returns 1 when all rows were rejected; 0 also when only some were: they are in the .rejected.jsonl file."""
    if not file.is_file():
        raise OperatorError(f"{file} is a folder." if file.is_dir() else f"There is no file {file}.")
    report = asyncio.run(_import(settings, file, brand, analyze=analyze, quiet=json))
    if json:
        print_json(report)
        return _code(report)
    resumed = f" (resumed at row {report.resumed_at})" if report.resumed_at else ""
    rows = counted(report.rows, "row", "rows")
    typer.echo(f"{rows}{resumed}: {report.new} new, {report.duplicates} duplicates, {report.rejected} rejected.")
    if report.unmatched:
        typer.echo(f"{report.unmatched} match no query and were skipped; --brand imports them all.")
    if report.rejected:
        typer.echo(f"Rejected rows, with the reason: {rejects_of(file)}")
    if report.analyzed:
        typer.echo(f"{report.analyzed} analyzed.")
    return _code(report)


def _code(report: Report) -> int:
    return int(0 < report.rows == report.rejected)


def rejects_of(file: Path) -> Path:
    return file.with_name(file.name + ".rejected.jsonl")


async def _import(settings: Settings, file: Path, brand: str, *, analyze: bool, quiet: bool) -> Report:
    await asyncio.to_thread(schema.prepare, settings.store.path)
    sentiment = settings.sentiment
    reader = await asyncio.to_thread(build_reader, sentiment)
    application = Application(settings.store.path, reader)
    with ExitStack() as stack:
        progress = stack.enter_context(_bar(quiet))
        try:
            report = await import_rows(application, settings, file, brand, progress)
            if analyze:
                report.analyzed = await _analyze(application, progress)
        finally:
            await application.close()
    return report


def _bar(quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True)


async def import_rows(
    application: Application, settings: Settings, file: Path, brand: str, progress: Progress
) -> Report:
    """Each batch of rows is stored together with the position in the file, so that an interrupted import resumes there."""
    configuration = await application.configuration()
    owner = brand_ids(settings, configuration, brand)[0] if brand or settings.default_brand else None
    matcher = await application.matcher()
    name = _identity(file)
    async with application.store.reading() as session:
        cursor = await cursors.load(session, "import", name)
    line, offset = map(int, cursor.split(":")) if cursor else (0, 0)
    report = Report(resumed_at=line)
    task = progress.add_task(file.name, total=None if _is_csv(file) else _size(file), completed=offset)
    with _open_rejects(file, append=bool(cursor)) as rejects:
        for batch in _batches(file, line, offset, utc_now()):
            posts = [row.post for row in batch if row.post is not None]
            matches = matcher.matching(posts, "import", owner)
            async with application.store.writing() as session:
                written = await write_posts(session, "import", matches, utc_now())
                await cursors.save(session, "import", name, f"{batch[-1].line}:{batch[-1].offset}", utc_now())
            for row in batch:
                if row.post is None:
                    rejects.write(msgspec.json.encode({"line": row.line, "reason": row.reason, "row": row.raw}) + b"\n")
            report.rows += len(batch)
            report.new += written.new
            report.duplicates += written.duplicates
            report.rejected += len(batch) - len(posts)
            report.unmatched += len(posts) - len(matches)
            progress.update(task, completed=batch[-1].offset)
    if not report.rejected and not cursor:
        rejects_of(file).unlink()
    async with application.store.writing() as session:
        await cursors.remove(session, "import", name)
    return report


async def _analyze(application: Application, progress: Progress) -> int:
    """Also what earlier imports have left."""
    waiting = select(func.count(MentionBrand.mention_id)).where(MentionBrand.analyzed_at.is_(None))
    async with application.store.reading() as session:
        total = await session.scalar(waiting) or 0
    task = progress.add_task("analyzing", total=total)
    configuration, done = await application.configuration(), 0
    while count := await application.classification.analyze_batch(configuration, utc_now()):
        done += count
        progress.update(task, completed=done)
    return done


def _identity(file: Path) -> str:
    """Identifies the file by its beginning and size, whatever its name."""
    with file.open("rb") as raw:
        beginning = raw.read(65_536)
    return hashlib.sha256(beginning + str(_size(file)).encode()).hexdigest()[:24]


def _size(file: Path) -> int:
    return file.stat().st_size


def _open_rejects(file: Path, *, append: bool) -> BinaryIO:
    return rejects_of(file).open("ab" if append else "wb")


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
        while content := raw.readline(MAX_LINE):
            line += 1
            complete = content.endswith(b"\n") or len(content) < MAX_LINE
            while not complete:  # the rest of a row that is too long is skipped
                rest = raw.readline(MAX_LINE)
                complete = not rest or rest.endswith(b"\n")
                content = content[:1_000]
            offset = raw.tell()
            if row := _json_row(content, line, offset, now):
                yield row


def _json_row(content: bytes, line: int, offset: int, now: datetime) -> Row | None:
    stripped = content.removeprefix(b"\xef\xbb\xbf").strip()
    if not stripped:
        return None
    try:
        return Row(line, offset, from_json(stripped, now, "import"))
    except ValueError as error:
        return Row(line, offset, None, str(error), stripped[:1_000].decode("utf-8", "replace"))


def _csv_rows(file: Path, skip: int, now: datetime) -> Iterator[Row]:
    """Positions are counted in rows, not bytes: a quoted cell may contain line breaks."""
    csv.field_size_limit(MAX_LINE)
    with file.open("rb") as raw:
        utf16 = raw.read(2) in (b"\xff\xfe", b"\xfe\xff")
    encoding = "utf-16" if utf16 else "utf-8-sig"  # Excel's "Unicode text" is the one, everything else the other
    errors = "replace" if utf16 else "surrogateescape"
    with file.open("rb") as raw, TextIOWrapper(raw, encoding, errors=errors, newline="") as text:
        header = text.readline()
        text.seek(0)
        delimiter = max(",;\t", key=header.count)
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
    cells = {key.encode("utf-8", "replace").decode(): value for key, value in cells.items() if key}
    raw = msgspec.json.encode({k: v.encode("utf-8", "replace").decode() for k, v in cells.items()}).decode()[:1_000]
    try:
        for value in cells.values():
            value.encode()
        unguarded = {key: GUARD.sub(r"\1", value) for key, value in cells.items()}
        return Row(number + 1, number, from_columns(unguarded, now, "import"))
    except UnicodeEncodeError:
        return Row(number + 1, number, None, "this is not UTF-8", raw)
    except ValueError as error:
        return Row(number + 1, number, None, str(error), raw)
