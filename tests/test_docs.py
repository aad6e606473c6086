"""The documents against the code: commands, platforms, files and settings in them cannot be missing or outdated."""

import re
from pathlib import Path

import msgspec
import pytest
import typer

from ascolto.cli import app, query_app, sentiment_app
from ascolto.platforms import BUILDERS
from config.connections import connection_sections
from models.configuration import Brand, ConfigurationFile, Member
from models.configuration_checks import configuration_errors

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", *map(str, ROOT.glob("docs/**/*.md")))]
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    names = [_name(command) for command in app.registered_commands]
    groups = {"query": query_app, "sentiment": sentiment_app}
    return [*names, *(f"{name} {_name(c)}" for name, group in groups.items() for c in group.registered_commands)]


def _name(command: typer.models.CommandInfo) -> str:
    return command.name or command.callback.__name__


@pytest.mark.parametrize("command", commands())
def test_every_command_is_in_the_readme(command: str):
    assert f"ascolto {command}" in README


def test_every_command_in_the_readme_exists():
    named = set(re.findall(r"`ascolto ((?:query |sentiment )?[a-z]+)", README)) | set(
        re.findall(r"^ascolto ([a-z]+)", README, re.MULTILINE)
    )
    assert named <= set(commands())


@pytest.mark.parametrize("platform", connection_sections())
def test_every_platform_has_a_builder_and_a_page_that_names_it(platform: str):
    assert platform in BUILDERS
    page = (ROOT / f"docs/platforms/{platform}.md").read_text()
    assert f'platform = "{platform}"' in page
    assert f"docs/platforms/{platform}.md" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_exists(page: Path):
    text = page.read_text()
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)\)", text)
    files = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|toml|md))`", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [file for file in files if not (ROOT / file).exists()]
    assert not missing


def test_every_package_is_in_the_readme():
    packages = {folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").exists()} | {"tests"}
    assert packages == set(re.findall(r"^\| `([a-z]+)/` \| \S", README, re.MULTILINE))


def test_every_command_has_a_help_text():
    group = typer.main.get_command(app)
    assert all(command.help for command in group.commands.values())


def test_the_example_team_in_the_docs_can_be_applied():
    [block] = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/teams.md").read_text(), re.DOTALL)
    contents = msgspec.toml.decode(block, type=ConfigurationFile)
    others = tuple(Member(slug=slug, name=slug, role="approver") for slug in ("bruno", "lidia"))
    brands = (Brand(slug="ferroviola", name="Ferroviola", queries=()),)
    complete = msgspec.structs.replace(contents, brands=brands, members=(*contents.members, *others))
    assert list(configuration_errors(complete)) == []
