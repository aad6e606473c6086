"""The demo's square (connections/square.py). Native ids are the square's own; the cursor is its counter."""

from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import urlsplit

from connections.square import Square, SquarePost
from models.incoming import (
    NO_CONTEXT,
    ContextRequest,
    Deletion,
    IncomingAuthor,
    IncomingPost,
    ListenerBatch,
    ThreadContext,
)

WAIT: Final = 10.0
"""Seconds for which the square may hold a response until something happens."""


class SquareListener:
    platform = "square"
    silence_timeout = 90.0

    def __init__(self, connection: Square) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.open()

    async def listen(self, cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        after = int(cursor or 0)
        while True:
            events = await self._connection.posts(after, WAIT)
            after = max((post.number for post in events), default=after)
            yield ListenerBatch(
                cursor=str(after),
                posts=tuple(to_post(post) for post in events if post.kind == "post"),
                edits=tuple(to_post(post) for post in events if post.kind == "edit"),
                deletions=tuple(
                    Deletion(platform="square", native_id=post.id) for post in events if post.kind == "deletion"
                ),
            )

    async def find(self, url: str) -> IncomingPost | None:
        path = urlsplit(url).path
        if not path.startswith("/posts/"):
            return None
        post = await self._connection.post(path.removeprefix("/posts/"))
        return to_post(post) if post and post.url == url else None

    async def fetch_context(self, request: ContextRequest) -> ThreadContext:  # noqa: ARG002 - there is nothing more to fetch
        return NO_CONTEXT

    async def close(self) -> None:
        await self._connection.close()


def to_post(post: SquarePost) -> IncomingPost:
    return IncomingPost(
        platform="square",
        native_id=post.id,
        url=post.url,
        author=IncomingAuthor(handle=post.author, name=post.name, followers=post.followers),
        text=post.text,
        language=post.lang,
        thread=post.thread or post.id,
        parent=post.parent,
        created_at=post.at,
    )
