"""The voices: approved replies go out, one file per platform."""

from typing import Protocol

from models.capabilities import Capabilities
from models.reply import Address, Found, Outgoing


class Voice(Protocol):
    @property
    def name(self) -> str:
        """The connection's."""

    @property
    def platform(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def connect(self) -> str | None:
        """Proves anew, by a call, that it may speak; raises EdgeError. Returns what the operator should know."""

    async def publish(self, reply: Outgoing) -> Address:
        """Says it under the post that it answers. Raises Uncertain whenever it may have been said all the same."""

    async def find(self, reply: Outgoing) -> Found:
        """Looks for a reply of unknown fate: where it stands, `none` when it is surely not there, or `cannot tell`."""

    async def close(self) -> None: ...
