"""Words that stand in no dictionary, with the word that was meant: Hunspell's dictionaries, where somebody has put them.

https://spylls.readthedocs.io (Hunspell in Python), dictionaries: https://github.com/LibreOffice/dictionaries
"""

import gc
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from models.errors import OperatorError

FILES: Final = {"it": ("it_IT",), "ro": ("ro_RO", "ro"), "en": ("en_GB", "en_US")}
"""What the dictionary of a language is called, the first that is there."""
MOST: Final = 5
LETTERS: Final = {
    "it": "abcdefghilmnopqrstuvzàèéìòù",
    "ro": "abcdefghijlmnoprstuvxzăâîșț",
    "en": "abcdefghijklmnopqrstuvwxyz",
}
_SKIPPED: Final = re.compile(r"https?://\S+|www\.\S+|[@#]\S+|\S*\d\S*|\{\{.*?\}\}|\S+@\S+")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


class Speller:
    """Loading takes seconds and tens of megabytes a language: do it off the event loop, once."""

    def __init__(self, dictionaries: dict[str, Any]) -> None:
        self._dictionaries = dictionaries
        self._nearest = lru_cache(maxsize=4_096)(self._found)

    @classmethod
    def load(cls, folder: Path, languages: Iterable[str]) -> "Speller":
        """Those that are there; raises OperatorError where none is, or one cannot be read."""
        found = {}
        for language in languages:
            names = [folder / name for name in FILES.get(language, (language,)) if (folder / f"{name}.dic").exists()]
            if names:
                found[language] = _dictionary(names[0])
        if not found:
            raise OperatorError(
                f"There is no dictionary in {folder}.", "It wants pairs of files such as it_IT.aff and it_IT.dic."
            )
        return cls(found)

    def __call__(self, language: str, text: str, known: Sequence[str] = ()) -> list[tuple[str, str]]:
        """At most MOST words with what was meant, empty where nothing is near. `known` are right whatever a dictionary says.

        Names are left alone: what begins with a capital within a sentence is taken for one.
        """
        if language not in self._dictionaries:
            return []
        right = {word.casefold() for name in known for word in _WORD.findall(name)}
        wrong: dict[str, str] = {}
        for word, begins in _words(text):
            if word.casefold() in right or (word[0].isupper() and not begins):
                continue
            meant = self._nearest(language, word)
            if meant != word:
                wrong.setdefault(word, meant)
        return list(wrong.items())[:MOST]

    def _found(self, language: str, word: str) -> str:
        """The word where it is right, else the nearest that is, else nothing."""
        right = self._dictionaries[language].lookup
        if right(word) or right(word.lower()) or all(right(part) for part in re.split("['’]", word)):
            return word
        return next((other for other in _edits(word.lower(), LETTERS.get(language, LETTERS["en"])) if right(other)), "")


def _dictionary(path: Path) -> Any:
    from spylls.hunspell import Dictionary  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its files open
        try:
            return Dictionary.from_files(str(path))
        except Exception as error:  # noqa: BLE001 - whatever its author did not think of
            said = str(error)
        gc.collect()
    raise OperatorError(f"The dictionary {path}.dic cannot be read: {said}", "Put another one there.")


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Each word, and whether it begins a sentence."""
    text = _SKIPPED.sub(lambda found: " " * len(found[0]), text)
    for found in _WORD.finditer(text):
        before = text[: found.start()].rstrip()
        yield found[0], not before or before[-1] in ".!?:;\n–-("


def _edits(word: str, letters: str) -> Iterator[str]:
    """Everything one slip away, the commonest slips first (Norvig, "How to Write a Spelling Corrector", 2007)."""
    cuts = [(word[:n], word[n:]) for n in range(len(word) + 1)]
    yield from (a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1)
    yield from (a + b[1:] for a, b in cuts if b)
    yield from (a + c + b[1:] for a, b in cuts if b for c in letters)
    yield from (a + c + b for a, b in cuts for c in letters)
