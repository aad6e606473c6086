"""Answering on Mastodon, under the post, as publicly as it was said and behind the same content warning.

https://docs.joinmastodon.org/methods/statuses/#create

The reply's key goes along as Idempotency-Key, so that within an hour asking twice says it once; a reply of unknown fate is
looked for among our own latest posts.
"""

import re
from datetime import datetime
from typing import Final
from urllib.parse import quote

import msgspec

from connections.mastodon import LINK, LONGEST, Mastodon
from models.capabilities import Capabilities
from models.errors import Rejected
from models.reply import Address, Found, Outgoing
from models.text import fold, plain

LATEST: Final = 40
"""Own posts that are looked through."""


_NAME = re.compile(r"@[\w.-]+(@[\w.-]+)?")


class _Status(msgspec.Struct):
    id: str
    content: str = ""
    url: str | None = None
    uri: str = ""
    visibility: str = "public"
    spoiler_text: str = ""
    sensitive: bool = False
    in_reply_to_id: str | None = None
    created_at: datetime | None = None


class MastodonVoice:
    platform = "mastodon"

    def __init__(self, connection: Mastodon) -> None:
        self.name = connection.name
        self.capabilities = Capabilities(
            reply=True, longest=LONGEST, link=LINK, edit=True, delete=True, find=True, names_author=True
        )
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.prove()
        limits = self._connection.instance.configuration.statuses
        self.capabilities = msgspec.structs.replace(
            self.capabilities, longest=limits.max_characters, link=limits.characters_reserved_per_url
        )

    async def publish(self, reply: Outgoing) -> Address:
        await self._connection.open()
        above = await self._connection.get(f"/api/v1/statuses/{self._number(reply.under)}", _Status)
        body = {
            "status": reply.text,
            "in_reply_to_id": above.id,
            "visibility": above.visibility,
            "spoiler_text": above.spoiler_text,
            "sensitive": above.sensitive,
            **({"language": reply.language} if reply.language != "und" else {}),
        }
        return self._address(await self._connection.post("/api/v1/statuses", body, _Status, reply.key))

    async def find(self, reply: Outgoing) -> Found:
        own = await self._connection.open()
        path = f"/api/v1/accounts/{quote(own.id, safe='')}/statuses"
        latest = await self._connection.get(path, list[_Status], {"limit": str(LATEST), "exclude_reblogs": "true"})
        under = self._number(reply.under)
        same = (s for s in latest if s.in_reply_to_id == under and _bare(plain(s.content)) == _bare(reply.text))
        if found := next(same, None):
            return self._address(found)
        whole = len(latest) < LATEST or min(s.created_at for s in latest if s.created_at) < reply.begun
        return "none" if whole else "cannot tell"

    def _number(self, native_id: str) -> str:
        """The id on our server; a post that was heard on another cannot be answered by this account."""
        host, _, number = native_id.rpartition(":")
        if host != self._connection.host or not number.isalnum():
            raise Rejected(
                f"This post was heard on {host or 'another platform'}, and this account is on another server."
            )
        return number

    def _address(self, status: _Status) -> Address:
        return Address(native_id=f"{self._connection.host}:{status.id}", url=status.url or status.uri)

    async def close(self) -> None:
        await self._connection.close()


def _bare(text: str) -> str:
    """A text without what the server changes when it shows it: spaces, and names, which lose their server."""
    return "".join(c for c in fold(_NAME.sub("", text)) if c.isalnum())
