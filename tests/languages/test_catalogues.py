import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from languages import FOLDER, available, translator

ROOT = FOLDER.parent
ROOMS = ("triage", "web", "desk", "insights")
KEYWORDS = {"_": (1,), "t": (1,), "Refused": (1,), "count": (1, 2)}


def _said() -> set[str]:
    with (FOLDER / "babel.cfg").open() as mapping:
        methods, options = parse_mapping_cfg(mapping)
    found = set()
    for room in ROOMS:
        for _, _, message, _, _ in extract_from_dir(ROOT / room, methods, options, keywords=KEYWORDS):
            found.add(message[0] if isinstance(message, tuple) else message)
    return found


def _catalogue(code: str):
    with (FOLDER / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


@pytest.mark.parametrize("code", ["it", "ro"])
def test_every_sentence_is_translated_and_none_is_left_over(code: str):
    known = {m.id[0] if isinstance(m.id, tuple) else m.id for m in _catalogue(code) if m.id}
    assert known == _said()


@pytest.mark.parametrize("code", ["it", "ro"])
def test_a_translation_fills_the_same_places(code: str):
    for message in _catalogue(code):
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        wanted = set().union(*(_places(text) for text in ids))
        for text in strings:
            assert text.strip(), ids
            assert _places(text) <= wanted, ids
            assert wanted - {"n"} <= _places(text), ids


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_romanian_has_three_plurals_and_the_right_letters():
    ro = translator("ro")
    counts = [ro.count("{n} mention", "{n} mentions", n) for n in (1, 2, 19, 20, 101, 120)]
    assert counts == ["1 mențiune", "2 mențiuni", "19 mențiuni", "20 de mențiuni", "101 mențiuni", "120 de mențiuni"]
    assert not re.search("[şţŞŢ]", (FOLDER / "ro.po").read_text(encoding="utf-8"))


def test_a_language_without_a_catalogue_speaks_english():
    assert translator("xx").code == "en"
    assert translator("../it").code == "en"
    assert available() == ("en", "it", "ro")


def test_no_template_holds_words_outside_the_catalogue():
    """Text between tags must be an expression, punctuation, or a proper name."""
    allowed = {"Ascolto", "Ctrl", "Enter", "Esc", "j", "k", "c", "r", "u", "s", "d", "e", "n", "g"}
    for file in (ROOT / "web/templates").glob("*.html"):
        if file.name == "enter.html":  # nobody is known yet: it speaks three languages at once
            continue
        text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", " ", Path(file).read_text(encoding="utf-8"), flags=re.DOTALL)
        text = re.sub(r'<[^>]*>|class="[^"]*"', " ", text)
        words = set(re.findall(r"[A-Za-z]+", text)) - allowed
        assert not words, f"{file.name}: {words}"
