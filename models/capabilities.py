"""What a platform can do, said once by its adapter and obeyed by the card, the checks, the retention job and the trainer."""

from typing import Literal

import msgspec

from models.text import graphemes


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """`longest` is counted in `unit`; `undo_on_platform` says that what was published can be deleted there."""

    reply: bool
    longest: int
    unit: Literal["characters", "graphemes", "utf16"] = "characters"
    threading: bool = True
    edit: bool = False
    delete: bool = False
    find: bool = False
    """Whether a reply of unknown fate can be looked up."""
    reply_window_hours: int | None = None
    keep_text_days: int | None = None

    def length(self, text: str) -> int:
        """The length of `text` as this platform counts it."""
        if self.unit == "graphemes":
            return graphemes(text)
        if self.unit == "utf16":
            return len(text.encode("utf-16-le")) // 2
        return len(text)


NOT_TO_TRAIN_ON = frozenset({"x", "reddit"})
"""Platforms whose terms forbid training on what was posted there, wherever it came in (an import, a webhook).

https://developer.x.com/en/developer-terms/agreement-and-policy, https://redditinc.com/policies/data-api-terms"""

NO_VOICE = Capabilities(reply=False, longest=10_000)
"""Where nobody of ours can answer by machine: the manager copies the reply and opens the post."""
