"""Text as people write it, made safe to show and equal to compare.

`fold` is the one definition of "the same word": queries, the search index and duplicates all use it.
"""

import re
import unicodedata
from urllib.parse import urlsplit

import regex

MAX_TEXT = 20_000
"""Characters of a post that are stored; the rest is cut, and an ellipsis shows the cut."""

# Combining marks, and characters that are not visible.
_INVISIBLE = re.compile(
    "[\u0300-\u036f\u0640\u064b-\u0652\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
    "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
)
_SPECIAL = {"đ": "d", "ð": "d", "ł": "l", "ø": "o", "ı": "i", "æ": "ae", "œ": "oe", "’": "'", "‘": "'", "ʼ": "'"}
"""Letters that Unicode does not decompose."""
_HAS_SPECIAL = re.compile(f"[{''.join(_SPECIAL)}]")
_LETTERS = str.maketrans(_SPECIAL)
# C0 and C1 except tab and newline, bidi embeddings, overrides and isolates, invisible operators, unpaired surrogates,
# noncharacters.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2061-\u2064\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
GRAPHEME = regex.compile(r"\X")
"""What a person would call a character: a Unicode extended grapheme cluster."""


def fold(text: str) -> str:
    """Without case, diacritics, compatibility forms and invisible characters: "Ș", "ş" and "S" are one letter.

    Every incoming post goes through here, most of them mostly ASCII: each step is skipped where nothing is left to do.
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", text).casefold()
    if folded.isascii():
        return folded
    folded = _INVISIBLE.sub("", unicodedata.normalize("NFKD", folded))
    if folded.isascii() or not _HAS_SPECIAL.search(folded):
        return folded
    return folded.translate(_LETTERS)


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """A text made safe to store and show: NFC, no control or bidi-override characters, at most `limit` characters."""
    text = _CONTROL.sub("", text[: limit * 4].replace("\r\n", "\n").replace("\r", "\n"))
    text = unicodedata.normalize("NFC", text).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def one_line(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def graphemes(text: str) -> int:
    """How many characters a person would count."""
    return sum(1 for _ in GRAPHEME.finditer(text))


def romanian_commas(text: str) -> str:
    """Romanian with the letters of its standard: ș and ț with a comma below, never the look-alikes with a cedilla."""
    return text.translate(_COMMAS)


_COMMAS = str.maketrans("şţŞŢ", "șțȘȚ")


def safe_url(text: str | None) -> str:
    """An author's URL if it is http or https; empty for anything else."""
    try:
        return text if text and urlsplit(text).scheme in ("http", "https") else ""
    except ValueError:
        return ""
