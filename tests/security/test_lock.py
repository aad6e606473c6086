"""One `ascolto run` on a database, by whatever name it is called."""

import os
from pathlib import Path

import pytest

from ascolto.run_lock import RunLock
from models.errors import OperatorError


@pytest.fixture
def locked(database: Path):
    lock = RunLock(database)
    lock.acquire()
    yield database
    lock.release()


def refused(path: Path) -> bool:
    lock = RunLock(path)
    try:
        lock.acquire()
    except OperatorError:
        return True
    lock.release()
    return False


def test_the_lock_is_free_again_after_a_stop(database: Path):
    for _ in range(2):
        lock = RunLock(database)
        lock.acquire()
        assert refused(database)
        lock.release()


def test_a_symbolic_link_to_the_database_is_the_same_database(locked: Path):
    link = locked.with_name("link.db")
    link.symlink_to(locked)
    assert refused(link)


def test_a_symbolic_link_to_its_folder_is_the_same_database(locked: Path, tmp_path: Path):
    folder = tmp_path / "folder"
    folder.symlink_to(locked.parent, target_is_directory=True)
    assert refused(folder / locked.name)


def test_a_chain_of_links_and_a_relative_path_are_the_same_database(locked: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = locked.with_name("first.db"), locked.with_name("second.db")
    first.symlink_to(locked.name)
    second.symlink_to(first.name)
    monkeypatch.chdir(locked.parent)
    assert refused(Path("second.db"))


@pytest.mark.parametrize("by", ["ascolto.db", "hard.db"])
def test_a_hard_link_made_while_it_runs_opens_no_second_door(locked: Path, by: str):
    """A snapshot with `cp -l` makes one; the lock must not move because the file got a second name."""
    os.link(locked, locked.with_name("hard.db"))
    assert refused(locked.with_name(by))


def test_a_hard_link_that_was_there_before_is_the_same_database(database: Path):
    other = database.with_name("hard.db")
    os.link(database, other)
    lock = RunLock(database)
    lock.acquire()
    assert refused(other)
    lock.release()


def test_another_database_in_the_same_folder_is_not_locked(locked: Path):
    assert not refused(locked.with_name("other.db"))
