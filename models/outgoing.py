"""What a responder is handed to publish, and what it returns."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, Protocol

import msgspec


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """An approved reply: `in_reply_to` and `thread` are the native ids of what it answers and of the thread's first post.

    `key` is its idempotency key: where the platform takes one, asking twice publishes once.
    """

    id: int
    key: str
    text: str
    language: str
    platform: str
    in_reply_to: str
    thread: str
    url: str = ""
    author: str = ""

    @property
    def drafted_at(self) -> datetime:
        """When its draft was started: the key ends with it, in milliseconds and hex."""
        return datetime.fromtimestamp(int(self.key.rpartition("-")[2], 16) / 1000, UTC)


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where something was published."""

    native_id: str
    url: str = ""


LookupResult = Address | Literal["none", "unknown"]
"""What looking up a reply of unknown fate can find: its address, that it is not there, or that it cannot be told."""


class Dated(Protocol):
    @property
    def created_at(self) -> datetime | None: ...


def reaches_back(posts: Iterable[Dated], drafted_at: datetime) -> bool:
    """Whether the account's latest posts go back to before the reply was written; without any date nobody knows."""
    moments = [post.created_at for post in posts if post.created_at is not None]
    return bool(moments) and min(moments) < drafted_at
