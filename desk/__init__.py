"""The desks: where managers sit. Cards go out, actions come in; what an action means is decided in triage."""

from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from languages import Translator
from models.desk import Action
from triage.boards import Pace
from triage.desking import Outcome
from triage.viewing import View


class Did(msgspec.Struct, frozen=True, kw_only=True):
    """What was done on a desk since the bookmark before."""

    bookmark: str
    actions: tuple[Action, ...] = ()


class Desk(Protocol):
    @property
    def name(self) -> str:
        """The connection's."""

    @property
    def platform(self) -> str: ...

    @property
    def pace(self) -> Pace:
        """How many messages one of its chats takes."""

    async def connect(self) -> str | None:
        """Proves that cards can be shown; raises EdgeError. Says what whoever sets it up may want to know."""

    async def show(self, view: View, chat: str, address: str | None, t: Translator) -> str:
        """Draws a card, in place where it stands already; returns its address in that chat."""

    def actions(self, bookmark: str | None) -> AsyncGenerator[Did, None]:
        """For ever what members do; resumed only after what it gave is written down."""

    async def answer(self, action: Action, outcome: Outcome, t: Translator) -> None:
        """Tells whoever acted what came of it."""

    async def close(self) -> None: ...
