"""Misspelled words with a suggestion, by Hunspell dictionaries where a folder with them is configured.

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
"""The possible names of a language's dictionary, the first that exists is used."""
MAX_WORDS: Final = 5
LETTERS: Final = {
    "it": "abcdefghilmnopqrstuvzàèéìòù",
    "ro": "abcdefghijlmnoprstuvxzăâîșț",
    "en": "abcdefghijklmnopqrstuvwxyz",
}
_NOT_WORDS = re.compile(r"(?:https?://|www\.)\S+|[@#]\S+|\S*\d\S*|\{\{.*?\}\}|\S+@\S+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


class SpellChecker:
    """Loading takes seconds and tens of megabytes a language: do it off the event loop, once."""

    def __init__(self, dictionaries: dict[str, Any]) -> None:
        self._dictionaries = dictionaries
        self._nearest = lru_cache(maxsize=4_096)(self._find_nearest)

    @classmethod
    def load(cls, folder: Path, languages: Iterable[str]) -> "SpellChecker":
        """Those that exist; raises OperatorError where there is none, or one cannot be read."""
        dictionaries = {}
        for language in languages:
            names = [folder / name for name in FILES.get(language, (language,)) if (folder / f"{name}.dic").exists()]
            if names:
                dictionaries[language] = _dictionary(names[0])
        if not dictionaries:
            raise OperatorError(
                f"There is no dictionary in {folder}.", "It needs pairs of files such as it_IT.aff and it_IT.dic."
            )
        return cls(dictionaries)

    def __call__(self, language: str, text: str, names: Sequence[str] = ()) -> list[tuple[str, str]]:
        """At most MAX_WORDS (word, suggestion), the suggestion empty where nothing is near. `names` are always right.

        A word that begins with a capital within a sentence is taken for a name.
        """
        if language not in self._dictionaries:
            return []
        right = {word.casefold() for name in names for word in _WORD.findall(name)}
        misspelled: dict[str, str] = {}
        for word, starts_sentence in _words(text):
            if word.casefold() in right or (word[0].isupper() and not starts_sentence):
                continue
            suggestion = self._nearest(language, word)
            if suggestion != word:
                misspelled.setdefault(word, suggestion)
        return list(misspelled.items())[:MAX_WORDS]

    def _find_nearest(self, language: str, word: str) -> str:
        """The word itself where it is right, else the nearest right one, else nothing."""
        is_right = self._dictionaries[language].lookup
        if is_right(word) or is_right(word.lower()) or all(is_right(part) for part in re.split("['’]", word)):
            return word
        letters = LETTERS.get(language, LETTERS["en"])
        return next((other for other in _edits(word.lower(), letters) if is_right(other)), "")


def _dictionary(path: Path) -> Any:
    from spylls.hunspell import Dictionary  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its files open
        try:
            return Dictionary.from_files(str(path))
        except Exception as error:  # noqa: BLE001 - it raises whatever its author did not expect
            reason = str(error)
        gc.collect()
    raise OperatorError(f"The dictionary {path}.dic cannot be read: {reason}", "Use another one.")


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Each word, and whether it starts a sentence."""
    text = _NOT_WORDS.sub(lambda match: " " * len(match[0]), text)
    for match in _WORD.finditer(text):
        before = text[: match.start()].rstrip()
        yield match[0], not before or before[-1] in ".!?:;\n–-("


def _edits(word: str, letters: str) -> Iterator[str]:
    """Everything one edit away, the commonest kinds first (Norvig, "How to Write a Spelling Corrector", 2007)."""
    splits = [(word[:n], word[n:]) for n in range(len(word) + 1)]
    yield from (a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1)
    yield from (a + b[1:] for a, b in splits if b)
    yield from (a + c + b[1:] for a, b in splits if b for c in letters)
    yield from (a + c + b for a, b in splits for c in letters)
