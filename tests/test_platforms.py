"""Every platform is complete: whoever adds one learns from here what is missing."""

import re
from pathlib import Path

import pytest

from ascolto.platforms import BUILDERS
from config.connections import connection_sections

ROOT = Path(__file__).parents[1]
PLATFORMS = sorted(connection_sections())
ADAPTERS = {
    folder: {file.stem for file in (ROOT / folder).glob("*.py")} for folder in ("listener", "responders", "desk")
}
EXAMPLE = (ROOT / "config/ascolto.example.toml").read_text()
SCORECARD = (ROOT / "docs/platforms.md").read_text()
WITHOUT_CONTRACT = {
    "feed": "no server of its own protocol: tests/listener/test_feed.py",
    "square": "the demo's own: tests of the demo and of the desks",
}


def stages() -> set[str]:
    text = (ROOT / "tests/contract/stages.py").read_text()
    [table] = re.findall(r"^STAGES.*?^}", text, re.DOTALL | re.MULTILINE)
    return {re.split(r"\W", name)[0] for name in re.findall(r'^    "([^"]+)":', table, re.MULTILINE)}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_can_be_built(platform: str):
    assert platform in BUILDERS


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_has_an_adapter(platform: str):
    assert any(platform in files for files in ADAPTERS.values())


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_setting_of_a_platform_is_in_the_example(platform: str):
    [example] = [block for block in EXAMPLE.split("# [[connections]]") if f'platform = "{platform}"' in block]
    keys = set(re.findall(r"^# ([a-z_]+) = ", example, re.MULTILINE))
    assert set(connection_sections()[platform].model_fields) <= keys


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_has_a_page_that_the_readme_links_to(platform: str):
    page = (ROOT / f"docs/platforms/{platform}.md").read_text()
    assert f'platform = "{platform}"' in page
    assert f"docs/platforms/{platform}.md" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("platform", sorted(ADAPTERS["listener"] - {"__init__"}))
def test_a_listener_passes_the_contract(platform: str):
    assert platform in stages() | WITHOUT_CONTRACT.keys()
    assert platform in WITHOUT_CONTRACT or f"platforms/{platform}.md" in SCORECARD


@pytest.mark.parametrize("platform", sorted(ADAPTERS["responders"] - {"__init__"}))
def test_a_responder_has_a_listener(platform: str):
    assert platform in ADAPTERS["listener"]


def test_nothing_is_left_of_a_platform_that_is_gone():
    assert set(BUILDERS) == set(PLATFORMS)
    assert (ADAPTERS["listener"] | ADAPTERS["responders"]) - {"__init__"} <= set(PLATFORMS)
    assert {file.stem for file in (ROOT / "docs/platforms").glob("*.md")} == set(PLATFORMS)
