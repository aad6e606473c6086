"""Responders, one file per platform: approved replies go out."""

from typing import Protocol

from models.capabilities import Capabilities
from models.outgoing import Address, LookupResult, Outgoing


class Responder(Protocol):
    @property
    def name(self) -> str:
        """The connection's."""

    @property
    def platform(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def connect(self) -> str | None:
        """Verifies by a call that it may publish; raises EdgeError. Returns what the operator should know."""

    async def publish(self, reply: Outgoing) -> Address:
        """Publishes a reply to the post it answers. Raises Uncertain whenever it may have been published all the same."""

    async def find(self, reply: Outgoing) -> LookupResult:
        """Looks up a reply of unknown fate: its address, `none` where it was certainly not published, or `unknown`."""

    async def close(self) -> None: ...
