"""Desks: chats where members work. Cards go out, actions come in; what an action means is decided in actions/."""

from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from cards.card_sync import RateLimit
from cards.chat_views import View
from cards.outcome import PerformedAction
from languages import Translator
from models.tables.action import Action


class ActionBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What was done on a desk since the previous cursor."""

    cursor: str
    actions: tuple[Action, ...] = ()


class Desk(Protocol):
    @property
    def name(self) -> str:
        """The connection's."""

    @property
    def platform(self) -> str: ...

    @property
    def rate_limit(self) -> RateLimit:
        """How many messages one of its chats takes."""

    async def connect(self) -> str | None:
        """Verifies that cards can be shown; raises EdgeError. Returns what whoever sets it up may want to know."""

    async def show(self, view: View, chat: str, message_id: str | None, t: Translator) -> str:
        """Shows a card, in place where it has a message already; returns the message's id in that chat."""

    def actions(self, cursor: str | None) -> AsyncGenerator[ActionBatch, None]:
        """What members do, forever; resumed only after what it yielded is stored."""

    async def respond(self, action: Action, performed: PerformedAction) -> None:
        """Tells whoever acted what came of it."""

    async def close(self) -> None: ...
