"""What a query is made of, and how each part is tested against one post."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal, NamedTuple, Protocol

from models.text import fold

# Scripts written without spaces: each character is a word, so that a term of several is a phrase of them.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W{_UNSPACED}]+")
_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")

Span = tuple[int, int]
"""Start and end in the folded text."""


class Anchor(NamedTuple):
    """Something without which a query cannot match: the prefilter looks for these only."""

    kind: Literal["text", "author", "source"]
    value: str
    prefix: bool = False

    @property
    def rarity(self) -> int:
        """The longer a literal, the fewer posts hold it; a source is the commonest of all."""
        return {"text": len(self.value), "author": 50, "source": 0}[self.kind]


class Subject:
    """One post as the matcher sees it; folded at once, cut into words only when a candidate query asks."""

    __slots__ = ("__dict__", "_author", "_detect", "_language", "folded", "sources", "text")

    def __init__(
        self,
        text: str,
        *,
        author: str = "",
        sources: Sequence[str] = (),
        language: str | None = None,
        detect: Callable[[str], str] | None = None,
    ) -> None:
        self.text = text
        self.folded = fold(text)
        self._author = author
        self.sources = sources
        self._language = language
        self._detect = detect

    @cached_property
    def spans(self) -> list[Span]:
        return [found.span() for found in _WORD.finditer(self.folded)]

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Each word, and at which word positions it stands."""
        places: dict[str, list[int]] = {}
        for place, (start, end) in enumerate(self.spans):
            places.setdefault(self.folded[start:end], []).append(place)
        return places

    @cached_property
    def author(self) -> str:
        """The handle, folded."""
        return fold(self._author).lstrip("@")

    @cached_property
    def language(self) -> str:
        """The platform's own tag, else what the text itself says (asked only by queries with `lang:`)."""
        if self._language:
            return self._language.split("-")[0].lower()
        return self._detect(self.text) if self._detect else "und"

    def sign(self, place: int) -> str:
        """The `#` or `@` that stands right before a word, or nothing."""
        start = self.spans[place][0]
        before = self.folded[start - 1 : start]
        return before if before in ("#", "@") else ""


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    prefix: bool = False
    sign: str = ""

    def places(self, subject: Subject) -> list[int]:
        if self.prefix:
            found = sorted(
                place for word, places in subject.places.items() if word.startswith(self.text) for place in places
            )
        else:
            found = subject.places.get(self.text, [])
        return [place for place in found if subject.sign(place) == self.sign] if self.sign else found


def words_of(text: str, sign: str = "", *, prefix: bool = False) -> tuple[Word, ...]:
    """A term or a quoted phrase cut as posts are cut; the sign belongs to the first word, the star to the last."""
    folded = fold(text)
    found = [folded[start:end] for start, end in (match.span() for match in _WORD.finditer(folded))]
    last = len(found) - 1
    return tuple(Word(word, prefix and at == last, sign if at == 0 else "") for at, word in enumerate(found))


class Node(Protocol):
    def test(self, subject: Subject) -> bool: ...

    def anchors(self) -> frozenset[Anchor] | None:
        """A set of which every matching post holds at least one, or None where there is no such set."""

    def spans(self, subject: Subject) -> list[Span]:
        """Where a matching post shows that it matches."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stand one after the other; a single word is the shortest phrase."""

    words: tuple[Word, ...]

    def _found(self, subject: Subject) -> Iterator[Span]:
        first, *rest = self.words
        following = [set(word.places(subject)) for word in rest]
        for place in first.places(subject):
            if all(place + step in places for step, places in enumerate(following, 1)):
                yield place, place + len(rest)

    def test(self, subject: Subject) -> bool:
        return next(self._found(subject), None) is not None

    def anchors(self) -> frozenset[Anchor] | None:
        return _literal(self.words)

    def spans(self, subject: Subject) -> list[Span]:
        return [_stretch(subject, first, last) for first, last in self._found(subject)]


@dataclass(frozen=True, slots=True)
class Near:
    """Words with at most `distance` other words between them, in any order."""

    words: tuple[Word, ...]
    distance: int

    def _found(self, subject: Subject) -> Iterator[Span]:
        # Sixteen places of each word bound the combinations that a hostile post could ask for.
        places = [word.places(subject)[:16] for word in self.words]
        for together in product(*places):
            first, last = min(together), max(together)
            if len(set(together)) == len(together) and last - first + 1 - len(together) <= self.distance:
                yield first, last

    def test(self, subject: Subject) -> bool:
        return next(self._found(subject), None) is not None

    def anchors(self) -> frozenset[Anchor] | None:
        return _literal(self.words)

    def spans(self, subject: Subject) -> list[Span]:
        found = next(self._found(subject), None)
        return [_stretch(subject, *found)] if found else []


@dataclass(frozen=True, slots=True)
class Author:
    handle: str

    def test(self, subject: Subject) -> bool:
        return subject.author == self.handle

    def anchors(self) -> frozenset[Anchor] | None:
        return frozenset({Anchor("author", self.handle)})

    def spans(self, subject: Subject) -> list[Span]:  # noqa: ARG002 - the author stands outside the text
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
        """Any child's will do: the one whose commonest anchor is the rarest, then the one with the fewest."""
        sets = [found for child in self.children if (found := child.anchors())]
        return max(sets, key=lambda found: (min(a.rarity for a in found), -len(found)), default=None)

    def spans(self, subject: Subject) -> list[Span]:
        return [span for child in self.children for span in child.spans(subject)]


@dataclass(frozen=True, slots=True)
class Or:
    children: tuple[Node, ...]

    def test(self, subject: Subject) -> bool:
        return any(child.test(subject) for child in self.children)

    def anchors(self) -> frozenset[Anchor] | None:
        found: set[Anchor] = set()
        for child in self.children:
            anchors = child.anchors()
            if anchors is None:
                return None
            found |= anchors
        return frozenset(found)

    def spans(self, subject: Subject) -> list[Span]:
        return [span for child in self.children if child.test(subject) for span in child.spans(subject)]


def _literal(words: tuple[Word, ...]) -> frozenset[Anchor] | None:
    """The longest of words that must all be there; a lone Latin letter is in too many posts to look for."""
    longest = max(words, key=lambda word: len(word.sign + word.text))
    if len(words) == 1 and len(longest.text) == 1 and longest.text.isascii():
        return None
    return frozenset({Anchor("text", longest.sign + longest.text, longest.prefix)})


def _stretch(subject: Subject, first: int, last: int) -> Span:
    start = subject.spans[first][0]
    return start - len(subject.sign(first)), subject.spans[last][1]


def is_word_character(character: str) -> bool:
    """Whether a word could go on across it; characters of unspaced scripts are words of their own."""
    return (character.isalnum() or character == "_") and not _UNSPACED_CHARACTER.match(character)
