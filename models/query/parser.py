"""Parses a query; errors have the column."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import cached_property
from typing import Final, NamedTuple, NoReturn

from models.language_tags import language_code
from models.query.nodes import (
    Anchor,
    And,
    Author,
    Language,
    Near,
    Node,
    Not,
    Or,
    Phrase,
    Source,
    Span,
    Subject,
    Word,
    words_of,
)
from models.text import fold

MAX_LENGTH: Final = 8_000
"""Characters."""
MAX_DEPTH: Final = 50
"""Of nested parentheses and NOTs."""
MIN_PREFIX: Final = 3
"""Letters before a star: a shorter prefix matches half of any language."""

_FIELDS = ("author", "lang", "source")
_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<near>"[^"]*"~(?P<distance>\d*))
    | (?P<quoted>"[^"]*")
    | (?P<unclosed>")
    | (?P<minus>-(?=[^\s)]))
    | (?P<field>(?P<name>[A-Za-z_]+):(?!//)(?P<value>"[^"]*"|[^\s()"]*))
    | (?P<word>[^\s()"]+)
    """,
    re.VERBOSE,
)


class QueryError(ValueError):
    """What is wrong with a query; `column` counts from 1."""

    def __init__(self, problem: str, column: int) -> None:
        super().__init__(f"{problem} at column {column}")
        self.problem = problem
        self.column = column


class Query:
    """A parsed query: tests posts, and returns the words that matched."""

    __slots__ = ("anchors", "node", "text")

    def __init__(self, text: str, node: Node, anchors: frozenset[Anchor]) -> None:
        self.text = text
        self.node = node
        self.anchors = anchors

    def matches(self, subject: Subject) -> bool:
        return self.node.test(subject)

    def matched_words(self, text: str, subject: Subject, limit: int = 8) -> list[str]:
        """The first parts of the original `text` that match, in order, each once, at most `limit`."""
        original = _Original(text, subject.folded)
        parts: dict[str, None] = {}
        for span in sorted(set(self.node.spans(subject))):
            parts[original.part(span)] = None
            if len(parts) == limit:
                break
        return list(parts)


def parse(text: str) -> Query:
    """Raises QueryError with the column of the problem."""
    if len(text) > MAX_LENGTH:
        raise QueryError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH + 1)
    node = _Parser(text).parse()
    anchors = node.anchors()
    if not anchors:
        raise QueryError(
            "too broad: it needs a word of at least two letters that every match contains, or an author: or a source:",
            1,
        )
    return Query(text, node, anchors)


class _Token(NamedTuple):
    kind: str
    text: str
    column: int
    name: str = ""
    value: str = ""


class _Parser:
    """Recursive descent: or → and → not → atom."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.at = 0
        self.depth = 0

    def parse(self) -> Node:
        if not self.tokens:
            raise QueryError("the query is empty", 1)
        node = self._or()
        if self._token is not None:
            self._fail("closing parenthesis without an opening one")
        return node

    @property
    def _token(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _fail(self, problem: str) -> NoReturn:
        raise QueryError(problem, self._token.column if self._token else len(self.text) + 1)

    def _operator(self, name: str) -> bool:
        token = self._token
        return token is not None and token.kind == "word" and token.text == name

    def _or(self) -> Node:
        children = [self._and()]
        while self._operator("OR"):
            self.at += 1
            children.append(self._and())
        return children[0] if len(children) == 1 else Or(tuple(children))

    def _and(self) -> Node:
        children = [self._not()]
        while (token := self._token) is not None and token.kind != "close" and not self._operator("OR"):
            if self._operator("AND"):
                self.at += 1
            children.append(self._not())
        return children[0] if len(children) == 1 else And(tuple(children))

    def _not(self) -> Node:
        token = self._token
        if token is None or not (token.kind == "minus" or self._operator("NOT")):
            return self._atom()
        self.at += 1
        return Not(self._deeper(self._not))

    def _deeper(self, rule: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._fail(f"more than {MAX_DEPTH} nested parentheses")
        node = rule()
        self.depth -= 1
        return node

    def _atom(self) -> Node:
        token = self._token
        if token is None:
            self._fail("a term is missing")
        if token.text in ("AND", "OR", "NOT") and token.kind == "word":
            self._fail(f"{token.text} has nothing before it")
        if token.kind == "close":
            self._fail("empty parentheses")
        self.at += 1
        if token.kind == "open":
            return self._group(token)
        return _leaf(token)

    def _group(self, opened: _Token) -> Node:
        node = self._deeper(self._or)
        if self._token is None:
            raise QueryError("unclosed parenthesis", opened.column)
        self.at += 1
        return node


_QUOTES: Final = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
_DASH: Final = re.compile(r"(?<![^\s(])[–—−](?=[^\s)])")


def _tokens(text: str) -> list[_Token]:
    tokens = []
    text = _DASH.sub("-", text.translate(_QUOTES))  # as phones and documents write them
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        column = match.start() + 1
        if kind == "unclosed":
            raise QueryError("unclosed quote", column)
        if kind == "near":
            tokens.append(_Token(kind, match[0], column, value=match["distance"]))
        elif kind == "field":
            tokens.append(_Token(kind, match[0], column, match["name"], match["value"].strip('"')))
        elif kind != "space":
            tokens.append(_Token(kind, match[0], column))
    return tokens


def _leaf(token: _Token) -> Node:
    if token.kind == "field":
        return _field(token)
    if token.kind == "near":
        return _near(token)
    if token.kind == "quoted":
        words = _quoted_words(token, token.text)
        if not words:
            raise QueryError("there is no word between these quotes", token.column)
        return Phrase(words)
    return _word(token)


def _quoted_words(token: _Token, text: str) -> tuple[Word, ...]:
    """The words between quotes, each with its own star."""
    words: list[Word] = []
    for chunk in re.finditer(r"[^\s\"]+", text):
        body, star, after = chunk[0].partition("*")
        column = token.column + chunk.start()
        if after.strip(".,;:!?"):
            raise QueryError("a star can only end a word", column + len(body))
        found = words_of(body, body[:1] if body[:1] in ("#", "@") else "", prefix=bool(star))
        if star and (not found or len(found[-1].text) < MIN_PREFIX):
            raise QueryError(f"a star needs at least {MIN_PREFIX} letters before it", column)
        words += found
    return tuple(words)


def _word(token: _Token) -> Node:
    _refuse_foreign_operators(token)
    body, star, after = token.text.partition("*")
    if after:
        raise QueryError("a star can only end a word", token.column + len(body))
    sign = body[:1] if body[:1] in ("#", "@") else ""
    words = words_of(body, sign, prefix=bool(star))
    if not words:
        raise QueryError(f"“{token.text}” has no letter or digit", token.column)
    if star and len(words[-1].text) < MIN_PREFIX:
        raise QueryError(f"a star needs at least {MIN_PREFIX} letters before it", token.column)
    return Phrase(words)


_PROXIMITY: Final = re.compile(r"(?:O?NEAR|NEAR|W|WITHIN|PRE)[/:~]?(\d+)", re.IGNORECASE)
_FOREIGN: Final = {
    "|": "write OR between the terms",
    "&": "write AND between the terms, or nothing",
    "!": "write NOT or a minus before a term",
    "?": "only a star at the end of a word stands for letters",
    "~": 'a distance is written "two words"~5',
    "^": "terms have no weights",
    "+": "all terms are required without a sign",
    "=": "terms are compared without a sign",
    "{": "group terms with ( )",
    "}": "group terms with ( )",
    "[": "group terms with ( )",
    "]": "group terms with ( )",
    "<": "write each term as a word",
    ">": "write each term as a word",
    "\\": "nothing needs a backslash",
}
"""What other tools' operators are called here: never taken for words in silence."""
_LOWER_CASE: Final = frozenset({"or", "and", "not"})


