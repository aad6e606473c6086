"""Hearing the demo's square (connections/square.py). Native ids are the square's own; the bookmark is its counter."""

from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import urlsplit

from connections.square import Square, SquarePost
from models.post import NOTHING_AROUND, Around, Deletion, Heard, Post, PostAuthor, Sought

WAIT: Final = 10.0
"""Seconds that the square is asked to hold an answer until something happens."""


class SquareEar:
    platform = "square"
    silence = 90.0

    def __init__(self, connection: Square) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.open()

    async def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        after = int(bookmark or 0)
        while True:
            found = await self._connection.posts(after, WAIT)
            after = max((post.number for post in found), default=after)
            yield Heard(
                bookmark=str(after),
                posts=tuple(to_post(post) for post in found if post.kind == "post"),
                edits=tuple(to_post(post) for post in found if post.kind == "edit"),
                deletions=tuple(
                    Deletion(platform="square", native_id=post.id) for post in found if post.kind == "deletion"
                ),
            )

    async def find(self, url: str) -> Post | None:
        place = urlsplit(url).path
        if not place.startswith("/posts/"):
            return None
        found = await self._connection.post(place.removeprefix("/posts/"))
        return to_post(found) if found and found.url == url else None

    async def around(self, sought: Sought) -> Around:  # noqa: ARG002 - nothing more can be asked
        return NOTHING_AROUND

    async def close(self) -> None:
        await self._connection.close()


def to_post(post: SquarePost) -> Post:
    return Post(
        platform="square",
        native_id=post.id,
        url=post.url,
        author=PostAuthor(handle=post.author, name=post.name, followers=post.followers),
        text=post.text,
        language=post.lang,
        thread=post.thread or post.id,
        parent=post.parent,
        created_at=post.at,
    )
