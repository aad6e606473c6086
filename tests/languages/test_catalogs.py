import re
from string import Formatter

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from languages import FOLDER, available, translator

ROOT = FOLDER.parent
PACKAGES = ("actions", "analysis", "cards", "desk", "insights", "publishing", "triage", "web")
KEYWORDS = {"_": (1,), "t": (1,), "mark": (1,), "Refused": (1,), "count": (1, 2)}


def _sentences() -> set[str]:
    """Every sentence in the code that is to be translated; of plurals, the singular."""
    with (FOLDER / "babel.cfg").open() as mapping:
        methods, options = parse_mapping_cfg(mapping)
    sentences = set()
    for package in PACKAGES:
        for _, _, message, _, _ in extract_from_dir(ROOT / package, methods, options, keywords=KEYWORDS):
            sentences.add(message[0] if isinstance(message, tuple) else message)
    return sentences


def _catalog(code: str) -> Catalog:
    with (FOLDER / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


@pytest.mark.parametrize("code", ["it", "ro"])
def test_every_sentence_is_translated_and_no_translation_is_left_over(code: str):
    translated = {m.id[0] if isinstance(m.id, tuple) else m.id for m in _catalog(code) if m.id}
    assert translated == _sentences()


@pytest.mark.parametrize("code", ["it", "ro"])
def test_a_translation_has_the_same_placeholders(code: str):
    for message in _catalog(code):
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        expected = set().union(*(_placeholders(text) for text in ids))
        for text in strings:
            assert text.strip(), ids
            assert _placeholders(text) <= expected, ids
            assert expected - {"n"} <= _placeholders(text), ids


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_romanian_has_three_plurals_and_the_right_letters():
    ro = translator("ro")
    counts = [ro.count("{n} mention", "{n} mentions", n) for n in (1, 2, 19, 20, 101, 120)]
    assert counts == ["1 mențiune", "2 mențiuni", "19 mențiuni", "20 de mențiuni", "101 mențiuni", "120 de mențiuni"]
    assert not re.search("[şţŞŢ]", (FOLDER / "ro.po").read_text(encoding="utf-8"))


def test_a_language_without_a_catalog_falls_back_to_english():
    assert translator("xx").code == "en"
    assert translator("../it").code == "en"
    assert available() == ("en", "it", "ro")


def test_no_template_has_words_outside_the_catalog():
    """Text between tags must be an expression, punctuation, or a proper name."""
    allowed = {"Ascolto", "Ctrl", "Enter", "Esc", "j", "k", "c", "r", "u", "s", "d", "e", "n", "g"}
    templates = list((ROOT / "web/templates").rglob("*.html"))
    assert len(templates) > 20
    for file in templates:
        if file.name == "sign_in.html":  # the member is not known yet: the page is in all three languages
            continue
        text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", " ", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        text = re.sub(r'<[^>]*>|[\w-]+="[^"]*"', " ", text)
        words = set(re.findall(r"[A-Za-z]+", text)) - allowed
        assert not words, f"{file.name}: {words}"
