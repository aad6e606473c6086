"""The scorecard says of every platform what the contract test holds it to, and for what reason not."""

import re
from pathlib import Path

import pytest
from contract.stages import STAGES

PAGE = (Path(__file__).parents[2] / "docs/platforms.md").read_text()
ROWS = {
    "offline": "offline start",
    "drop": "reconnect without a gap or a double",
    "revoked": "revoked token",
    "limited": "rate limits",
    "deletions": "deletions",
}
COLUMNS = {
    "Discord": "discord", "Telegram": "telegram", "X": "x", "Mastodon": "mastodon", "Bluesky": "bluesky",
    "Reddit, feeds": "reddit", "Reddit, key": "reddit with a key", "Hacker News": "hackernews", "Webhook": "webhook",
}  # fmt: skip


def cells(line: str) -> list[str]:
    return [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", cell).strip() for cell in line.strip().strip("|").split("|")]


def table() -> dict[tuple[str, str], str]:
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    names = [COLUMNS[name] for name in cells(lines[0])[1:]]
    return {(row[0], name): cell for row in map(cells, lines[2:]) for name, cell in zip(names, row[1:], strict=True)}


def column(name: str) -> str:
    """A second way to the same platform stands in its column."""
    return name.partition(",")[0]


REASONS = dict(re.findall(r"^(\d+)\. (.*)$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("rule", ROWS)
def test_a_cell_is_what_the_contract_says(name: str, rule: str):
    cell, reason = table()[ROWS[rule], column(name)], STAGES[name]().EXEMPT.get(rule)
    if reason is None:
        assert cell.startswith("✓")
    else:
        assert REASONS[cell] == reason


@pytest.mark.parametrize("name", STAGES)
def test_who_speaks_and_who_is_looked_up_is_true(name: str):
    stage = STAGES[name]()
    assert table()["answers", column(name)].startswith("✓") == stage.speaks
    assert table()["a reply of unknown fate is looked up", column(name)].startswith("✓") == (
        stage.speaks and stage.tells
    )


def test_every_number_has_its_reason_and_every_reason_its_number():
    used = {number for cell in table().values() for number in re.findall(r"\d+", cell)}
    assert used == set(REASONS)
