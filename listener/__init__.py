"""The ears: one file per platform, mentions come in.

An ear hears what happens on one connection, for ever, and says how far it has heard. What it hands over is written down
together with its bookmark before it is asked for more; so a crash anywhere loses nothing and repeats nothing.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from models.post import Around, Heard, Post, Sought


class Ear(Protocol):
    @property
    def name(self) -> str:
        """The connection's."""

    @property
    def platform(self) -> str: ...

    @property
    def silence(self) -> float:
        """After so many seconds without giving anything, be it an empty Heard as a sign of life, it is taken for dead."""

    async def connect(self) -> str | None:
        """Proves anew, by a call, that listening can begin; raises EdgeError. Returns what the operator should know."""

    def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        """For ever what happens after the bookmark; resumed only after what it gave is committed. Raises EdgeError.

        Gives an empty Heard as soon as it listens: that, and not that somebody answers, proves that it is back.
        """

    async def find(self, url: str) -> Post | None:
        """The post at a permalink, or None where that is not this platform's, or cannot be looked up."""

    async def around(self, sought: Sought) -> Around:
        """What stands around a mention; raises EdgeError."""

    async def close(self) -> None: ...
