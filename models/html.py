"""The text of an HTML fragment, read in linear time whatever the markup is.

Strangers' markup goes through here, so it is scanned and not parsed: no tree, no entity definitions, no retries. A standard
parser of the language asserts on some markup and is quadratic on other.
"""

import re
from html import unescape
from typing import Final

MAX_HTML: Final = 100_000
"""Characters that are read."""
MAX_TAG: Final = 1_000
"""Characters in which a quoted `>` does not end a tag."""
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

_SKIPPED: Final = frozenset({"script", "style", "template", "noscript"})
_BREAKS: Final = frozenset({"p", "br", "div", "li", "blockquote", "h1", "h2", "h3", "h4", "tr"})
_CLOSING: Final = {tag: re.compile(f"</{tag}", re.IGNORECASE) for tag in _SKIPPED}
_NAME: Final = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]*)")
_QUOTED_TAG: Final = re.compile(r"""(?:[^<>"']|"[^"]*"|'[^']*')*+>""")
_LONG_NUMBER: Final = re.compile(r"&#[xX]?[0-9a-fA-F]{8,};?")
_HALVES: Final = re.compile(r"&#(?:(\d{5})|[xX]([0-9a-fA-F]{4}));&#(?:(\d{5})|[xX]([0-9a-fA-F]{4}));")


def html_to_text(html: str) -> str:
    """What a reader would see of an HTML text: no tags, no scripts, entities resolved, blocks on their own lines."""
    if "<" not in html and "&" not in html:
        return html
    text = resolve_entities("".join(_pieces(html[:MAX_HTML])))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def resolve_entities(text: str) -> str:
    """Character references as characters; an emoji written as the two halves of UTF-16 becomes one."""
    if "&" not in text:
        return text
    return unescape(_LONG_NUMBER.sub(REPLACEMENT, _HALVES.sub(_join_halves, text)))


def _join_halves(match: re.Match[str]) -> str:
    decimal_1, hex_1, decimal_2, hex_2 = match.groups()
    high = int(decimal_1) if decimal_1 else int(hex_1, 16)
    low = int(decimal_2) if decimal_2 else int(hex_2, 16)
    if 0xD800 <= high < 0xDC00 <= low < 0xE000:
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    return match[0]


def _pieces(html: str) -> list[str]:
    """The text between the tags, entities unresolved, with a line break for each block."""
    pieces: list[str] = []
    last = html.rfind(">")
    at = 0
    while (start := html.find("<", at)) != -1:
        pieces.append(html[at:start])
        name = _NAME.match(html, start + 1)
        if html.startswith("<!--", start):
            end = html.find("-->", start + 4)
            at = end + 3 if end != -1 else len(html)
        elif name is None and html[start + 1 : start + 2] not in ("!", "?"):
            pieces.append("<")
            at = start + 1
        elif start > last:  # never closed: the bracket goes, the words stay
            pieces.append(" ")
            at = start + 1
        else:
            at = _end_of_tag(html, start)
            tag = name[1].lower() if name else ""
            if tag in _BREAKS:
                pieces.append("\n")
            if tag in _SKIPPED and html[start + 1] != "/":
                at = _end_of_skipped(html, at, tag)
    pieces.append(html[at:])
    return pieces


def _end_of_tag(html: str, start: int) -> int:
    quoted = _QUOTED_TAG.match(html, start + 1, start + MAX_TAG)
    return quoted.end() if quoted else html.index(">", start) + 1


def _end_of_skipped(html: str, at: int, tag: str) -> int:
    end = _CLOSING[tag].search(html, at)
    return end.start() if end else len(html)
