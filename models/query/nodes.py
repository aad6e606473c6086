"""The nodes of a parsed query, and how each is tested against a post."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, Protocol

from models.language_tags import language_code
from models.text import fold

# Scripts written without spaces: each character is a word, so that a term of several is a phrase.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
# An underscore around a word is emphasis (_so_), inside it a letter; a handle keeps its own.
_WORD = re.compile(
    f"[{_UNSPACED}]|(?<=@)[^\\W{_UNSPACED}]+|[^\\W_{_UNSPACED}](?:[^\\W{_UNSPACED}]*[^\\W_{_UNSPACED}])?"
)
_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")

Span = tuple[int, int]
"""Start and end in the folded text."""


class Anchor(NamedTuple):
    """What a post must contain for a query to match; the prefilter searches for these only."""

    kind: Literal["text", "author", "source"]
    value: str
    prefix: bool = False

    @property
    def rarity(self) -> int:
        """The longer a literal, the fewer posts contain it; a source is the most common of all."""
        return {"text": len(self.value), "author": 50, "source": 0}[self.kind]


class Subject:
    """One post as the matcher sees it; folded at once, split into words only for a candidate query."""

    __slots__ = ("__dict__", "_author", "_detect", "_language", "folded", "sources", "text")

    def __init__(
        self,
        text: str,
        *,
        author: str = "",
        sources: Sequence[str] = (),
        language: str | None = None,
        detect: Callable[[str, str | None], str] | None = None,
    ) -> None:
        self.text = text
        self.folded = fold(text)
        self._author = author
        self.sources = sources
        self._language = language
        self._detect = detect

    @cached_property
    def spans(self) -> list[Span]:
        return [match.span() for match in _WORD.finditer(self.folded)]

    @cached_property
    def positions(self) -> dict[str, list[int]]:
        """Word → its positions, counted in words."""
        positions: dict[str, list[int]] = {}
        for position, (start, end) in enumerate(self.spans):
            positions.setdefault(self.folded[start:end], []).append(position)
        return positions

    @cached_property
    def author(self) -> str:
        """The handle, folded."""
        return fold(self._author).lstrip("@")

    @cached_property
    def language(self) -> str:
        """Detected, with the platform's tag as a hint (only queries with `lang:` need it)."""
        if self._detect:
            return self._detect(self.text, self._language)
        return language_code(self._language) or "und"

    def sign(self, position: int) -> str:
        """The `#` or `@` right before a word, or an empty string."""
        start = self.spans[position][0]
        before = self.folded[start - 1 : start]
        return before if before in ("#", "@") else ""


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    prefix: bool = False
    sign: str = ""

    def positions(self, subject: Subject) -> list[int]:
        if self.prefix:
            by_word = subject.positions.items()
            positions = sorted(n for word, indexes in by_word if word.startswith(self.text) for n in indexes)
        else:
            positions = subject.positions.get(self.text, [])
        return [n for n in positions if subject.sign(n) == self.sign] if self.sign else positions


def words_of(text: str, sign: str = "", *, prefix: bool = False) -> tuple[Word, ...]:
    """A term or a quoted phrase, split as posts are; the sign belongs to the first word, the star to the last."""
    folded = fold(text)
    words = [folded[start:end] for start, end in (match.span() for match in _WORD.finditer(folded))]
    last = len(words) - 1
    return tuple(Word(word, prefix and n == last, sign if n == 0 else "") for n, word in enumerate(words))


class Node(Protocol):
    def test(self, subject: Subject) -> bool: ...

    def anchors(self) -> frozenset[Anchor] | None:
        """A set of which every matching post contains at least one, or None if there is no such set."""

    def spans(self, subject: Subject) -> list[Span]:
        """The parts of a matching post that match."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Consecutive words; a single word is the shortest phrase."""

    words: tuple[Word, ...]

    def _matches(self, subject: Subject) -> Iterator[tuple[int, int]]:
        """The positions of the first and the last word."""
        first, *rest = self.words
        following = [set(word.positions(subject)) for word in rest]
        for position in first.positions(subject):
            if all(position + step in positions for step, positions in enumerate(following, 1)):
                yield position, position + len(rest)

    def test(self, subject: Subject) -> bool:
        return next(self._matches(subject), None) is not None

    def anchors(self) -> frozenset[Anchor] | None:
        return _literal(self.words)

    def spans(self, subject: Subject) -> list[Span]:
        return [_span(subject, first, last) for first, last in self._matches(subject)]


