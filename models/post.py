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


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """A picture, a film or a file beside a text; `url` is empty where the platform gives it to nobody without a login."""

    kind: Literal["image", "video", "audio", "file"]
    url: str = ""
    preview: str = ""
    """A small picture of it."""
    alt: str = ""
    """What it shows, in the author's words; the name of a file."""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One public post, comment, review or message.

    `native_id` is unique on its platform. `parent` is the native id of what it answers directly; `thread` that of the
    thread's first post, its own when it begins one, empty where the platform does not tell. Of the account of the
    connection that heard it, `ours` says that it wrote the post, and `to_us` that it is spoken to: a mention of it, an
    answer to it, a message. `wanted` says that a person asked for a case of it. `place` is the chat or channel where it
    stands, as queues name it, if managers may sit there; `before` what is known already of what was said before it.
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
    media: tuple[Media, ...] = ()
    ours: bool = False
    to_us: bool = False
    wanted: bool = False
    place: str = ""
    before: tuple["Post", ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return self.platform, self.native_id


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """A mention whose surroundings are wanted."""

    native_id: str
    thread: str
    parent: str | None
    author: str
    """The author's native id."""


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around a post: what was said before it, oldest first, and what its platform knows of who wrote it."""

    before: tuple[Post, ...] = ()
    author: PostAuthor | None = None


NOTHING_AROUND = Around()
"""Where a platform says nothing more than was heard."""


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    platform: str
    native_id: str

    @property
    def key(self) -> tuple[str, str]:
        return self.platform, self.native_id


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What an ear heard since the bookmark before; written whole, together with the new bookmark, or not at all."""

    bookmark: str
    posts: tuple[Post, ...] = ()
    edits: tuple[Post, ...] = ()
    """Posts heard before that now say something else; one that was not kept then may concern a brand now."""
    deletions: tuple[Deletion, ...] = ()
