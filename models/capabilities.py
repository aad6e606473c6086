"""What a platform can do, said once by its adapter and obeyed by the card, the checks, the retention job and the trainer."""

import re
from typing import Final, Literal

import msgspec
import regex

from models.text import graphemes

_GRAPHEME = regex.compile(r"\X")
_LINK = re.compile(r"https?://[^\s<>\"]+")
_LIGHT: Final = re.compile("[\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")
"""Characters that X counts as one; the others count as two.

https://docs.x.com/fundamentals/counting-characters"""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """`longest` is counted in `unit`; with `link` every address counts as so many, however long it is."""

    reply: bool
    longest: int
    unit: Literal["characters", "graphemes", "utf16", "weighted"] = "characters"
    link: int | None = None
    names_author: bool = False
    """Whether an author learns of an answer only when it names them."""
    only_if_asked: bool = False
    """Whether only those can be answered by machine who spoke to our account first."""
    threading: bool = True
    edit: bool = False
    delete: bool = False
    find: bool = False
    """Whether a reply of unknown fate can be looked up."""
    reply_window_hours: int | None = None
    keep_text_days: int | None = None

    def length(self, text: str) -> int:
        """The length of `text` as this platform counts it."""
        if self.link is not None:
            text = _LINK.sub("x" * self.link, text)
        if self.unit == "weighted":
            return sum(1 if len(g) == 1 and _LIGHT.match(g) else 2 for g in _GRAPHEME.findall(text))
        if self.unit == "graphemes":
            return graphemes(text)
        if self.unit == "utf16":
            return len(text.encode("utf-16-le")) // 2
        return len(text)


NOT_TO_TRAIN_ON: Final = frozenset({"x", "reddit"})
"""Platforms whose terms forbid training on what was posted there, wherever it came in (an import, a webhook).

https://developer.x.com/en/developer-terms/agreement-and-policy, https://redditinc.com/policies/data-api-terms"""

NO_VOICE: Final = Capabilities(reply=False, longest=10_000)
"""Where nobody of ours can answer by machine: the manager copies the reply and opens the post."""
