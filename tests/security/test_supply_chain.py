"""What is installed is what was chosen: every library in one version, known by its hash."""

import hashlib
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "web" / "static" / "vendor"
HASH = re.compile(r"(sha256:|sha256-|sha256 ?= ?\")[0-9A-Za-z+/=]{43,}")
LOCKS = ("uv.lock", "pylock.toml", "pdm.lock", "poetry.lock", "requirements.lock", "requirements.txt")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    """Name → version, as constraints.txt pins them."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    matches = (re.match(r"([\w.-]+)==([\w.!+-]+)", line.strip()) for line in lines)
    return {canonical(match[1]): match[2] for match in matches if match}


def requirements(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """What an installed distribution needs, with those extras."""
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        environments = [{"extra": extra} for extra in (*extras, "")]
        if requirement.marker is None or any(requirement.marker.evaluate(e) for e in environments):
            yield canonical(requirement.name), frozenset(requirement.extras)


def installed_with(root: str) -> dict[str, str]:
    """Name → version of everything that installing `root` brings; what is missing here is left out."""
    versions: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(root, frozenset[str]())]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        try:
            versions[current[0]] = distribution(current[0]).version
            waiting += requirements(*current)
        except PackageNotFoundError:
            continue
    return versions


def test_every_library_of_the_base_installation_is_pinned():
    brought = installed_with("ascolto")
    assert len(brought) > 40, "the walk over the requirements found hardly anything"
    assert sorted(set(brought) - set(pins()) - {"ascolto"}) == []


def test_what_is_installed_is_what_is_pinned():
    pinned = pins()
    brought = installed_with("ascolto")
    differing = {
        name: (version, pinned[name]) for name, version in brought.items() if pinned.get(name, version) != version
    }
    assert differing == {}


def locked() -> str:
    """The pins with their hashes, whichever file has them."""
    files = [ROOT / name for name in (*LOCKS, "constraints.txt")]
    return "\n".join(file.read_text() for file in files if file.is_file() and HASH.search(file.read_text()))


def test_every_pin_has_a_hash():
    text = locked()
    assert text, "neither constraints.txt nor a lock file has hashes"
    names = {canonical(name) for name in re.findall(r"(?m)^(?:name = \")?([A-Za-z][\w.-]*)(?:==|\"$)", text)}
    missing = set(installed_with("ascolto")) - {"ascolto"} - names
    assert sorted(missing) == []


def test_the_build_backend_has_one_version():
    text = (ROOT / "pyproject.toml").read_text()
    required = re.search(r"\[build-system\]\s*requires = \[(.*)\]", text)
    assert required
    assert all("==" in one for one in re.findall(r"\"([^\"]+)\"", required[1])) or "hatchling" in pins()


@pytest.mark.parametrize("file", sorted(VENDOR.glob("*.js")), ids=lambda file: file.name)
def test_vendored_scripts_have_the_hash_that_is_noted(file: Path):
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert f"{digest}  {file.name}" in (VENDOR / "README.md").read_text()
