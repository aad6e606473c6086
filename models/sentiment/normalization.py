"""Text normalization: both bundled models see this instead of the text as it was posted."""

import re
from typing import Final

from models.patterns import HANDLE, LINK
from models.text import fold

MAX_CHARACTERS: Final = 1_000
"""The rest of a text is ignored, so that a megabyte costs no more than a page."""

_REPEATED = re.compile(r"(.)\1{2,}")
_EMOJI = re.compile("([\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff])")


def normalize(text: str) -> str:
    """Folded (no case, no diacritics, ș and ş become s), links and handles replaced, a letter at most twice in a row."""
    plain = HANDLE.sub("@user", LINK.sub("http", fold(text[:MAX_CHARACTERS])))
    return " ".join(_REPEATED.sub(r"\1\1", plain).split())


def separate_emoji(plain: str) -> str:
    """Each emoji as a word of its own, for a tokenizer that would join them."""
    return _EMOJI.sub(r" \1 ", plain)


def is_shouting(text: str) -> bool:
    """Eight letters or more, most of them capitals."""
    letters = [c for c in text[:MAX_CHARACTERS] if c.isalpha()]
    return len(letters) >= 8 and sum(c.isupper() for c in letters) > 0.6 * len(letters)
