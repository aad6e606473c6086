"""Thousands of queries against one post in one pass.

Every query names anchors, at least one of which any matching post must hold. One automaton looks for all the literal
ones at once; only the queries whose anchor was found are then evaluated, which is a handful.
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from ahocorasick_rs import AhoCorasick

from models.query.nodes import Anchor, Subject, is_word_character
from models.query.parser import Query

Key = TypeVar("Key", bound=Hashable)


class Matcher(Generic[Key]):
    """Built once from (key, query) pairs; never changed, so that a bad edit cannot replace a good matcher."""

    def __init__(self, queries: Iterable[tuple[Key, Query]]) -> None:
        self._queries = list(queries)
        waiting: dict[Anchor, list[int]] = {}
        for number, (_, query) in enumerate(self._queries):
            for anchor in query.anchors:
                waiting.setdefault(anchor, []).append(number)
        literals = [anchor for anchor in waiting if anchor.kind == "text"]
        self._prefix = [anchor.prefix for anchor in literals]
        self._by_literal = [waiting[anchor] for anchor in literals]
        self._automaton = AhoCorasick([anchor.value for anchor in literals]) if literals else None
        self._by_author = {anchor.value: numbers for anchor, numbers in waiting.items() if anchor.kind == "author"}
        self._by_source = {anchor.value: numbers for anchor, numbers in waiting.items() if anchor.kind == "source"}

    def __len__(self) -> int:
        return len(self._queries)

    def match(self, subject: Subject) -> list[Key]:
        """The keys of all queries that match, in the order they were given."""
        candidates = self._candidates(subject)
        if not candidates:
            return []
        return [self._queries[number][0] for number in sorted(candidates) if self._queries[number][1].matches(subject)]

    def _candidates(self, subject: Subject) -> set[int]:
        found: set[int] = set()
        folded = subject.folded
        if self._automaton is not None:
            for literal, start, end in self._automaton.find_matches_as_indexes(folded, overlapping=True):
                if self._stands_alone(folded, literal, start, end):
                    found.update(self._by_literal[literal])
        if self._by_author:
            found.update(self._by_author.get(subject.author, ()))
        if self._by_source:
            for source in subject.sources:
                found.update(self._by_source.get(source, ()))
        return found

    def _stands_alone(self, folded: str, literal: int, start: int, end: int) -> bool:
        """A word inside a longer word is not that word; a literal that begins with # or @ begins anywhere."""
        if start and is_word_character(folded[start]) and is_word_character(folded[start - 1]):
            return False
        if self._prefix[literal] or end == len(folded):
            return True
        return not (is_word_character(folded[end]) and is_word_character(folded[end - 1]))
