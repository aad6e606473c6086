"""Plain words: what was renamed does not come back, in names, tables, settings, files or sentences."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from config.connections import connection_sections
from config.settings import Settings
from models.tables.base import Base

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").exists())
OLD: dict[str, list[str]] = {}
for line in (ROOT / "tests/old_words.txt").read_text().splitlines():
    if line.startswith("["):
        words = OLD.setdefault(line.strip("[]"), [])
    elif line and not line.startswith("#"):
        words.append(line)
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted(
    ROOT.glob("docs/**/*.md")
)


def pattern(section: str) -> re.Pattern[str]:
    return re.compile("|".join(OLD[section]))


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in file.parts:
                yield file.relative_to(ROOT), ast.parse(file.read_text())


def named(kinds: tuple[type[ast.AST], ...]) -> Iterator[tuple[Path, str]]:
    return ((file, node.name) for file, tree in trees() for node in ast.walk(tree) if isinstance(node, kinds))


def test_modules():
    assert [file for file, _ in trees() if file.stem in OLD["modules"]] == []


def test_classes():
    old = pattern("classes")
    assert [(file, name) for file, name in named((ast.ClassDef,)) if old.fullmatch(name)] == []


def test_functions():
    old = pattern("functions")
    found = [(file, name) for file, name in named((ast.FunctionDef, ast.AsyncFunctionDef)) if old.fullmatch(name)]
    assert found == []


def test_tables_and_columns():
    for file in (ROOT / "models/tables").glob("*.py"):
        import_module(f"models.tables.{file.stem}")
    tables = Base.metadata.tables
    assert set(tables) & set(OLD["tables"]) == set()
    columns = {f"{name}.{column.key}" for name, table in tables.items() for column in table.columns}
    assert [column for column in columns if column.partition(".")[2] in OLD["columns"]] == []


def test_settings():
    sections = [Settings, *connection_sections().values()]
    names = {field for section in sections for field in section.model_fields}
    for document in ("config/ascolto.example.toml", "ascolto/demo/vialunga.toml", "docs/teams.md"):
        names |= set(re.findall(r"\b([a-z_]+) = ", (ROOT / document).read_text()))
    assert names & set(OLD["settings"]) == set()


def test_sentences_of_the_interface():
    with (ROOT / "languages/it.po").open("rb") as file:
        ids = [message.id for message in read_po(file, locale="it") if message.id]
    sentences = [sentence for id_ in ids for sentence in ([id_] if isinstance(id_, str) else id_)]
    assert [sentence for sentence in sentences if pattern("sentences").search(sentence)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_and_messages(package: str):
    old = pattern("prose")
    found = [
        f"{file}:{node.lineno}: {match[0]}"
        for file, tree in trees()
        if file.parts[0] == package
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (match := old.search(node.value))
    ]
    assert found == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_documents(document: Path):
    old = pattern("prose")
    lines = enumerate(document.read_text().splitlines(), 1)
    assert [f"{n}: {match[0]}" for n, line in lines if (match := old.search(line))] == []
