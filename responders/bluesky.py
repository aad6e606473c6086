"""Replies on Bluesky: a post with references to the post that it answers and to the thread's root.

https://docs.bsky.app/docs/advanced-guides/posts, https://atproto.com/specs/record-key#record-key-type-tid

The record's key is computed from the reply's own key, so that the record can be looked up even if the call failed.
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from connections.bluesky import Bluesky
from models.capabilities import Capabilities
from models.errors import Rejected
from models.links import link_spans
from models.outgoing import Address, LookupResult, Outgoing

COLLECTION: Final = "app.bsky.feed.post"
_TID_ALPHABET: Final = "234567abcdefghijklmnopqrstuvwxyz"
_HANDLE = re.compile(rb"(?<![\w.])@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")


class _StrongRef(msgspec.Struct):
    uri: str
    cid: str


class _Reply(msgspec.Struct):
    root: _StrongRef
    parent: _StrongRef


class _Record(msgspec.Struct):
    reply: _Reply | None = None


class _View(msgspec.Struct):
    uri: str
    cid: str
    record: _Record


class _Posts(msgspec.Struct):
    posts: list[_View]


class _StoredRecord(msgspec.Struct):
    uri: str
    cid: str = ""
    value: _Record = msgspec.field(default_factory=_Record)


class BlueskyResponder:
    platform = "bluesky"
    capabilities = Capabilities(max_length=300, unit="graphemes")

    def __init__(self, connection: Bluesky) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.verify_credentials()

    async def publish(self, reply: Outgoing) -> Address:
        await self._connection.open()
        parent, root = await self._references(reply.in_reply_to)
        record = {
            "$type": COLLECTION,
            "text": reply.text,
            "createdAt": _drafted_at(reply.key).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "langs": [reply.language] if reply.language != "und" else [],
            "reply": {"root": msgspec.to_builtins(root), "parent": msgspec.to_builtins(parent)},
            "facets": facets(reply.text, _author_did(reply)),
        }
        body = {"repo": self._connection.did, "collection": COLLECTION, "rkey": record_key(reply.key), "record": record}
        created = await self._connection.procedure("com.atproto.repo.createRecord", body, _StoredRecord)
        return self._address(created.uri)

    async def find(self, reply: Outgoing) -> LookupResult:
        await self._connection.open()
        try:
            stored = await self._get(self._connection.did, record_key(reply.key))
        except Rejected:
            return "none"
        return self._address(stored.uri)

    async def _references(self, uri: str) -> tuple[_StrongRef, _StrongRef]:
        """The post that is answered and its thread's root, with their hashes."""
        if self._connection.has_appview:
            response = await self._connection.query_public("app.bsky.feed.getPosts", _Posts, uris=uri)
            if not response.posts:
                raise Rejected("The post no longer exists.")
            view = response.posts[0]
            parent, reply = _StrongRef(view.uri, view.cid), view.record.reply
        else:
            repo, _, key = uri.removeprefix("at://").replace(f"/{COLLECTION}/", "\n").partition("\n")
            stored = await self._get(repo, key)
            parent, reply = _StrongRef(stored.uri, stored.cid), stored.value.reply
        return parent, reply.root if reply else parent

    async def _get(self, repo: str, key: str) -> _StoredRecord:
        return await self._connection.query(
            "com.atproto.repo.getRecord", _StoredRecord, repo=repo, collection=COLLECTION, rkey=key
        )

    def _address(self, uri: str) -> Address:
        return Address(
            native_id=uri, url=f"https://bsky.app/profile/{self._connection.handle}/post/{uri.rpartition('/')[2]}"
        )

    async def close(self) -> None:
        await self._connection.close()


def record_key(key: str) -> str:
    """A TID: 53 bits of microseconds and 10 bits that distinguish records of the same microsecond, in sortable base 32.

    What is below the millisecond is a hash of the key: equal keys have equal record keys, and different ones different.
    """
    key_hash = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4])
    microseconds = int(_drafted_at(key).timestamp() * 1000) * 1000 + key_hash % 1000
    number = microseconds << 10 | key_hash >> 22
    return "".join(_TID_ALPHABET[number >> shift & 31] for shift in range(60, -1, -5))


def _drafted_at(key: str) -> datetime:
    """When the draft was started: a reply's key ends with it, in milliseconds and hex."""
    return datetime.fromtimestamp(int(key.rpartition("-")[2], 16) / 1000, UTC)


def _author_did(reply: Outgoing) -> dict[str, str]:
    """The DID of the author who is answered, by handle; it is part of the at-uri of their post."""
    return {reply.author.lower(): reply.in_reply_to.removeprefix("at://").partition("/")[0]}


def facets(text: str, dids: dict[str, str]) -> list[dict[str, Any]]:
    """Links, and the handles that are in `dids`, by their positions in the UTF-8 bytes of the text."""
    raw = text.encode()
    links = [
        _facet(len(text[:start].encode()), len(text[:end].encode()), "link", uri=text[start:end])
        for start, end in link_spans(text)
    ]
    mentions = [
        _facet(m.start(), m.end(), "mention", did=did)
        for m in _HANDLE.finditer(raw)
        if (did := dids.get(m[1].decode().lower()))
    ]
    return links + mentions


def _facet(start: int, end: int, kind: str, **value: str) -> dict[str, Any]:
    return {
        "index": {"byteStart": start, "byteEnd": end},
        "features": [{"$type": f"app.bsky.richtext.facet#{kind}", **value}],
    }