def _refuse_foreign_operators(token: _Token) -> None:
    """`H&M`, `C++` and `ferroviola!` are words; a sign alone, in front of a word, or one that no word has is an operator."""
    text = token.text
    if text in _LOWER_CASE:
        raise QueryError(f"write {text.upper()} in capitals, or the word in quotes", token.column)
    if _PROXIMITY.fullmatch(text):
        raise QueryError('a distance is written "two words"~5', token.column)
    inside = any(character in "|?~^{}[]<>\\" for character in text)
    if inside or text[0] in _FOREIGN:
        sign = next(character for character in text if character in _FOREIGN)
        raise QueryError(f"{sign} has no meaning here: {_FOREIGN[sign]}", token.column + text.index(sign))


def _near(token: _Token) -> Node:
    if not token.value:
        raise QueryError("a number is missing after ~", token.column + len(token.text))
    words = _quoted_words(token, token.text.rpartition("~")[0])
    if len(words) < 2:
        raise QueryError("a distance needs at least two words between the quotes", token.column)
    if len(words) > 5:
        raise QueryError("a distance allows at most five words between the quotes", token.column)
    return Near(words, min(int(token.value[:4]), 1000))


def _field(token: _Token) -> Node:
    name, value = token.name.lower(), fold(token.value).strip()
    if name not in _FIELDS:
        similar = get_close_matches(name, _FIELDS, 1)
        hint = f": did you mean {similar[0]}:" if similar else f"; there are {', '.join(f + ':' for f in _FIELDS)}"
        raise QueryError(f"unknown field {token.name}:{hint}", token.column)
    if not value:
        raise QueryError(f"a value is missing after {name}:", token.column)
    if name == "author":
        return Author(value.lstrip("@"))
    if name == "lang":
        code = language_code(value)
        if code is None:
            raise QueryError(f"{token.value} is no language: lang:it", token.column)
        return Language(code)
    return Source(value)


class _Original:
    """The original text behind spans of the folded one; usually the positions are the same."""

    def __init__(self, text: str, folded: str) -> None:
        self.text = text
        self.folded = folded

    def part(self, span: Span) -> str:
        start, end = span
        text, folded = self.text, self.folded
        if len(text) == len(folded) and fold(text[start:end]) == folded[start:end]:
            return text[start:end]
        positions = self._positions
        # In rare cases characters fold differently together than one by one: then the folded words are the best available.
        return text[positions[start] : positions[end - 1] + 1] if len(positions) == len(folded) else folded[start:end]

    @cached_property
    def _positions(self) -> list[int]:
        """For each folded character, where it comes from. Made once a text: it costs as much as folding it."""
        return [
            n for n, character in enumerate(self.text) for _ in (character if character.isascii() else fold(character))
        ]
