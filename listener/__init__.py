"""Listeners, one file per platform: incoming posts.

A listener receives what happens on one connection, forever, and says how far it has read. What it yields is stored together with
its cursor before it is asked for more, so that a crash anywhere loses nothing and repeats nothing.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from models.incoming import ContextRequest, IncomingPost, ListenerBatch, ThreadContext


class Listener(Protocol):
    @property
    def name(self) -> str:
        """The connection's."""

    @property
    def platform(self) -> str: ...

    @property
    def silence_timeout(self) -> float:
        """Seconds without a batch, be it an empty one as a sign of life, after which it is considered dead."""

    async def connect(self) -> str | None:
        """Verifies by a call that listening can start; raises EdgeError. Returns what the operator should know."""

    def listen(self, cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        """What happens after the cursor, forever; resumed only after what it yielded is committed. Raises EdgeError.

        Yields an empty batch as soon as it is listening: that, and not a working `connect`, proves that it is back.
        """

    async def find(self, url: str) -> IncomingPost | None:
        """The post at a permalink; None where it is not this platform's, or cannot be looked up."""

    async def fetch_context(self, request: ContextRequest) -> ThreadContext:
        """What is around a mention; raises EdgeError."""

    async def close(self) -> None: ...
