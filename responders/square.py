"""Replies on the demo's square (connections/square.py)."""

from connections.square import Square, SquarePost
from models.capabilities import Capabilities
from models.outgoing import Address, LookupResult, Outgoing


class SquareResponder:
    platform = "square"
    capabilities = Capabilities(max_length=500)

    def __init__(self, connection: Square) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.open()

    async def publish(self, reply: Outgoing) -> Address:
        return _address(await self._connection.publish(key=reply.key, text=reply.text, in_reply_to=reply.in_reply_to))

    async def find(self, reply: Outgoing) -> LookupResult:
        post = await self._connection.post_by_key(reply.key)
        return _address(post) if post else "none"

    async def close(self) -> None:
        await self._connection.close()


def _address(post: SquarePost) -> Address:
    return Address(native_id=post.id, url=post.url)
