"""A saved reply is filled, whatever its author wrote: no word of Python's or Jinja2's, no crash, no long wait."""

import time

import pytest

from models.saved_reply_template import MAX_TEMPLATE, fill, open_placeholders, syntax_error

VALUES = {"author": "@rita", "name": "Rita", "brand": "Ferroviola", "link": "https://ferroviola.example"}
JINJA_WORDS = [
    "range", "lipsum", "self", "cycler", "dict", "namespace", "joiner", "loop", "super", "caller", "varargs", "kwargs",
    "none", "None", "True", "false", "environment", "context", "resolve", "undefined", "missing", "blocks", "__import__",
    "__builtins__", "_", "debug", "exec", "open", "l_0_author", "t_1", "root", "name_", "template",
]  # fmt: skip


@pytest.mark.parametrize("word", JINJA_WORDS)
def test_a_name_is_refused_or_stands_as_it_was_written(word: str):
    text = f"Ciao {{{{ {word} }}}}!"
    assert syntax_error(text) or fill(text, VALUES) == text


@pytest.mark.parametrize("word", JINJA_WORDS)
def test_a_name_that_is_accepted_is_left_to_be_filled_in_by_a_person(word: str):
    text = f"Ciao {{{{ {word} }}}}!"
    assert syntax_error(text) or word in open_placeholders(text)


def nested(depth: int) -> str:
    return "{% if link %}" * depth + "x" + "{% endif %}" * depth


@pytest.mark.parametrize("depth", [1, 2, 20, 50, 100, 300, 1_000, 5_000])
def test_what_is_accepted_can_be_filled_however_deep_it_is(depth: int):
    text = nested(depth)
    if syntax_error(text) is None:
        assert fill(text, VALUES) == "x"


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 5_000 + "author" + ")" * 5_000 + " }}",
        "{% if " + "not " * 4_000 + "link %}x{% endif %}",
        "{{ " + "-" * 9_000 + "1 }}",
        "{{ " + "[" * 9_000 + "]" * 9_000 + " }}",
        "{{ author" + ".a" * 9_000 + " }}",
        "{{ a " + "~ a " * 4_000 + "}}",
        "{{ a" + " if a else a" * 1_500 + " }}",
        "{% if a %}{% elif a %}" * 15 + "{% endif %}" * 15,
        "{% if a %}" + "{% elif a %}" * 30 + "{% endif %}",
        "{%" * 5_000,
        "{{" * 5_000,
        "{#" * 5_000,
        "{{ author }}" * 1_600,
        "\x00{{ author }}",
        "{{ аuthor }}",  # a Cyrillic а
        "{{ autho\u0301r }}",
    ],
    ids=[
        "parentheses",
        "not",
        "minus",
        "lists",
        "attributes",
        "joined",
        "conditions",
        "elif in another",
        "elif",
        "tags",
        "braces",
        "comments",
        "many names",
        "a null byte",
        "a Cyrillic letter",
        "an accent of its own",
    ],
)
def test_a_hostile_text_is_refused_or_filled_without_a_crash(text: str):
    error = syntax_error(text)
    assert error is None or isinstance(error, str)
    if error is None:
        open_placeholders(text)
        fill(text, VALUES)


def test_a_very_long_text_takes_no_long_time():
    start = time.process_time()
    assert syntax_error("{{ author }}" * 100_000)
    longest = ("{{ author }}" * MAX_TEMPLATE)[:MAX_TEMPLATE].rpartition("{{")[0]
    assert syntax_error(longest) is None
    assert fill(longest, VALUES).startswith("@rita@rita")
    assert time.process_time() - start < 4


def test_values_are_text_and_not_filled_again():
    hostile = "{{ link }}{% if brand %}{{ name }}{% endif %}"
    assert fill("{{ author }}", {"author": hostile, "link": "secret"}) == hostile
