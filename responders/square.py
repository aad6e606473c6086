"""Speaking on the demo's square (connections/square.py)."""

from connections.square import Square, SquarePost
from models.capabilities import Capabilities
from models.reply import Address, Found, Outgoing


class SquareVoice:
    platform = "square"
    capabilities = Capabilities(reply=True, longest=500, find=True)

    def __init__(self, connection: Square) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.open()

    async def publish(self, reply: Outgoing) -> Address:
        return _address(await self._connection.say(key=reply.key, text=reply.text, under=reply.under))

    async def find(self, reply: Outgoing) -> Found:
        found = await self._connection.by_key(reply.key)
        return _address(found) if found else "none"

    async def close(self) -> None:
        await self._connection.close()


def _address(post: SquarePost) -> Address:
    return Address(native_id=post.id, url=post.url)
