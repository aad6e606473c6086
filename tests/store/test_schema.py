import pkgutil
import sqlite3
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from models import tables
from models.errors import OperatorError
from models.tables.base import Base
from store import schema

MIGRATIONS = Path(schema.__file__).parent / "migrations"
TABLES = [import_module(f"models.tables.{module.name}") for module in pkgutil.iter_modules(tables.__path__)]
"""Imported so that the metadata has every table."""


def test_the_migrations_create_the_tables_that_the_models_describe(empty_database: Path):
    engine = create_engine(f"sqlite:///{empty_database}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": _is_ours})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def _is_ours(_object, name, kind, *_rest) -> bool:
    return not (kind == "table" and name.startswith("mention_search"))


def test_a_new_database_is_at_the_newest_migration(empty_database: Path):
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [schema.migrations()[-1]]
    assert schema.version_of(empty_database) == schema.migrations()[-1]


def test_migrations_run_up_down_and_up_again(tmp_path: Path):
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
    for file in MIGRATIONS.glob("versions/*.py"):
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


@pytest.mark.parametrize("version", sorted(schema.BEFORE_1_0))
def test_a_database_of_a_version_before_1_0_is_refused_and_left_alone(database: Path, version: str):
    _set_version(database, version)
    before, files = database.read_bytes(), list(database.parent.iterdir())
    with pytest.raises(OperatorError, match=r"made by a version before 1\.0") as raised:
        schema.prepare(database)
    assert "ascolto export FILE" in raised.value.fix
    assert database.read_bytes() == before
    assert list(database.parent.iterdir()) == files


def test_no_migration_has_the_name_of_one_before_1_0():
    assert not schema.BEFORE_1_0 & set(schema.migrations())


def test_a_database_is_copied_before_a_migration(database: Path, monkeypatch: pytest.MonkeyPatch):
    migrated = []
    newest = schema.migrations()[-1]
    monkeypatch.setattr(schema, "migrations", lambda: ["0000_old", newest])
    monkeypatch.setattr(schema, "migrate", migrated.append)
    _set_version(database, "0000_old")
    copy = schema.prepare(database)
    assert migrated == [database]
    assert copy is not None
    assert schema.version_of(copy) == "0000_old"


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path):
    path = tmp_path / "ascolto.db"
    path.write_text("these are not the bytes of a database, though there are enough of them" * 20)
    with pytest.raises(OperatorError, match="is not a database"):
        schema.prepare(path)


def test_restore_brings_back_what_was_backed_up(database: Path, tmp_path: Path):
    copy = tmp_path / "copy.db"
    schema.backup(database, copy)
    with pytest.raises(OperatorError, match="exists already"):
        schema.backup(database, copy)
    database.write_bytes(b"broken" * 1000)
    replaced = schema.restore(copy, database)
    assert replaced is not None
    assert replaced.read_bytes() == b"broken" * 1000
    assert schema.version_of(database) == schema.migrations()[-1]


def test_half_a_copy_is_not_restored(database: Path, tmp_path: Path):
    copy = tmp_path / "copy.db"
    schema.backup(database, copy)
    copy.write_bytes(copy.read_bytes()[: copy.stat().st_size // 2])
    before = database.read_bytes()
    with pytest.raises(OperatorError):
        schema.restore(copy, database)
    assert database.read_bytes() == before
