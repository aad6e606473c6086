"""Which language a text is in: by its words where it is long enough, else by the platform's tag, else among the configured.

A platform's tag is often the language of the account and not of the text; a text in a language that is not configured is not
forced into one that is.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from models.language_tags import language_code

if TYPE_CHECKING:
    from lingua import LanguageDetector

UNKNOWN: Final = "und"
MIN_LETTERS: Final = 8
"""With fewer letters any guess is a coin toss."""
MIN_DISTANCE: Final = 0.15
"""Between the two likeliest languages, as lingua measures it."""

ENOUGH_LETTERS: Final = 20
"""From which the words decide, whatever the tag says."""
CERTAIN: Final = 0.9
"""Confidence at which they do, among the languages in question and their neighbours."""
NEIGHBOURS: Final = ("it", "ro", "en", "es", "pt", "fr", "de")
"""Languages that texts about our brands are in, configured or not."""

_NOT_WORDS = re.compile(r"https?://\S+|www\.\S+|[@#]\w+|\bhttp\b")


class Identifier:
    """Loads its language models at the first text, and keeps one detector per set of languages."""

    def __init__(self, languages: Sequence[str]) -> None:
        self.languages = tuple(languages)
        self._detectors: dict[tuple[tuple[str, ...], bool], LanguageDetector | None] = {}

    def language(self, text: str, tag: str | None = None, candidates: Sequence[str] | None = None) -> str:
        """A code, or `und` for a text that is too short, without words, or ambiguous. `candidates` replace the configured
        languages."""
        tag = language_code(tag)
        words = _NOT_WORDS.sub(" ", text[:2_000])
        letters = sum(c.isalpha() for c in words)
        if letters < MIN_LETTERS:
            return tag or UNKNOWN
        languages = tuple(candidates or self.languages)
        if letters >= ENOUGH_LETTERS and (certain := self._certain(words, (*languages, *([tag] if tag else ())))):
            return certain
        return tag or self._likeliest(words, languages)

    def _certain(self, words: str, languages: tuple[str, ...]) -> str | None:
        detector = self._detector(tuple(sorted({*languages, *NEIGHBOURS})), coarse=True)
        if detector is None:
            return None
        first = detector.compute_language_confidence_values(words)[0]
        return first.language.iso_code_639_1.name.lower() if first.value >= CERTAIN else None

    def _likeliest(self, words: str, languages: tuple[str, ...]) -> str:
        detector = self._detector(languages)
        if detector is None:
            return languages[0] if languages else UNKNOWN
        detected = detector.detect_language_of(words)
        return detected.iso_code_639_1.name.lower() if detected else UNKNOWN

    def _detector(self, languages: tuple[str, ...], *, coarse: bool = False) -> "LanguageDetector | None":
        if (languages, coarse) not in self._detectors:
            self._detectors[languages, coarse] = _build(languages, coarse=coarse)
        return self._detectors[languages, coarse]


def _build(languages: tuple[str, ...], *, coarse: bool) -> "LanguageDetector | None":
    """None with fewer than two languages to choose from. `coarse` takes a tenth of the memory, and is for longer texts."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    names = (language.upper() for language in languages)
    codes = [getattr(IsoCode639_1, name) for name in names if hasattr(IsoCode639_1, name)]
    if len(codes) < 2:
        return None
    builder = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
    builder = builder.with_low_accuracy_mode() if coarse else builder.with_minimum_relative_distance(MIN_DISTANCE)
    return builder.build()
