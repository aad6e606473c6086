"""The scorecard in docs/platforms.md has every platform's exemptions from the contract, with their reasons."""

import re
from pathlib import Path

import pytest
from contract.stages import STAGES

PAGE = (Path(__file__).parents[2] / "docs/platforms.md").read_text()
ROWS = {
    "offline": r"offline start",
    "drop": r"reconnect",
    "revoked": r"revoked",
    "limited": r"rate limits",
    "deletions": r"deletions",
}
"""How the row of each rule of the contract begins, as a pattern."""
REPLIES = r"repl(y|ies)$|answers$"
LOOKUP = r".*unknown fate"
COLUMNS = {
    "Discord": "discord", "Telegram": "telegram", "X": "x", "Mastodon": "mastodon", "Bluesky": "bluesky",
    "Reddit, feeds": "reddit", "Reddit, key": "reddit with a key", "Hacker News": "hackernews", "Webhook": "webhook",
}  # fmt: skip


def cells(line: str) -> list[str]:
    """The cells of a row, links replaced by their text."""
    return [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", cell).strip() for cell in line.strip().strip("|").split("|")]


LINES = [cells(line) for line in PAGE.splitlines() if line.startswith("|")]
REASONS = dict(re.findall(r"^(\d+)\. (.*)$", PAGE, re.MULTILINE))


def cell(row: str, stage: str) -> str:
    """The cell of the one row that begins with a pattern; a second way to the same platform shares its column."""
    [matching] = [line for line in LINES[2:] if re.match(row, line[0])]
    stages = [COLUMNS[name] for name in LINES[0][1:]]
    return dict(zip(stages, matching[1:], strict=True))[stage.partition(",")[0]]


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("rule", ROWS)
def test_a_cell_has_the_exemption_of_the_contract(name: str, rule: str):
    reason = STAGES[name]().EXEMPT.get(rule)
    if reason is None:
        assert cell(ROWS[rule], name).startswith("✓")
    else:
        assert REASONS[cell(ROWS[rule], name)] == reason


@pytest.mark.parametrize("name", STAGES)
def test_replies_and_their_lookup_are_as_in_the_contract(name: str):
    stage = STAGES[name]()
    assert cell(REPLIES, name).startswith("✓") == stage.can_reply
    assert cell(LOOKUP, name).startswith("✓") == (stage.can_reply and stage.can_look_up)


def test_every_number_has_a_reason_and_every_reason_a_number():
    numbers = {number for line in LINES[2:] for cell in line[1:] for number in re.findall(r"\d+", cell)}
    assert numbers == set(REASONS)
