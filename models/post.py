"""What an ear hands over: posts as they were heard, before anybody knows whether they concern a brand."""

from datetime import datetime
from typing import Literal

import msgspec

Origin = Literal["live", "backfill", "import"]
"""Live: heard as it was said. Backfill: found when catching up. Import: from a file; opens no cases, raises no alerts."""


class PostAuthor(msgspec.Struct, frozen=True, kw_only=True):
    """`native_id` is what never changes on that platform (a DID, a number); the handle where it has nothing better."""

    handle: str
    native_id: str = ""
    name: str = ""
    followers: int | None = None
    url: str = ""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One public post, comment, review or message.

    `native_id` is unique on its platform. `thread` is the native id of the thread's first post, its own when it begins
    one; `parent` what it answers directly.
    """

    platform: str
    native_id: str
    author: PostAuthor
    text: str
    created_at: datetime
    url: str = ""
    language: str | None = None
    thread: str = ""
    parent: str | None = None
    origin: Origin = "live"
    metrics: dict[str, int] = {}


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    platform: str
    native_id: str


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What an ear heard since the bookmark before; written whole, together with the new bookmark, or not at all."""

    bookmark: str
    posts: tuple[Post, ...] = ()
    edits: tuple[Post, ...] = ()
    """Posts heard before that now say something else; one that was not kept then may concern a brand now."""
    deletions: tuple[Deletion, ...] = ()
