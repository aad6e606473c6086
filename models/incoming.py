"""What a listener hands over: posts as they come in, before it is known whether they concern a brand."""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from models.language_tags import language_code

Origin = Literal["live", "backfill", "import"]
"""Live: received as it was posted. Backfill: found when catching up. Import: from a file; opens no cases, raises no alerts."""


class IncomingAuthor(msgspec.Struct, frozen=True, kw_only=True):
    """`native_id` never changes on its platform (a DID, a number); the handle where there is nothing better."""

    handle: str
    native_id: str = ""
    name: str = ""
    followers: int | None = None
    url: str = ""


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """An image, a video or a file of a post; `url` is empty where the platform serves it only to signed-in accounts."""

    kind: Literal["image", "video", "audio", "file"]
    url: str = ""
    preview: str = ""
    """The address of a small image of it."""
    alt: str = ""
    """The author's description; the name of a file."""


class IncomingPost(msgspec.Struct, frozen=True, kw_only=True):
    """One post, comment, review or message.

    `native_id` is unique on its platform. `parent` is the native id of what it answers directly; `thread` that of the
    thread's first post, its own when it starts one, empty where the platform does not say.

    About the account of the connection that received it: `ours` says that it wrote the post, `addresses_us` that the post
    mentions it, answers it or is a message to it. `case_requested` says that a person asked for a case. `channel` is the
    chat it is in, as queues name it, where members may work; `earlier_posts` what is already known of its thread. Without
    `dated`, `created_at` is when it was received, because the platform does not say. `only_if_known`
    is for an edit that was received where new posts would be nobody's business.
    """

    platform: str
    native_id: str
    author: IncomingAuthor
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
    addresses_us: bool = False
    case_requested: bool = False
    channel: str = ""
    dated: bool = True
    only_if_known: bool = False
    earlier_posts: tuple["IncomingPost", ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return self.platform, self.native_id


MAX_NUMBER = 2**53
"""The largest whole number that every program reads the same."""
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""No post is older than the web."""


def normalized(post: IncomingPost) -> IncomingPost:
    """The post with every value in its domain: what a platform cannot mean is unknown, and half an emoji is left out.

    Raises ValueError for a post without an id: nothing tells it from others.
    """
    native_id = _whole(post.native_id)
    if not native_id:
        raise ValueError("no id")
    author, created_at = post.author, post.created_at
    created_at = created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC)
    return msgspec.structs.replace(
        post,
        native_id=native_id,
        thread=_whole(post.thread),
        parent=_whole(post.parent) or None if post.parent is not None else None,
        author=msgspec.structs.replace(
            author,
            handle=_whole(author.handle),
            native_id=_whole(author.native_id),
            name=_whole(author.name),
            url=_whole(author.url),
            followers=_count(author.followers),
        ),
        text=_whole(post.text),
        url=_whole(post.url),
        language=language_code(post.language),
        metrics={name: number for name, value in post.metrics.items() if (number := _count(value)) is not None},
        created_at=max(created_at, EARLIEST),
        dated=post.dated and created_at > EARLIEST,
        earlier_posts=tuple(map(normalized, post.earlier_posts)),
    )


def _whole(text: str) -> str:
    """Without unpaired surrogates, which no encoding has."""
    return text if text.isascii() else text.encode(errors="ignore").decode()


def _count(number: int | None) -> int | None:
    return number if number is not None and 0 <= number <= MAX_NUMBER else None


class ContextRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A mention whose context is requested."""

    native_id: str
    thread: str
    parent: str | None
    author: str
    """The author's native id."""


class ThreadContext(msgspec.Struct, frozen=True, kw_only=True):
    """The posts above a post, oldest first, and what its platform knows of the author."""

    earlier_posts: tuple[IncomingPost, ...] = ()
    author: IncomingAuthor | None = None


NO_CONTEXT = ThreadContext()
"""Where a platform has no more than was received."""


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    platform: str
    native_id: str

    @property
    def key(self) -> tuple[str, str]:
        return self.platform, self.native_id


class ListenerBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a listener received since the previous cursor; stored together with the new cursor, or not at all."""

    cursor: str
    posts: tuple[IncomingPost, ...] = ()
    edits: tuple[IncomingPost, ...] = ()
    """Posts that changed; one that concerned nobody before may concern a brand now."""
    deletions: tuple[Deletion, ...] = ()
