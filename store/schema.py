"""The tables' version: made, brought up to date, and refused when newer than the program."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from models.errors import OperatorError
from store.engine import explain

HEAD: Final = "0008_drafts_by_a_model"
"""The newest migration; a test holds it against the folder."""

_MIGRATIONS = Path(__file__).parent / "migrations"


def version_of(path: Path) -> str | None:
    """The migration at which a database stands; None for a new or empty one."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    with _open(path) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return None
            raise
    return str(row[0]) if row else None


def prepare(path: Path) -> Path | None:
    """Makes the database, or brings it up to date after copying it; returns where the copy is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        now = version_of(path)
        if now == HEAD:
            return None
        if now is not None and now not in known():
            raise OperatorError(
                f"{path} was written by a newer Ascolto (its tables are at {now}).",
                "Install that version again, or bring back an older copy: ascolto restore COPY",
            )
        copy = _copy_aside(path, now) if now is not None else None
        path.touch(mode=0o600)  # what people wrote to a brand in private is nobody else's on this machine
        migrate(path)
    except sqlite3.DatabaseError as error:
        raise (explain(path, error) or error) from error
    return copy


def known() -> list[str]:
    return sorted(file.stem for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def migrate(path: Path, to: str = "head") -> None:
    """Runs Alembic's migrations up or down to `to`."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, event

    from store.engine import configure

    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", lambda connection, _: configure(connection))
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            if to == "base" or (to != "head" and to < (version_of(path) or "")):
                command.downgrade(config, to)
            else:
                command.upgrade(config, to)
            connection.commit()
    finally:
        engine.dispose()


def _copy_aside(path: Path, version: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    copy = path.with_name(f"{path.stem}.before-{HEAD}.from-{version}.{stamp}.db")
    backup(path, copy)
    return copy


def backup(path: Path, copy: Path) -> None:
    """A whole copy of a database that may be in use. Refuses to write over a file."""
    if copy.exists():
        raise OperatorError(f"{copy} exists already.", "Name another file.")
    if not path.exists():
        raise OperatorError(f"There is no database at {path}.", "Name another with --config.")
    if not copy.parent.is_dir():
        raise OperatorError(f"There is no folder {copy.parent}.", "Make it, or name another file.")
    beside = copy.with_name(copy.name + ".part")
    beside.touch(mode=0o600)
    try:
        with _open(path) as source, closing(sqlite3.connect(beside)) as target:
            source.backup(target)
    except sqlite3.DatabaseError as error:
        beside.unlink(missing_ok=True)
        raise (explain(path, error) or error) from error
    beside.rename(copy)


def restore(copy: Path, path: Path) -> Path | None:
    """Puts a copy in a database's place; what stood there is kept beside it, and returned."""
    if not copy.exists():
        raise OperatorError(f"There is no file {copy}.", "Name the copy that `ascolto backup` made.")
    try:
        with _open(copy) as source:
            found = source.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise (explain(copy, error) or error) from error
    version = version_of(copy)
    if found != "ok" or version is None:
        raise OperatorError(f"{copy} is not a whole copy of an Ascolto database.", f"SQLite says: {found}")
    aside = None
    if path.exists():
        aside = path.with_name(f"{path.name}.replaced-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}")
        path.rename(aside)
        for suffix in ("-wal", "-shm"):
            left = path.with_name(path.name + suffix)
            if left.exists():
                left.rename(aside.with_name(aside.name + suffix))
    shutil.copyfile(copy, path)
    return aside


def _open(path: Path) -> closing[sqlite3.Connection]:
    connection = sqlite3.connect(path, timeout=10)
    return closing(connection)
