"""Files for spreadsheets and back: readable where they are opened, and the same mentions when imported again."""

import asyncio
import csv
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CONFIGURATION, Harness
from msgspec.structs import replace
from rich.progress import Progress

from analysis.brand_matching import BrandMatcher
from ascolto.commands import export_mentions
from ascolto.commands.import_mentions import Report, import_rows, rejects_of
from config import settings as sections
from models.configuration import EMPTY, Configuration
from models.errors import OperatorError
from models.incoming import IncomingAuthor, IncomingPost
from models.tables.mention import Author, Mention
from store.engine import Store

HEADER = "platform,id,author,author_name,author_followers,text,created_at"


class RunningApplication:
    """The test harness in the shape that an import needs."""

    def __init__(self, harness: Harness) -> None:
        self.store = harness.store
        self.classification = harness.classification
        self._harness = harness

    async def configuration(self) -> Configuration:
        return self._harness.configuration

    async def matcher(self) -> BrandMatcher:
        return BrandMatcher(self._harness.configuration)


async def import_file(harness: Harness, file: Path) -> Report:
    application: Any = RunningApplication(harness)
    with Progress(disable=True) as progress:
        return await import_rows(application, sections.Settings(), file, "ferroviola", progress)


async def export(database: Path, out: Path) -> bytes:
    settings = sections.Settings(store=sections.Store(path=database))
    await asyncio.to_thread(export_mentions.export, settings, out, "ferroviola")
    return out.read_bytes()


@pytest.fixture
async def other(empty_database: Path, tmp_path: Path) -> AsyncIterator[Harness]:
    """Another installation, with nothing in it."""
    path = tmp_path / "other.db"
    shutil.copy(empty_database, path)
    store = Store(path)
    harness = Harness(store, EMPTY)
    await harness.apply(CONFIGURATION)
    yield harness
    await store.close()


async def contents(harness: Harness) -> list[tuple[object, ...]]:
    """What people wrote, where, and who they are."""
    authors = {author.id: author for author in await harness.all(Author)}
    rows = []
    for mention in await harness.all(Mention):
        author = authors[mention.author_id]
        post = (mention.platform, mention.native_id, mention.thread, mention.parent, mention.url, mention.text)
        rows.append((*post, mention.created_at, author.handle, author.name, author.followers))
    return sorted(rows, key=str)


def rejected(file: Path) -> list[str]:
    return [json.loads(line)["reason"] for line in rejects_of(file).read_text().splitlines()]


TEXTS = [
    "perché la ţară è così 🚆",
    "=1+1",
    "'=1+1",
    "''=1+1",
    "'",
    "'ndrangheta: così è scritto",
    "-10% oggi; -20% domani",
    "uno\n+39 02\n@rita\n'+39",
    'ferroviola;=cmd|"/C calc"!A0',
    "uno;'-due;;=tre",
    "@ferroviola, il treno?",
    "così, con «virgole», \"virgolette\"; e punti",
    "C:\\treni\\n",
]  # fmt: skip
IDS = [
    "-1001:55",
    "=55",
    "+55",
    "@55",
    "'55",
    "00123",
    "1990000000000000001",
    "at://did:plc:x/app.bsky.feed.post/3k",
    "a;-b",
]


def posts(harness: Harness) -> list[IncomingPost]:
    by_text = [harness.post(text, "=HYPERLINK", native_id=f"t{n}") for n, text in enumerate(TEXTS)]
    by_id = [
        harness.post(f"ferroviola {n}", f"a{n}", native_id=native_id, thread=native_id, parent=native_id)
        for n, native_id in enumerate(IDS)
    ]
    authors = [
        IncomingAuthor(handle="-rita", name="-Rita", followers=None),
        IncomingAuthor(handle="+39025555", name="@ugo; =ugo", followers=0),
        IncomingAuthor(handle="'tis", name="'Tis", followers=12),
    ]
    by_author = [replace(harness.post("ferroviola", native_id=f"a{n}"), author=one) for n, one in enumerate(authors)]
    return [*by_text, *by_id, *by_author]


# Written.


async def test_a_csv_begins_with_the_mark_by_which_excel_knows_utf_8(harness: Harness, database: Path, tmp_path: Path):
    await harness.receive(harness.post("perché in ţară 🚆"))
    written = await export(database, tmp_path / "out.csv")
    assert written.startswith(b"\xef\xbb\xbfplatform,")
    assert written.count(b"\xef\xbb\xbf") == 1
    assert "perché in ţară 🚆" in written.decode("utf-8-sig")


async def test_jsonl_has_no_such_mark(harness: Harness, database: Path, tmp_path: Path):
    await harness.receive(harness.post("perché in ţară 🚆"))
    written = await export(database, tmp_path / "out.jsonl")
    assert written.startswith(b'{"platform":')


