"""What a platform can do, declared once by its adapter and obeyed by the checks, the editors and training."""

import re
from typing import Final, Literal

import msgspec

from models.links import replace_links
from models.text import GRAPHEME, graphemes

_LIGHT: Final = re.compile("[\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")
"""Characters that X counts as one; the others count as two.

https://docs.x.com/fundamentals/counting-characters"""

_REMOTE_HANDLE: Final = re.compile(r"(?<![\w/])(@\w[\w.-]*)@[\w-]+(?:\.[\w-]+)+")


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """`max_length` is counted in `unit`; with `link_length` every link counts as that many, however long it is."""

    max_length: int
    unit: Literal["characters", "graphemes", "utf16", "weighted"] = "characters"
    link_length: int | None = None
    must_mention_author: bool = False
    """An author is notified of a reply only if it mentions them."""
    remote_handles: bool = False
    """Of a handle with its server (@rita@altrove.example) only the name counts."""
    only_when_addressed: bool = False
    """Only posts that address our account can be answered by an app."""

    def length(self, text: str) -> int:
        """The length of `text` as this platform counts it."""
        if self.link_length is not None:
            shortened = "x" * self.link_length
            text = replace_links(text, lambda _: shortened)
        if self.remote_handles:
            text = _REMOTE_HANDLE.sub(r"\1", text)
        if self.unit == "weighted":
            return sum(1 if len(g) == 1 and _LIGHT.match(g) else 2 for g in GRAPHEME.findall(text))
        if self.unit == "graphemes":
            return graphemes(text)
        if self.unit == "utf16":
            return len(text.encode("utf-16-le")) // 2
        return len(text)


TRAINING_FORBIDDEN: Final = frozenset({"x", "reddit"})
"""Platforms whose terms forbid training on their posts, wherever those came from (an import, a webhook).

https://developer.x.com/en/developer-terms/agreement-and-policy, https://redditinc.com/policies/data-api-terms"""

NO_RESPONDER: Final = Capabilities(max_length=10_000)
"""Where Ascolto cannot publish: the manager copies the reply and opens the post."""
