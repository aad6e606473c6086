"""What a voice is handed to publish, and what it brings back."""

from datetime import UTC, datetime
from typing import Literal

import msgspec


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """An approved reply on its way: `under` and `thread` are the native ids of what it answers and of the thread's root.

    `key` never changes for one reply: where the platform takes such a thing, asking twice publishes once.
    """

    id: int
    key: str
    text: str
    language: str
    platform: str
    under: str
    thread: str
    url: str = ""
    author: str = ""

    @property
    def begun(self) -> datetime:
        """When the draft was begun: the key ends with it, in milliseconds and hex."""
        return datetime.fromtimestamp(int(self.key.rpartition("-")[2], 16) / 1000, UTC)


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where something published stands."""

    native_id: str
    url: str = ""


Found = Address | Literal["none", "cannot tell"]
"""What looking up a reply of unknown fate can say."""
