"""Which language a text is in: the platform's word first, then the text's own, among the configured languages only."""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lingua import LanguageDetector

UNKNOWN: Final = "und"
MIN_LETTERS: Final = 8
"""Below this many letters any guess is a coin toss."""
MIN_DISTANCE: Final = 0.15
"""Between the two likeliest languages, as lingua measures it."""

_NOT_WORDS = re.compile(r"https?://\S+|www\.\S+|[@#]\w+|\bhttp\b")


class Identifier:
    """Loads its language models at the first text that carries no tag."""

    def __init__(self, languages: Sequence[str]) -> None:
        self.languages = tuple(languages)

    @cached_property
    def _detector(self) -> "LanguageDetector | None":
        from lingua import IsoCode639_1, LanguageDetectorBuilder

        names = (language.upper() for language in self.languages)
        codes = [getattr(IsoCode639_1, name) for name in names if hasattr(IsoCode639_1, name)]
        if len(codes) < 2:
            return None
        builder = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
        return builder.with_minimum_relative_distance(MIN_DISTANCE).build()

    def language(self, text: str, tag: str | None = None) -> str:
        """A code, or `und` for a text too short, without words, or torn between languages."""
        if tag and tag.lower() != UNKNOWN:
            return tag.split("-")[0].split("_")[0].lower()
        words = _NOT_WORDS.sub(" ", text[:2_000])
        if sum(c.isalpha() for c in words) < MIN_LETTERS:
            return UNKNOWN
        if self._detector is None:
            return self.languages[0] if self.languages else UNKNOWN
        found = self._detector.detect_language_of(words)
        return found.iso_code_639_1.name.lower() if found else UNKNOWN