@dataclass(frozen=True, slots=True)
class Near:
    """Words with at most `distance` other words between them, in any order."""

    words: tuple[Word, ...]
    distance: int

    def _matches(self, subject: Subject) -> Iterator[tuple[int, int]]:
        """The positions of the first and the last word."""
        positions = [word.positions(subject) for word in self.words]
        span = len(self.words) + self.distance
        for first in sorted({position for each in positions for position in each}):
            # Of each word, as many positions as there are words: whichever the others take, one is left.
            near = [each[(at := bisect_left(each, first)) : at + len(positions)] for each in positions]
            taken = _one_of_each([[p for p in each if p < first + span] for each in near])
            if taken:
                yield min(taken), max(taken)

    def test(self, subject: Subject) -> bool:
        return next(self._matches(subject), None) is not None

    def anchors(self) -> frozenset[Anchor] | None:
        return _literal(self.words)

    def spans(self, subject: Subject) -> list[Span]:
        match = next(self._matches(subject), None)
        return [_span(subject, *match)] if match else []


def _one_of_each(positions: Sequence[Sequence[int]]) -> list[int]:
    """A position for each word, none used twice; empty where there is no such choice. At most five words of five positions."""
    taken: dict[int, int] = {}

    def place(word: int, tried: set[int]) -> bool:
        for position in positions[word]:
            if position not in tried:
                tried.add(position)
                if position not in taken or place(taken[position], tried):
                    taken[position] = word
                    return True
        return False

    return list(taken) if all(place(word, set()) for word in range(len(positions))) else []


@dataclass(frozen=True, slots=True)
class Author:
    handle: str

    def test(self, subject: Subject) -> bool:
        return subject.author == self.handle

    def anchors(self) -> frozenset[Anchor] | None:
        return frozenset({Anchor("author", self.handle)})

    def spans(self, subject: Subject) -> list[Span]:  # noqa: ARG002 - the author is not in the text
        return []


@dataclass(frozen=True, slots=True)
class Language:
    code: str

    def test(self, subject: Subject) -> bool:
        return subject.language == self.code

    def anchors(self) -> frozenset[Anchor] | None:
        return None

    def spans(self, subject: Subject) -> list[Span]:  # noqa: ARG002
        return []


@dataclass(frozen=True, slots=True)
class Source:
    """A platform or one named connection."""

    name: str

    def test(self, subject: Subject) -> bool:
        return self.name in subject.sources

    def anchors(self) -> frozenset[Anchor] | None:
        return frozenset({Anchor("source", self.name)})

    def spans(self, subject: Subject) -> list[Span]:  # noqa: ARG002
        return []


@dataclass(frozen=True, slots=True)
class Not:
    child: Node

    def test(self, subject: Subject) -> bool:
        return not self.child.test(subject)

    def anchors(self) -> frozenset[Anchor] | None:
        return None

    def spans(self, subject: Subject) -> list[Span]:  # noqa: ARG002
        return []


@dataclass(frozen=True, slots=True)
class And:
    children: tuple[Node, ...]

    def test(self, subject: Subject) -> bool:
        return all(child.test(subject) for child in self.children)

    def anchors(self) -> frozenset[Anchor] | None:
        """Those of one child are enough: the child whose most common anchor is the rarest, then the one with the fewest."""
        sets = [anchors for child in self.children if (anchors := child.anchors())]
        return max(sets, key=lambda anchors: (min(a.rarity for a in anchors), -len(anchors)), default=None)

    def spans(self, subject: Subject) -> list[Span]:
        return [span for child in self.children for span in child.spans(subject)]


@dataclass(frozen=True, slots=True)
class Or:
    children: tuple[Node, ...]

    def test(self, subject: Subject) -> bool:
        return any(child.test(subject) for child in self.children)

    def anchors(self) -> frozenset[Anchor] | None:
        union: set[Anchor] = set()
        for child in self.children:
            anchors = child.anchors()
            if anchors is None:
                return None
            union |= anchors
        return frozenset(union)

    def spans(self, subject: Subject) -> list[Span]:
        return [span for child in self.children if child.test(subject) for span in child.spans(subject)]


def _literal(words: tuple[Word, ...]) -> frozenset[Anchor] | None:
    """The longest of the words; None for a single Latin letter, which too many posts contain."""
    longest = max(words, key=lambda word: len(word.sign + word.text))
    if len(words) == 1 and len(longest.text) == 1 and longest.text.isascii():
        return None
    return frozenset({Anchor("text", longest.sign + longest.text, longest.prefix)})


def _span(subject: Subject, first: int, last: int) -> Span:
    """From the word at position `first` to the one at `last`, with the sign before it."""
    start = subject.spans[first][0]
    return start - len(subject.sign(first)), subject.spans[last][1]


def is_word_character(character: str) -> bool:
    """Whether it can be a part of a longer word, an underscore at its edge aside; those of unspaced scripts are words."""
    return character.isalnum() and not _UNSPACED_CHARACTER.match(character)
