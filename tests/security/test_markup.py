"""What an author writes is shown on Discord as text: no link of theirs, no formatting, and no backslash too many."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.discord_cards import safe

INVISIBLE = "\u200b"


def live(shown: str) -> list[str]:
    """What Discord would read as markup: an active character that no backslash makes plain, and that is in no address."""
    runs = re.finditer(r"(\\*)([*_`~|\[<])", re.sub(r"https?://[^\s<]+", "", shown))
    return [run[0] for run in runs if len(run[1]) % 2 == 0]


def read(shown: str) -> str:
    """The text as Discord shows it: a backslash before punctuation is not shown."""
    return re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", shown).replace(INVISIBLE, "")


HOSTILE = [
    "[Sign-in-again](https://evil.example)",
    "[banca](<https://evil.example>)",
    "\\[banca](https://evil.example)",
    "\\\\[banca](https://evil.example)",
    "<x:/**BOLD**||spoiler||>",
    "<https://evil.example/**grassetto**>",
    "https://evil.example/_a_[b](https://evil.example)",
    "**grassetto** __sotto__ ~~via~~ ||spoiler|| `codice`",
    "```\ncodice\n```",
    "<@301> <@&500> <#12> <:emoji:1> <t:1> </comando:1>",
    "[[a]](https://evil.example) [a\\](https://evil.example)",
    "x\\",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_markup_of_an_author_works(text: str):
    assert live(safe(text)) == []


@pytest.mark.parametrize("text", ["[a](https://b.example)", "**a**", "2 * 3 < 7 [sic]", "\\o/ snake_case ~5"])
def test_members_read_what_was_written(text: str):
    assert read(safe(text)) == text


@given(st.text(alphabet="ab \\[]()<>*_`~|/:.@#!-https", max_size=40))
def test_no_markup_works_whatever_is_written(text: str):
    assert live(safe(text)) == []


@pytest.mark.parametrize("text", ["@everyone", "@here", "<@301>", "<@&500>"])
def test_nobody_is_called(text: str):
    assert not re.search(r"@(everyone|here)|(?<!\\)(\\\\)*<@", safe(text))


@pytest.mark.parametrize("text", ["# Titolo", "> citazione", "- elenco", "-# piccolo", "1. uno"])
def test_a_line_does_not_become_a_heading_where_it_is_quoted(text: str):
    """`safe` is used within a line; `quoted` puts the author's text into one."""
    from desk.discord_cards import MARKUP

    assert "\n" not in MARKUP.quoted(f"a\n{text}\nb", 100)
