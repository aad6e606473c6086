"""Rules of the structure that imports alone do not show."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import msgspec
import pytest

from config import settings
from config.connections import connection_sections
from config.section import Section
from models import configuration
from models.capabilities import Capabilities

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").exists())
MAX_FILES = 16
"""Modules of a folder, adapters of platforms and sub-packages apart: about a dozen."""


def modules(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file.relative_to(ROOT), ast.parse(file.read_text())


@pytest.mark.parametrize("folder", ["web", "desk", "actions"])
def test_there_are_no_queries_at_the_edges(folder: str):
    """What is shown and clicked reads rows through store/ and what is above it."""
    names = {"select", "insert", "update", "delete", "text"}
    queries = [
        f"{file}: {alias.name}"
        for file, tree in modules(folder)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy"
        for alias in node.names
        if alias.name in names
    ]
    assert queries == []


def test_policy_is_only_in_one_file():
    """Roles are compared in triage/permissions.py alone; who is notified by role is no permission."""
    elsewhere = [
        str(file)
        for file, tree in modules(*PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "at_least"
    ]
    assert set(elsewhere) == {
        "ascolto/simulation/run.py",  # its managers
        "models/configuration_checks.py",  # whether a queue has enough approvers
        "triage/permissions.py",
        "triage/schedule/escalation.py",  # who is notified
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_holds_about_a_dozen_files(package: str):
    folders = {file.parent for file in (ROOT / package).rglob("*.py")}
    crowded = {
        str(folder.relative_to(ROOT)): count
        for folder in folders
        if (count := sum(file.stem not in {"__init__", *connection_sections()} for file in folder.glob("*.py")))
        > MAX_FILES
    }
    assert crowded == {}


def test_functions_are_short():
    lengths = [
        node.end_lineno - node.lineno + 1
        for file, tree in modules(*PACKAGES)
        if "migrations" not in file.parts
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert median(lengths) <= 6
    assert quantiles(lengths, n=10)[8] <= 18
    assert max(lengths) <= 50


LIBRARIES_THAT_RAISE_ANYTHING = {
    "connections/telegram.py": "python-telegram-bot",
    "models/sentiment/encoder.py": "onnxruntime",
    "models/sentiment/onnx.py": "onnxruntime",
    "publishing/spelling.py": "spylls",
}


def test_only_the_supervisor_and_the_isolation_of_items_catch_everything():
    broad = [
        f"{file}:{node.lineno}"
        for file, tree in modules(*PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    ]
    assert {place.partition(":")[0] for place in broad} == {
        "ascolto/supervisor.py",
        "store/failed_items.py",
        *LIBRARIES_THAT_RAISE_ANYTHING,
    }


def test_the_same_expression_is_not_written_twice():
    """A regular expression that stands twice is a rule that will differ one day (models/patterns.py)."""
    places: dict[str, list[str]] = {}
    for file, tree in modules(*PACKAGES):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and re.fullmatch(r"(re|regex)\.compile", ast.unparse(node.func)):
                places.setdefault(ast.unparse(node.args[0]), []).append(str(file))
    assert {pattern: files for pattern, files in places.items() if len(files) > 1} == {}


def read_attributes(*skipped: str) -> set[str]:
    """Every name that production code reads as an attribute, outside the files that declare it."""
    return {
        node.attr
        for file, tree in modules(*PACKAGES)
        if str(file) not in skipped
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


def sections() -> list[type]:
    found: list[type] = [settings.Settings]
    waiting = [Section]
    while waiting:
        children = waiting.pop().__subclasses__()
        found += children
        waiting += children
    return found


def test_every_setting_is_read():
    read = read_attributes("config/settings.py", "config/connections.py") | {"platform"}  # the discriminator
    unread = {
        f"{section.__name__}.{name}" for section in sections() for name in section.model_fields if name not in read
    }
    assert unread == set()


def test_every_capability_is_read():
    read = read_attributes()
    assert [name for name in Capabilities.__struct_fields__ if name not in read] == []


def test_every_field_of_the_configuration_is_read():
    read = read_attributes("models/configuration_checks.py")
    specs = [
        value
        for value in vars(configuration).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value is not msgspec.Struct
    ]
    unread = {f"{spec.__name__}.{name}" for spec in specs for name in spec.__struct_fields__ if name not in read}
    assert unread == set()
