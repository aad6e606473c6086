"""Text as people write it, made safe to show and equal to compare.

`fold` is the one notion of "the same word" in the house: the matcher, the search index and the dedupe all use it.
"""

import re
import unicodedata
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urlsplit

import regex

MAX_TEXT = 20_000
"""Characters of one post that are kept; what is beyond is cut, and the cut is shown with an ellipsis."""
MAX_HTML: Final = 100_000
"""Characters of a piece of HTML that are read."""

# Combining marks of the scripts whose letters carry them, and characters that are not seen.
_DROPPED = re.compile(
    "[\u0300-\u036f\u0640\u064b-\u0652\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
    "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
)
_OWN = {"đ": "d", "ð": "d", "ł": "l", "ø": "o", "ı": "i", "æ": "ae", "œ": "oe", "’": "'", "‘": "'", "ʼ": "'"}
"""Letters that Unicode does not take apart."""
_HAS_OWN = re.compile(f"[{''.join(_OWN)}]")
_LETTERS = str.maketrans(_OWN)
# C0 and C1 except tab and newline, the bidi embeddings, overrides and isolates, signs of formulas that are not seen, unpaired
# surrogates, noncharacters.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2061-\u2064\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_GRAPHEME = regex.compile(r"\X")


def fold(text: str) -> str:
    """Case, diacritics, compatibility forms and unseen characters taken away: "Ș", "ş" and "S" are one letter.

    Every post that is heard goes through here, most of them mostly ASCII: each step is skipped where nothing is left to do.
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", text).casefold()
    if folded.isascii():
        return folded
    folded = _DROPPED.sub("", unicodedata.normalize("NFKD", folded))
    if folded.isascii() or not _HAS_OWN.search(folded):
        return folded
    return folded.translate(_LETTERS)


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """What a stranger wrote, fit to be stored and shown: NFC, no control or bidi-override characters, at most `limit` long."""
    text = _CONTROL.sub("", text[: limit * 4].replace("\r\n", "\n").replace("\r", "\n"))
    text = unicodedata.normalize("NFC", text).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def one_line(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters, for lists and logs that may hold it."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def graphemes(text: str) -> int:
    """How many characters a person would count (Unicode extended grapheme clusters)."""
    return sum(1 for _ in _GRAPHEME.finditer(text))


def romanian_commas(text: str) -> str:
    """Romanian with the letters of its standard: ș and ț with a comma below, never the look-alikes with a cedilla."""
    return text.translate(_COMMAS)


_COMMAS = str.maketrans("şţŞŢ", "șțȘȚ")


_SKIPPED = {"script", "style", "template", "noscript"}
_BREAKS = {"p", "br", "div", "li", "blockquote", "h1", "h2", "h3", "h4", "tr"}


def plain(html: str) -> str:
    """What a reader would see of a piece of HTML: no tags, no scripts, entities resolved, blocks on lines of their own."""
    if "<" not in html and "&" not in html:
        return html
    html = html[:MAX_HTML]
    closed = html.rfind(">") + 1  # the parser reads what is never closed again and again, to the end each time
    html = html[:closed] + html[closed:].replace("<", " ")
    reader = _Visible()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.pieces).split("\n"))
    return "\n".join(line for line in lines if line)


class _Visible(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - named by html.parser
        self._hidden += tag in _SKIPPED
        if tag in _BREAKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in _SKIPPED))
        if tag in _BREAKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data)


def web_address(text: str | None) -> str:
    """A stranger's address if it is one of the web's; nothing for what is none, or cannot be read as one."""
    try:
        return text if text and urlsplit(text).scheme in ("http", "https") else ""
    except ValueError:
        return ""
