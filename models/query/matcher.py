"""Matches a post against thousands of queries in one pass.

Every query has anchors; a post that matches it contains at least one of them. One automaton searches for all literal anchors
at once, and only the few queries with a hit are evaluated.
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from ahocorasick_rs import AhoCorasick

from models.query.nodes import Anchor, Subject, is_word_character
from models.query.parser import Query

Key = TypeVar("Key", bound=Hashable)


class Matcher(Generic[Key]):
    """Built from (key, query) pairs, and immutable: an invalid edit cannot replace a working matcher."""

    def __init__(self, queries: Iterable[tuple[Key, Query]]) -> None:
        self._queries = list(queries)
        by_anchor: dict[Anchor, list[int]] = {}
        for number, (_, query) in enumerate(self._queries):
            for anchor in query.anchors:
                by_anchor.setdefault(anchor, []).append(number)
        literals = [anchor for anchor in by_anchor if anchor.kind == "text"]
        self._prefix = [anchor.prefix for anchor in literals]
        self._by_literal = [by_anchor[anchor] for anchor in literals]
        self._automaton = AhoCorasick([anchor.value for anchor in literals]) if literals else None
        self._by_author = {anchor.value: numbers for anchor, numbers in by_anchor.items() if anchor.kind == "author"}
        self._by_source = {anchor.value: numbers for anchor, numbers in by_anchor.items() if anchor.kind == "source"}

    def __len__(self) -> int:
        return len(self._queries)

    def match(self, subject: Subject) -> list[Key]:
        """The keys of all queries that match, in the order they were given."""
        candidates = self._candidates(subject)
        if not candidates:
            return []
        return [self._queries[number][0] for number in sorted(candidates) if self._queries[number][1].matches(subject)]

    def _candidates(self, subject: Subject) -> set[int]:
        candidates: set[int] = set()
        folded = subject.folded
        if self._automaton is not None:
            for literal, start, end in self._automaton.find_matches_as_indexes(folded, overlapping=True):
                if self._is_whole_word(folded, literal, start, end):
                    candidates.update(self._by_literal[literal])
        if self._by_author:
            candidates.update(self._by_author.get(subject.author, ()))
        if self._by_source:
            for source in subject.sources:
                candidates.update(self._by_source.get(source, ()))
        return candidates

    def _is_whole_word(self, folded: str, literal: int, start: int, end: int) -> bool:
        """Not a part of a longer word; a literal that starts with # or @ may start anywhere."""
        if start and is_word_character(folded[start]) and is_word_character(folded[start - 1]):
            return False
        if self._prefix[literal] or end == len(folded):
            return True
        return not (is_word_character(folded[end]) and is_word_character(folded[end - 1]))
