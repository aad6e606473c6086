"""Answering on X, under the post, where X lets a program do that.

https://docs.x.com/x-api/posts/create-post

Only who named or quoted the account may be answered by machine; where X refuses, the manager is told, copies the reply and opens
the post. X takes no idempotency key: a reply of unknown fate is looked for among our own latest posts.
"""

import re
from html import unescape
from typing import Final

import msgspec

from connections.x import User, X
from models.capabilities import Capabilities
from models.errors import Rejected
from models.reply import Address, Found, Outgoing
from models.text import fold

LATEST: Final = 20
LINK: Final = 23
LONGEST: Final = 280
PREMIUM: Final = 25_000
_DROPPED = re.compile(r"https?://\S+|@\w+")


class XVoice:
    platform = "x"

    def __init__(self, connection: X) -> None:
        self.name = connection.name
        self.capabilities = Capabilities(
            reply=True, longest=LONGEST, unit="weighted", link=LINK, delete=True, find=True, only_if_asked=True
        )
        self._connection = connection

    async def connect(self) -> None:
        me = await self._connection.prove()
        if me is None:
            raise Rejected("There are no keys to act as the account.")
        if me.subscription_type in ("Premium", "PremiumPlus"):
            self.capabilities = msgspec.structs.replace(self.capabilities, longest=PREMIUM)

    async def publish(self, reply: Outgoing) -> Address:
        me = await self._me()
        return _address(me, await self._connection.reply(reply.text, reply.under))

    async def find(self, reply: Outgoing) -> Found:
        me = await self._me()
        page = await self._connection.posts_of(me.id, LATEST)
        for post in page.data:
            answers = {r.id for r in (*post.referenced_tweets, *post.referenced_posts) if r.type == "replied_to"}
            text = unescape((post.note_tweet or post.note_post or post).text)
            if reply.under in answers and _bare(text) == _bare(reply.text):
                return _address(me, post.id)
        whole = len(page.data) < LATEST or min(p.created_at for p in page.data if p.created_at) < reply.begun
        return "none" if whole else "cannot tell"

    async def _me(self) -> User:
        me = await self._connection.open()
        if me is None:
            raise Rejected("There are no keys to act as the account.")
        return me

    async def close(self) -> None:
        await self._connection.close()


def _address(me: User, number: str) -> Address:
    return Address(native_id=number, url=f"https://x.com/{me.username}/status/{number}")


def _bare(text: str) -> str:
    """A text without what X changes: addresses are shortened, names of who is answered are put in front."""
    return "".join(c for c in fold(_DROPPED.sub("", text)) if c.isalnum())
