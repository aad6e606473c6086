"""The database's schema: created, migrated after a copy was made, and refused where it is not of this version's line."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from models.errors import OperatorError
from store.engine import explain

BEFORE_1_0: Final = frozenset(
    {
        "0001_corridor",
        "0002_why_the_reader_read_so",
        "0003_what_a_brand_has_learned",
        "0004_second_opinions",
        "0005_what_stands_around",
        "0006_a_team_at_work",
        "0007_a_chart_in_digests",
        "0008_drafts_by_a_model",
    }
)
"""The migrations of the versions before 1.0, whose databases are not migrated."""

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrations() -> list[str]:
    """The names of this version's migrations, oldest first."""
    return sorted(file.stem for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def version_of(path: Path) -> str | None:
    """The last migration of a database; None for a new or empty one."""
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
    """Creates the database, or copies and migrates it where it is outdated; returns where the copy is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        version = version_of(path)
        if version == migrations()[-1]:
            return None
        if version is not None:
            _require_migratable(path, version)
        copy = _copy_before_migration(path, version) if version is not None else None
        path.touch(mode=0o600)  # what people wrote to a brand in private is for nobody else on this machine
        migrate(path)
    except sqlite3.DatabaseError as error:
        raise (explain(path, error) or error) from error
    return copy


def _require_migratable(path: Path, version: str) -> None:
    """Raises OperatorError for a database that this version cannot migrate; it is not touched."""
    if version in BEFORE_1_0:
        raise OperatorError(
            f"{path} was made by a version before 1.0, which this one cannot open.",
            "Export its mentions with that version (ascolto export FILE), set another `path` under [store],"
            " and import them here (ascolto import FILE).",
        )
    if version not in migrations():
        raise OperatorError(
            f"{path} was written by a newer Ascolto (its schema is {version}).",
            "Install that version, or restore an older copy: ascolto restore COPY",
        )


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


def _copy_before_migration(path: Path, version: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    copy = path.with_name(f"{path.stem}.before-{migrations()[-1]}.from-{version}.{stamp}.db")
    backup(path, copy)
    return copy


def backup(path: Path, copy: Path) -> None:
    """A complete copy of a database that may be in use. Never overwrites a file."""
    if copy.exists():
        raise OperatorError(f"{copy} exists already.", "Use another file.")
    if not path.exists():
        raise OperatorError(f"There is no database at {path}.", "Choose other settings with --config.")
    if not copy.parent.is_dir():
        raise OperatorError(f"There is no folder {copy.parent}.", "Create it, or use another file.")
    partial = copy.with_name(copy.name + ".part")
    partial.touch(mode=0o600)
    try:
        with _open(path) as source, closing(sqlite3.connect(partial)) as target:
            source.backup(target)
            problem = target.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if problem != "ok":
            partial.unlink()
            raise OperatorError(f"{path} is damaged: {problem}", "Restore an earlier copy: ascolto restore COPY")
    except sqlite3.DatabaseError as error:
        partial.unlink(missing_ok=True)
        raise (explain(path, error) or error) from error
    partial.rename(copy)


def restore(copy: Path, path: Path) -> Path | None:
    """Replaces a database with a copy; the old database is kept beside it, and its path returned."""
    if not copy.exists():
        raise OperatorError(f"There is no file {copy}.", "Name the copy that `ascolto backup` made.")
    try:
        with _open(copy) as source:
            integrity = source.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise (explain(copy, error) or error) from error
    version = version_of(copy)
    if integrity != "ok" or version is None:
        raise OperatorError(f"{copy} is not a complete copy of an Ascolto database.", f"SQLite says: {integrity}")
    old = None
    if path.exists():
        old = path.with_name(f"{path.name}.replaced-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}")
        path.rename(old)
        for suffix in ("-wal", "-shm"):
            leftover = path.with_name(path.name + suffix)
            if leftover.exists():
                leftover.rename(old.with_name(old.name + suffix))
    path.touch(mode=0o600)
    shutil.copyfile(copy, path)
    return old


def _open(path: Path) -> closing[sqlite3.Connection]:
    connection = sqlite3.connect(path, timeout=10)
    return closing(connection)
