import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from models import case, catalogue, desk, learned, mention, opinion, source
from models.base import Base
from models.errors import OperatorError
from store import schema

TABLES = (case, catalogue, desk, learned, mention, opinion, source)


def test_the_migrations_make_the_tables_that_the_models_describe(empty_database: Path):
    engine = create_engine(f"sqlite:///{empty_database}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": _ours})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def _ours(_thing, name, kind, *_rest) -> bool:
    return not (kind == "table" and name.startswith("mention_search"))


def test_the_newest_migration_is_the_one_the_program_knows():
    assert schema.known()[-1] == schema.HEAD


def test_migrations_go_up_down_and_up(tmp_path: Path):
    path = tmp_path / "walk.db"
    schema.migrate(path)
    before = _schema(path)
    schema.migrate(path, "base")
    assert [name for name, _ in _schema(path)] == ["alembic_version", "sqlite_autoindex_alembic_version_1"]
    schema.migrate(path)
    assert _schema(path) == before


def _schema(path: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    return rows


def test_migrations_import_no_application_code():
    for file in Path(schema.__file__).parent.glob("migrations/versions/*.py"):
        imports = [line for line in file.read_text().splitlines() if line.startswith(("import ", "from "))]
        assert imports == ["import sqlalchemy as sa", "from alembic import op"], file.name


def _set_version(path: Path, version: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.commit()
    connection.close()


def test_a_database_newer_than_the_program_is_left_alone(database: Path):
    _set_version(database, "9999_from_the_future")
    before = database.read_bytes()
    with pytest.raises(OperatorError, match="written by a newer Ascolto"):
        schema.prepare(database)
    assert database.read_bytes() == before


def test_a_copy_is_taken_before_a_migration(database: Path, monkeypatch: pytest.MonkeyPatch):
    moved = []
    monkeypatch.setattr(schema, "known", lambda: ["0000_old", schema.HEAD])
    monkeypatch.setattr(schema, "migrate", moved.append)
    _set_version(database, "0000_old")
    copy = schema.prepare(database)
    assert moved == [database]
    assert copy is not None
    assert schema.version_of(copy) == "0000_old"


def test_what_is_not_a_database_is_named(tmp_path: Path):
    path = tmp_path / "ascolto.db"
    path.write_text("these are not the bytes of a database, though there are enough of them" * 20)
    with pytest.raises(OperatorError, match="is not a database"):
        schema.prepare(path)


def test_backup_and_restore_bring_back_what_was(database: Path, tmp_path: Path):
    copy = tmp_path / "copy.db"
    schema.backup(database, copy)
    with pytest.raises(OperatorError, match="exists already"):
        schema.backup(database, copy)
    database.write_bytes(b"broken" * 1000)
    aside = schema.restore(copy, database)
    assert aside is not None
    assert aside.read_bytes() == b"broken" * 1000
    assert schema.version_of(database) == schema.HEAD


def test_half_a_copy_is_not_restored(database: Path, tmp_path: Path):
    copy = tmp_path / "copy.db"
    schema.backup(database, copy)
    copy.write_bytes(copy.read_bytes()[: copy.stat().st_size // 2])
    before = database.read_bytes()
    with pytest.raises(OperatorError):
        schema.restore(copy, database)
    assert database.read_bytes() == before
