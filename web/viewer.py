"""The signed-in member whom a request comes from: what they may see, and in which language."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from languages import Translator
from models.configuration import Configuration, Member
from models.incoming import IncomingPost
from publishing.context import ReplyContext
from publishing.grammar import GrammarChecker
from store.engine import Store


class Application(Protocol):
    """What the web needs of the running program."""

    @property
    def store(self) -> Store: ...
    @property
    def now(self) -> Callable[[], datetime]: ...
    @property
    def grammar(self) -> GrammarChecker | None: ...
    async def configuration(self) -> Configuration: ...
    def may_concern(self, connection: str, brand: str) -> bool: ...
    def context(self, session: AsyncSession, configuration: Configuration) -> ReplyContext: ...


FindPost = Callable[[str, str], Awaitable[IncomingPost | None]]
"""(permalink, brand slug) → the post, asked of the platforms."""


@dataclass(frozen=True)
class Viewer:
    application: Application
    member_id: int
    member: Member
    configuration: Configuration
    t: Translator
    session_hash: str
    now: datetime

    @property
    def brands(self) -> list[int]:
        """The ids of the brands that this member may see."""
        return self.configuration.visible_brands(self.member)

    def context(self, session: AsyncSession) -> ReplyContext:
        return self.application.context(session, self.configuration)


VIEWER: web.RequestKey[Viewer] = web.RequestKey("viewer", Viewer)
APPLICATION: web.AppKey[Application] = web.AppKey("application", Application)


def is_fragment(request: web.Request) -> bool:
    """Requested by htmx, which wants a part of a page."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and headers.get("HX-History-Restore-Request") != "true"
