"""Answering on Reddit, as a comment under what is answered, with a key to the API.

https://www.reddit.com/dev/api#POST_api_comment

Reddit takes no idempotency key: a reply of unknown fate is looked for among the account's latest comments.
"""

from typing import Any, Final

import msgspec

from connections.reddit import Reddit, things
from models.capabilities import Capabilities
from models.errors import Rejected, Unavailable, Uncertain
from models.reply import Address, Found, Outgoing

LATEST: Final = 50


class RedditVoice:
    platform = "reddit"
    capabilities = Capabilities(reply=True, longest=10_000, edit=True, delete=True, find=True)

    def __init__(self, connection: Reddit, site: str) -> None:
        self.name = connection.name
        self._connection = connection
        self._site = site.rstrip("/")

    async def connect(self) -> None:
        if not await self._connection.prove():
            raise Rejected("Answering on Reddit needs a key to its API.")

    async def publish(self, reply: Outgoing) -> Address:
        body = {"api_type": "json", "thing_id": reply.under, "text": reply.text, "raw_json": "1"}
        said = await self._connection.post("/api/comment", body)
        try:
            told = msgspec.convert(said, _Said).json
            if told.errors and told.errors[0][0] == "RATELIMIT":
                raise Unavailable(f"Reddit: {told.errors[0][1]}")
            if told.errors:
                raise Rejected(f"Reddit: {told.errors[0][1]}")
            found = things({"data": {"children": told.data["things"]}}, self._site)
        except (msgspec.ValidationError, LookupError, TypeError) as error:
            raise Uncertain("Reddit took the reply and did not say where it stands.") from error
        if not found:
            raise Uncertain("Reddit took the reply and did not say where it stands.")
        return Address(native_id=found[0].id, url=found[0].url)

    async def find(self, reply: Outgoing) -> Found:
        own = await self._connection.open()
        latest = await self._connection.listing(f"/user/{own}/comments", {"limit": str(LATEST)})
        same = (t for t in latest if t.parent == reply.under and t.text.split() == reply.text.split())
        if found := next(same, None):
            return Address(native_id=found.id, url=found.url)
        whole = len(latest) < LATEST or min(thing.at for thing in latest) < reply.begun
        return "none" if whole else "cannot tell"

    async def close(self) -> None:
        await self._connection.close()


class _Json(msgspec.Struct):
    data: dict[str, Any] = {}
    errors: list[Any] = []


class _Said(msgspec.Struct):
    json: _Json
