"""X: replies to posts, where X allows them through the API.

https://docs.x.com/x-api/posts/create-post

The API only allows replies to authors who mentioned or quoted our account; where X refuses, the member copies the reply and opens
the post. X accepts no idempotency key: a reply of unknown fate is looked up among our account's latest posts.
"""

import re
from html import unescape
from typing import Final

import msgspec

from connections.x import User, X
from models.capabilities import Capabilities
from models.errors import Rejected
from models.outgoing import Address, LookupResult, Outgoing, reaches_back
from models.text import fold

LATEST: Final = 20
"""Posts of ours among which a reply of unknown fate is looked up."""
LINK_LENGTH: Final = 23
MAX_LENGTH: Final = 280
PREMIUM_MAX_LENGTH: Final = 25_000
"""Characters, as X counts them."""
_CHANGED = re.compile(r"https?://\S+|@\w+")


class XResponder:
    platform = "x"

    def __init__(self, connection: X) -> None:
        self.name = connection.name
        self.capabilities = Capabilities(
            max_length=MAX_LENGTH, unit="weighted", link_length=LINK_LENGTH, only_when_addressed=True
        )
        self._connection = connection

    async def connect(self) -> None:
        account = _required(await self._connection.verify_credentials())
        if account.subscription_type in ("Premium", "PremiumPlus"):
            self.capabilities = msgspec.structs.replace(self.capabilities, max_length=PREMIUM_MAX_LENGTH)

    async def publish(self, reply: Outgoing) -> Address:
        account = _required(await self._connection.open())
        return _address(account, await self._connection.reply(reply.text, reply.in_reply_to))

    async def find(self, reply: Outgoing) -> LookupResult:
        account = _required(await self._connection.open())
        page = await self._connection.posts_of(account.id, LATEST)
        for post in page.data:
            parents = {r.id for r in (*post.referenced_tweets, *post.referenced_posts) if r.type == "replied_to"}
            text = unescape((post.note_tweet or post.note_post or post).text)
            if _comparable(text) != _comparable(reply.text):
                continue
            if reply.in_reply_to in parents:
                return _address(account, post.id)
            if not parents and (post.created_at is None or post.created_at >= reply.drafted_at):
                return "unknown"  # the same words, since the draft, and X does not say what they answer: a person looks
        complete = len(page.data) < LATEST or reaches_back(page.data, reply.drafted_at)
        return "none" if complete else "unknown"

    async def close(self) -> None:
        await self._connection.close()


def _required(account: User | None) -> User:
    if account is None:
        raise Rejected("There are no keys to act as the account.")
    return account


def _address(account: User, post_id: str) -> Address:
    return Address(native_id=post_id, url=f"https://x.com/{account.username}/status/{post_id}")


def _comparable(text: str) -> str:
    """A text without what X changes: it shortens links, and puts the handles of those who are answered in front."""
    return "".join(c for c in fold(_CHANGED.sub("", text)) if c.isalnum())
