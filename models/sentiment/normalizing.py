"""One spelling for what people write in many: what both tiers read instead of the text as it was posted."""

import re
from typing import Final

from models.text import fold

MAX_CHARACTERS: Final = 1_000
"""What a post says is said by then; a megabyte costs no more than this."""

_LINK = re.compile(r"https?://\S+|www\.\S+")
_HANDLE = re.compile(r"(?<!\w)@[\w.]*\w")
_LONG = re.compile(r"(.)\1{2,}")
_PICTURE = re.compile("([\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff])")


def normalize(text: str) -> str:
    """Folded (no case, no diacritics, ș is ş is s), links and handles made alike, a letter at most twice in a row."""
    plain = _HANDLE.sub("@user", _LINK.sub("http", fold(text[:MAX_CHARACTERS])))
    return " ".join(_LONG.sub(r"\1\1", plain).split())


def spaced(plain: str) -> str:
    """Each emoji a word of its own, for a tokenizer that would glue them together."""
    return _PICTURE.sub(r" \1 ", plain)


def is_loud(text: str) -> bool:
    """Whether it shouts: eight letters or more, most of them capitals."""
    letters = [c for c in text[:MAX_CHARACTERS] if c.isalpha()]
    return len(letters) >= 8 and sum(c.isupper() for c in letters) > 0.6 * len(letters)
