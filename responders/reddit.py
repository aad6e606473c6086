"""Reddit: replies as comments, with keys for the API.

https://www.reddit.com/dev/api#POST_api_comment

Reddit accepts no idempotency key: a reply of unknown fate is looked up among the account's latest comments.
"""

from typing import Any, Final

import msgspec

from connections.reddit import Reddit, things
from models.capabilities import Capabilities
from models.errors import Rejected, Unavailable, Uncertain
from models.outgoing import Address, LookupResult, Outgoing, reaches_back

LATEST: Final = 50
"""Comments of ours among which a reply of unknown fate is looked up."""


class RedditResponder:
    platform = "reddit"
    capabilities = Capabilities(max_length=10_000)

    def __init__(self, connection: Reddit, site: str) -> None:
        self.name = connection.name
        self._connection = connection
        self._site = site.rstrip("/")

    async def connect(self) -> None:
        if not await self._connection.verify_credentials():
            raise Rejected("Replies on Reddit need a key for its API.")

    async def publish(self, reply: Outgoing) -> Address:
        body = {"api_type": "json", "thing_id": reply.in_reply_to, "text": reply.text, "raw_json": "1"}
        response = await self._connection.post("/api/comment", body)
        try:
            result = msgspec.convert(response, _Response).json
            if result.errors and result.errors[0][0] == "RATELIMIT":
                raise Unavailable(f"Reddit: {result.errors[0][1]}")
            if result.errors:
                raise Rejected(f"Reddit: {result.errors[0][1]}")
            comments = things({"data": {"children": result.data["things"]}}, self._site)
        except (msgspec.ValidationError, LookupError, TypeError) as error:
            raise Uncertain("Reddit accepted the reply without returning its address.") from error
        if not comments:
            raise Uncertain("Reddit accepted the reply without returning its address.")
        return Address(native_id=comments[0].id, url=comments[0].url)

    async def find(self, reply: Outgoing) -> LookupResult:
        account = await self._connection.open()
        latest = await self._connection.listing(f"/user/{account}/comments", {"limit": str(LATEST)})
        same = (t for t in latest if t.parent == reply.in_reply_to and t.text.split() == reply.text.split())
        if comment := next(same, None):
            return Address(native_id=comment.id, url=comment.url)
        complete = len(latest) < LATEST or reaches_back(latest, reply.drafted_at)
        return "none" if complete else "unknown"

    async def close(self) -> None:
        await self._connection.close()


class _Result(msgspec.Struct):
    data: dict[str, Any] = {}
    errors: list[Any] = []


class _Response(msgspec.Struct):
    json: _Result
