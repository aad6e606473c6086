"""One request of one member: who it is, what they may see, and in which words."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from languages import Translator
from models.catalogue import Catalogue, Member
from models.post import Post
from store.engine import Store
from triage.matching import Matching
from triage.proofreading import Proofreader
from triage.turn import Turn


class House(Protocol):
    """What the web needs of the running house."""

    @property
    def store(self) -> Store: ...
    @property
    def now(self) -> Callable[[], datetime]: ...
    @property
    def proofreader(self) -> Proofreader | None: ...
    async def catalogue(self) -> Catalogue: ...
    async def matching(self) -> Matching: ...
    def turn(self, session: AsyncSession, catalogue: Catalogue) -> Turn: ...


Find = Callable[[str, str], Awaitable[Post | None]]
"""Asks the platforms for the post at a permalink, for a brand (its slug)."""


@dataclass(frozen=True)
class Visit:
    house: House
    member_id: int
    member: Member
    catalogue: Catalogue
    t: Translator
    session_hash: str
    now: datetime

    @property
    def brands(self) -> list[int]:
        """The numbers of the brands that this member may see."""
        return self.catalogue.seen_by(self.member)

    def turn(self, session: AsyncSession) -> Turn:
        return self.house.turn(session, self.catalogue)


VISIT: web.RequestKey[Visit] = web.RequestKey("visit", Visit)
HOUSE: web.AppKey[House] = web.AppKey("house", House)


def is_fragment(request: web.Request) -> bool:
    """Asked by htmx, which wants a piece of a page."""
    return request.headers.get("HX-Request") == "true"
