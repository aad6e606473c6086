"""Which language a text is in: the platform's tag first, then detection, among the configured languages only."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lingua import LanguageDetector

UNKNOWN: Final = "und"
MIN_LETTERS: Final = 8
"""With fewer letters any guess is a coin toss."""
MIN_DISTANCE: Final = 0.15
"""Between the two likeliest languages, as lingua measures it."""

_NOT_WORDS = re.compile(r"https?://\S+|www\.\S+|[@#]\w+|\bhttp\b")


class Identifier:
    """Loads its language models at the first text without a tag, and keeps one detector per set of languages."""

    def __init__(self, languages: Sequence[str]) -> None:
        self.languages = tuple(languages)
        self._detectors: dict[tuple[str, ...], LanguageDetector | None] = {}

    def _detector(self, languages: tuple[str, ...]) -> "LanguageDetector | None":
        if languages not in self._detectors:
            self._detectors[languages] = self._build(languages)
        return self._detectors[languages]

    def _build(self, languages: tuple[str, ...]) -> "LanguageDetector | None":
        """None with fewer than two languages to choose from."""
        from lingua import IsoCode639_1, LanguageDetectorBuilder

        names = (language.upper() for language in languages)
        codes = [getattr(IsoCode639_1, name) for name in names if hasattr(IsoCode639_1, name)]
        if len(codes) < 2:
            return None
        builder = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
        return builder.with_minimum_relative_distance(MIN_DISTANCE).build()

    def language(self, text: str, tag: str | None = None, candidates: Sequence[str] | None = None) -> str:
        """A code, or `und` for a text that is too short, without words, or ambiguous. `candidates` replace the configured
        languages."""
        if tag and tag.lower() != UNKNOWN:
            return tag.split("-")[0].split("_")[0].lower()
        words = _NOT_WORDS.sub(" ", text[:2_000])
        if sum(c.isalpha() for c in words) < MIN_LETTERS:
            return UNKNOWN
        languages = tuple(candidates or self.languages)
        detector = self._detector(languages)
        if detector is None:
            return languages[0] if languages else UNKNOWN
        detected = detector.detect_language_of(words)
        return detected.iso_code_639_1.name.lower() if detected else UNKNOWN
