"""Replies on Mastodon, with the visibility and the content warning of the post they answer.

https://docs.joinmastodon.org/methods/statuses/#create

The reply's key is sent as Idempotency-Key, so that within an hour the same reply is published once; a reply of unknown fate is
looked up among our own latest posts.
"""

import re
from datetime import datetime
from typing import Final
from urllib.parse import quote

import msgspec

from connections.mastodon import LINK_LENGTH, MAX_LENGTH, Mastodon
from models.capabilities import Capabilities
from models.errors import Rejected
from models.html import html_to_text
from models.outgoing import Address, LookupResult, Outgoing, reaches_back
from models.text import fold

LATEST: Final = 40
"""Own posts among which a reply is looked up."""
_MENTION = re.compile(r"@[\w.-]+(@[\w.-]+)?")


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


class MastodonResponder:
    platform = "mastodon"

    def __init__(self, connection: Mastodon) -> None:
        self.name = connection.name
        self.capabilities = Capabilities(
            max_length=MAX_LENGTH,
            unit="graphemes",
            link_length=LINK_LENGTH,
            remote_handles=True,
            must_mention_author=True,
        )
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.verify_credentials()
        limits = self._connection.instance.configuration.statuses
        self.capabilities = msgspec.structs.replace(
            self.capabilities, max_length=limits.max_characters, link_length=limits.characters_reserved_per_url
        )

    async def publish(self, reply: Outgoing) -> Address:
        await self._connection.open()
        parent = await self._connection.get(f"/api/v1/statuses/{self._status_id(reply.in_reply_to)}", _Status)
        body = {
            "status": reply.text,
            "in_reply_to_id": parent.id,
            "visibility": parent.visibility,
            "spoiler_text": parent.spoiler_text,
            "sensitive": parent.sensitive,
            **({"language": reply.language} if reply.language != "und" else {}),
        }
        return self._address(await self._connection.post("/api/v1/statuses", body, _Status, reply.key))

    async def find(self, reply: Outgoing) -> LookupResult:
        own = await self._connection.open()
        path = f"/api/v1/accounts/{quote(own.id, safe='')}/statuses"
        latest = await self._connection.get(path, list[_Status], {"limit": str(LATEST), "exclude_reblogs": "true"})
        parent_id, text = self._status_id(reply.in_reply_to), _comparable(reply.text)
        for status in latest:
            if status.in_reply_to_id == parent_id and _comparable(html_to_text(status.content)) == text:
                return self._address(status)
        complete = len(latest) < LATEST or reaches_back(latest, reply.drafted_at)
        return "none" if complete else "unknown"

    def _status_id(self, native_id: str) -> str:
        """The id on our server; raises Rejected for a post that was received from another one."""
        host, _, status_id = native_id.rpartition(":")
        if host != self._connection.host or not status_id.isalnum():
            raise Rejected(
                f"This post was received from {host or 'another platform'}, and this account is on another server."
            )
        return status_id

    def _address(self, status: _Status) -> Address:
        return Address(native_id=f"{self._connection.host}:{status.id}", url=status.url or status.uri)

    async def close(self) -> None:
        await self._connection.close()


def _comparable(text: str) -> str:
    """A text without what the server changes: spaces, and mentions, which it shows without their server."""
    return "".join(c for c in fold(_MENTION.sub("", text)) if c.isalnum())