async def test_no_written_text_runs_in_a_spreadsheet(harness: Harness, database: Path, tmp_path: Path):
    await harness.receive(*posts(harness))
    written = (await export(database, tmp_path / "out.csv")).decode("utf-8-sig")
    for row in csv.DictReader(written.splitlines(keepends=True)):
        for column in ("author", "author_name", "text", "query", "topics"):
            cells = [cell for line in row[column].splitlines() for cell in line.split(";")]
            assert [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t"}] == []


async def test_ids_are_written_as_they_are(harness: Harness, database: Path, tmp_path: Path):
    await harness.receive(*posts(harness))
    written = (await export(database, tmp_path / "out.csv")).decode("utf-8-sig")
    rows = list(csv.DictReader(written.splitlines(keepends=True)))
    for column in ("id", "thread", "parent"):
        assert {*IDS} <= {row[column] for row in rows}, column


# And back.


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
async def test_what_was_exported_is_imported_as_it_was(
    harness: Harness, other: Harness, database: Path, tmp_path: Path, kind: str
):
    await harness.receive(*posts(harness))
    file = tmp_path / f"out.{kind}"
    await export(database, file)
    report = await import_file(other, file)
    assert (report.new, report.duplicates, report.rejected) == (len(TEXTS) + len(IDS) + 3, 0, 0)
    assert await contents(other) == await contents(harness)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
async def test_imported_where_it_came_from_nothing_is_doubled(
    harness: Harness, database: Path, tmp_path: Path, kind: str
):
    await harness.receive(*posts(harness))
    file = tmp_path / f"out.{kind}"
    await export(database, file)
    before = await contents(harness)
    report = await import_file(harness, file)
    assert (report.new, report.rejected) == (0, 0)
    assert await contents(harness) == before


@pytest.mark.parametrize("delimiter", [";", "\t"])
async def test_an_export_saved_again_by_a_spreadsheet_is_read(
    harness: Harness, other: Harness, database: Path, tmp_path: Path, delimiter: str
):
    await harness.receive(*posts(harness))
    written = (await export(database, tmp_path / "out.csv")).decode("utf-8-sig")
    saved = tmp_path / "saved.csv"
    with saved.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(csv.reader(written.splitlines(keepends=True)))
    await import_file(other, saved)
    assert await contents(other) == await contents(harness)


# Files of others.


@pytest.mark.parametrize("number", ["1.99E+18", "1,99E+18", "1.99e18", "2E+18", "1.990000000000000E+018"])
async def test_an_id_that_a_spreadsheet_shortened_is_rejected(harness: Harness, tmp_path: Path, number: str):
    file = tmp_path / "old.csv"
    rows = "".join(f'x,"{number}",a{n},A,5,Ferroviola {n},2026-11-01T10:00:00Z\n' for n in range(3))
    file.write_text(f"{HEADER}\n{rows}x,1990000000000000001,b,B,5,Ferroviola,2026-11-01T10:00:00Z\n")
    report = await import_file(harness, file)
    assert (report.new, report.duplicates, report.rejected) == (1, 0, 3)
    assert rejected(file) == [f"the id {number} was shortened by a spreadsheet"] * 3


@pytest.mark.parametrize("column", ["thread", "parent"])
async def test_a_shortened_id_of_the_thread_is_rejected_too(harness: Harness, tmp_path: Path, column: str):
    file = tmp_path / "old.csv"
    file.write_text(f"{HEADER},{column}\nx,1,a,A,5,Ferroviola,2026-11-01T10:00:00Z,1.99E+18\n")
    assert (await import_file(harness, file)).rejected == 1
    assert "shortened by a spreadsheet" in rejected(file)[0]


@pytest.mark.parametrize("native_id", ["1e4f", "e12", "12E", "3kxE5abc", "1990000000000000001", "-100:1"])
async def test_an_id_with_an_e_in_it_is_an_id(harness: Harness, tmp_path: Path, native_id: str):
    file = tmp_path / "old.csv"
    file.write_text(f"{HEADER}\nx,{native_id},a,A,5,Ferroviola,2026-11-01T10:00:00Z\n")
    await import_file(harness, file)
    assert [mention.native_id for mention in await harness.all(Mention)] == [native_id]


UNICODE_TEXT = f"{HEADER}\nx,1,ana,Ana,5,Ferroviola: perché in ţară 🚆,2026-11-01T10:00:00Z\n".replace(",", "\t")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le"])
async def test_excels_unicode_text_is_read(harness: Harness, tmp_path: Path, encoding: str):
    file = tmp_path / "old.csv"
    mark = "" if encoding == "utf-16" else "\ufeff"
    file.write_bytes((mark + UNICODE_TEXT.replace("\n", "\r\n")).encode(encoding))
    try:
        report = await import_file(harness, file)
    except OperatorError as error:
        assert "UTF-16" in str(error)  # a sentence is right too
    else:
        assert (report.new, report.rejected) == (1, 0)
        assert [mention.text for mention in await harness.all(Mention)] == ["Ferroviola: perché in ţară 🚆"]


@pytest.mark.parametrize("header", ["Località", "nota è"])
async def test_a_header_that_is_not_utf_8_is_no_traceback(harness: Harness, tmp_path: Path, header: str):
    file = tmp_path / "old.csv"
    row = "x,1,ana,Ana,5,Ferroviola,2026-11-01T10:00:00Z,Bologna"
    file.write_bytes(f"{HEADER},{header}\n{row}\n".encode("latin-1"))
    try:
        report = await import_file(harness, file)
    except OperatorError as error:
        assert "UTF-8" in str(error)  # a sentence is right too
    else:
        assert report.new + report.rejected == report.rows == 1
