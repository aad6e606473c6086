"""Answering on Bluesky: a post of ours with references to what it answers and to the thread's root.

https://docs.bsky.app/docs/advanced-guides/posts, https://atproto.com/specs/record-key#record-key-type-tid

The record's key is made from the reply's own key, so that the record can be looked up whatever became of the call.
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from connections.bluesky import Bluesky
from models.capabilities import Capabilities
from models.errors import Rejected
from models.reply import Address, Found, Outgoing

COLLECTION: Final = "app.bsky.feed.post"
_TID: Final = "234567abcdefghijklmnopqrstuvwxyz"
_LINK = re.compile(rb"https?://[^\s<>\"]*[^\s<>\".,;:!?)]")
_HANDLE = re.compile(rb"(?<![\w.])@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")


class _Strong(msgspec.Struct):
    uri: str
    cid: str


class _Reply(msgspec.Struct):
    root: _Strong
    parent: _Strong


class _Record(msgspec.Struct):
    reply: _Reply | None = None


class _View(msgspec.Struct):
    uri: str
    cid: str
    record: _Record


class _Views(msgspec.Struct):
    posts: list[_View]


class _Kept(msgspec.Struct):
    uri: str
    cid: str = ""
    value: _Record = msgspec.field(default_factory=_Record)


class BlueskyVoice:
    platform = "bluesky"
    capabilities = Capabilities(reply=True, longest=300, unit="graphemes", delete=True, find=True)

    def __init__(self, connection: Bluesky) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.prove()

    async def publish(self, reply: Outgoing) -> Address:
        await self._connection.open()
        parent, root = await self._references(reply.under)
        record = {
            "$type": COLLECTION,
            "text": reply.text,
            "createdAt": _moment(reply.key).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "langs": [reply.language] if reply.language != "und" else [],
            "reply": {"root": msgspec.to_builtins(root), "parent": msgspec.to_builtins(parent)},
            "facets": facets(reply.text, _mentioned(reply)),
        }
        body = {"repo": self._connection.did, "collection": COLLECTION, "rkey": record_key(reply.key), "record": record}
        made = await self._connection.procedure("com.atproto.repo.createRecord", body, _Kept)
        return self._address(made.uri)

    async def find(self, reply: Outgoing) -> Found:
        await self._connection.open()
        try:
            found = await self._get(self._connection.did, record_key(reply.key))
        except Rejected:
            return "none"
        return self._address(found.uri)

    async def _references(self, uri: str) -> tuple[_Strong, _Strong]:
        """The post that is answered and its thread's root, with the hashes that references carry."""
        if self._connection.reads_publicly:
            found = await self._connection.public("app.bsky.feed.getPosts", _Views, uris=uri)
            if not found.posts:
                raise Rejected("The post is not there any more.")
            view = found.posts[0]
            parent, reply = _Strong(view.uri, view.cid), view.record.reply
        else:
            repo, _, key = uri.removeprefix("at://").replace(f"/{COLLECTION}/", "\n").partition("\n")
            kept = await self._get(repo, key)
            parent, reply = _Strong(kept.uri, kept.cid), kept.value.reply
        return parent, reply.root if reply else parent

    async def _get(self, repo: str, key: str) -> _Kept:
        return await self._connection.query(
            "com.atproto.repo.getRecord", _Kept, repo=repo, collection=COLLECTION, rkey=key
        )

    def _address(self, uri: str) -> Address:
        return Address(
            native_id=uri, url=f"https://bsky.app/profile/{self._connection.handle}/post/{uri.rpartition('/')[2]}"
        )

    async def close(self) -> None:
        await self._connection.close()


def record_key(key: str) -> str:
    """A TID: 53 bits of microseconds and 10 bits that tell apart what has the same microsecond, in sortable base 32.

    Below the millisecond it comes from the key itself: the same key gives the same record, another key another.
    """
    chance = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4])
    microseconds = int(_moment(key).timestamp() * 1000) * 1000 + chance % 1000
    number = microseconds << 10 | chance >> 22
    return "".join(_TID[number >> shift & 31] for shift in range(60, -1, -5))


def _moment(key: str) -> datetime:
    """When the draft was begun: a reply's key ends with it, in milliseconds and hex."""
    return datetime.fromtimestamp(int(key.rpartition("-")[2], 16) / 1000, UTC)


def _mentioned(reply: Outgoing) -> dict[str, str]:
    """The handle of who is answered, and its DID, which stands in the at-uri of their post."""
    return {reply.author.lower(): reply.under.removeprefix("at://").partition("/")[0]}


def facets(text: str, dids: dict[str, str]) -> list[dict[str, Any]]:
    """Links, and the handles whose DIDs are known, by their places in the UTF-8 bytes of the text."""
    raw = text.encode()
    found = [_facet(m.start(), m.end(), "link", uri=m[0].decode()) for m in _LINK.finditer(raw)]
    found.extend(
        _facet(m.start(), m.end(), "mention", did=did)
        for m in _HANDLE.finditer(raw)
        if (did := dids.get(m[1].decode().lower()))
    )
    return found


def _facet(start: int, end: int, kind: str, **value: str) -> dict[str, Any]:
    return {
        "index": {"byteStart": start, "byteEnd": end},
        "features": [{"$type": f"app.bsky.richtext.facet#{kind}", **value}],
    }
