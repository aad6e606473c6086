"""Where a link in a text ends: platforms shorten, colour and count it there, and people punctuate right behind it."""

import re
from collections.abc import Callable, Iterator
from typing import Final

_CANDIDATE: Final = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_TRAILING: Final = frozenset(".,;:!?…'*»“”„‟‘’‚‹›«")
_CLOSING: Final = {")": "(", "]": "[", "}": "{"}


def link_spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each link with a scheme, without quotes and punctuation behind it; balanced brackets belong to it."""
    for match in _CANDIDATE.finditer(text):
        start, end = match.span()
        for position in range(start, end):  # a quote ends it wherever it stands
            if text[position] in "»“”„‟›":
                end = position
                break
        while end > start and (text[end - 1] in _TRAILING or _is_unbalanced(text[start:end])):
            end -= 1
        yield start, end


def _is_unbalanced(link: str) -> bool:
    opening = _CLOSING.get(link[-1])
    return opening is not None and link.count(link[-1]) > link.count(opening)


def replace_links(text: str, replacement: Callable[[str], str]) -> str:
    pieces, at = [], 0
    for start, end in link_spans(text):
        pieces += [text[at:start], replacement(text[start:end])]
        at = end
    return "".join([*pieces, text[at:]])
