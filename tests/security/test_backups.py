"""Copies are for their owner alone, and a damaged database is not copied as if it were whole."""

import contextlib
import io
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from conftest import Harness

from ascolto.cli import main
from store import schema

PAGE = 4096


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the commands run; everything is readable unless a command says otherwise."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ascolto.logs.configure", lambda *_: None)
    (tmp_path / "ascolto.toml").write_text("")
    return tmp_path


@pytest.fixture(autouse=True)
def everybody_reads() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


def run(*arguments: str) -> tuple[int, str]:
    """The exit status of a command, and what it printed."""
    out = io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["ascolto", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
    ):
        try:
            main()
        except SystemExit as exited:
            return int(str(exited.code or 0)), out.getvalue()
    return 0, out.getvalue()


def readable_by_others(folder: Path) -> list[str]:
    """The lock holds a process's number alone, and the settings are the operator's."""
    files = (file for file in folder.iterdir() if file.is_file() and file.suffix not in (".lock", ".toml"))
    return sorted(file.name for file in files if file.stat().st_mode & 0o077)


def test_a_backup_and_what_is_restored_are_for_their_owner_alone(folder: Path):
    schema.prepare(folder / "ascolto.db")
    assert run("backup", "copy.db")[0] == 0
    assert readable_by_others(folder) == []
    assert run("restore", "copy.db")[0] == 0
    assert readable_by_others(folder) == []
    (folder / "ascolto.db").unlink()
    assert run("restore", "copy.db")[0] == 0, "where there is no database as well"
    assert readable_by_others(folder) == []


def test_a_copy_that_others_could_read_is_restored_for_its_owner_alone(folder: Path):
    schema.prepare(folder / "ascolto.db")
    schema.backup(folder / "ascolto.db", folder / "copy.db")
    (folder / "copy.db").chmod(0o644)
    assert run("restore", "copy.db")[0] == 0
    assert [name for name in readable_by_others(folder) if name != "copy.db"] == []


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_an_export_is_for_its_owner_alone(folder: Path, name: str):
    schema.prepare(folder / "ascolto.db")
    toml = '[[brands]]\nslug = "ferroviola"\nname = "F"\n[[brands.queries]]\nslug = "q"\ntext = "ferroviola"\n'
    (folder / "brands.toml").write_text(toml)
    assert run("apply", "brands.toml")[0] == 0
    assert run("export", name) == (0, f"0 mentions written to {name}.\n")
    assert readable_by_others(folder) == []


@pytest.fixture
async def large(harness: Harness) -> Path:
    """A database with a few hundred mentions, closed."""
    await harness.receive(*(harness.post(f"Ferroviola numero {n} " + "x" * 400) for n in range(300)))
    await harness.store.close()
    connection = sqlite3.connect(harness.store.path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return harness.store.path


def root_page(path: Path, name: str) -> int:
    connection = sqlite3.connect(path)
    page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
    connection.close()
    return int(page)


def damage(path: Path, page: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(content)


@pytest.mark.parametrize("table", ["mention", "author", "mention_brand", "mention_search_data", "configuration"])
@pytest.mark.parametrize("content", [bytes(PAGE), os.urandom(400)], ids=["a zeroed page", "400 random bytes"])
def test_a_damaged_database_is_not_backed_up_silently(folder: Path, large: Path, table: str, content: bytes):
    try:
        page = root_page(large, table)
    except TypeError:
        pytest.skip(f"there is no table {table}")
    damage(large, page, content)
    (folder / "ascolto.toml").write_text(f'[store]\npath = "{large}"\n')
    before = sorted(folder.iterdir())
    code, printed = run("backup", "copy.db")
    assert (code, "Copied" in printed) == (1, False), printed
    assert "damaged" in printed
    assert "ascolto restore" in printed, "the operator is told what to do"
    left = {file.name for file in set(folder.iterdir()) - set(before)}
    assert not left & {"copy.db", "copy.db.part"}


def test_a_whole_database_is_backed_up_and_whole_again(folder: Path, large: Path):
    (folder / "ascolto.toml").write_text(f'[store]\npath = "{large}"\n')
    assert run("backup", "copy.db") == (0, "Copied to copy.db.\n")
    copy = sqlite3.connect(folder / "copy.db")
    assert copy.execute("SELECT count(*) FROM mention").fetchone() == (300,)
    copy.close()
