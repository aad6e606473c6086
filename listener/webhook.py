"""Receives signed posts to our webhook.

    POST /hooks/NAME
    X-Ascolto-Timestamp: 1763719200
    X-Ascolto-Signature: v1=hex(HMAC-SHA256(secret, "1763719200." + body))

The body is one mention or a list of them, in the format of models/interchange.py or in the sender's own, which the settings map
(models/field_mapping.py); `kind` marks an edit or a deletion. The native id is
`connection:` and the sender's id. The response is 200 only once
everything is stored, so a sender that gets any other response sends it again. A signature is accepted once: the cursor holds
those of the last minutes, so that a replay is rejected after a restart too. Signatures of the body alone, as GitHub makes them,
are accepted as well: a replay of one brings only what is already stored.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from connections.signatures import WINDOW, body_signature_error, signature_error
from connections.webhooks import WebhookServer
from models.field_mapping import FieldMapping, kind_of, rows
from models.incoming import NO_CONTEXT, ContextRequest, Deletion, IncomingPost, ListenerBatch, ThreadContext
from models.interchange import from_json

WAIT: Final = 10.0
"""Seconds that a sender waits for its mentions to be stored before it is asked to send them again."""
HEARTBEAT: Final = 30.0
"""Seconds between two empty batches while nothing is received."""
UNMAPPED: Final = FieldMapping()
EMPTY_BATCH: Final = ListenerBatch(cursor="")


@dataclass
class Delivery:
    signature: str
    received_at: float
    """Unix time."""
    batch: ListenerBatch
    stored: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class WebhookListener:
    platform = "webhook"
    silence_timeout = 90.0

    def __init__(
        self,
        name: str,
        secret: str,
        webhook_server: WebhookServer,
        now: Callable[[], float] = time.time,
        *,
        mapping: FieldMapping = UNMAPPED,
        signature_header: str = "",
    ) -> None:
        """`signature_header` is the header with a signature of the body alone; empty for our own signature."""
        self.name = name
        self._mapping = mapping
        self._signature_header = signature_header
        self._secret = secret
        self._server = webhook_server
        self._now = now
        webhook_server.expect(name)
        self._deliveries: asyncio.Queue[Delivery] = asyncio.Queue(maxsize=100)
        self._accepted: dict[str, float] = {}
        """The signatures of stored deliveries, with their Unix times."""
        self._pending: set[str] = set()

    async def connect(self) -> None:
        await self._server.start()

    async def listen(self, cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        self._accepted = msgspec.json.decode(cursor, type=dict[str, float]) if cursor else {}
        await self._server.start()
        self._server.register(self.name, self._receive)
        try:
            yield ListenerBatch(cursor=self._cursor())
            while True:
                try:
                    delivery = await asyncio.wait_for(self._deliveries.get(), HEARTBEAT)
                except TimeoutError:
                    yield ListenerBatch(cursor=self._cursor())
                    continue
                try:
                    yield msgspec.structs.replace(delivery.batch, cursor=self._cursor(delivery))
                    self._accepted[delivery.signature] = round(delivery.received_at)
                    _settle(delivery, stored=True)
                finally:
                    _settle(delivery, stored=False)
        finally:
            self._server.unregister(self.name)
            while not self._deliveries.empty():
                _settle(self._deliveries.get_nowait(), stored=False)

    def _cursor(self, delivery: Delivery | None = None) -> str:
        """The signatures of stored deliveries and of the one stored with this cursor; none of those that are waiting."""
        oldest = self._now() - 2 * WINDOW
        self._accepted = {signature: at for signature, at in self._accepted.items() if at >= oldest}
        current = {delivery.signature: round(delivery.received_at)} if delivery else {}
        return msgspec.json.encode(self._accepted | current).decode()

    async def _receive(self, body: bytes, request: web.Request) -> web.Response:
        signature, error = self._check_signature(body, request)
        if error:
            return web.Response(status=401, text=f"Refused: {error}.\n")
        if _digest(signature) in self._accepted.keys() | self._pending and not self._signature_header:
            return web.Response(status=409, text="Refused: this delivery was already accepted.\n")
        batch, invalid_rows = to_batch(body, datetime.fromtimestamp(self._now(), UTC), self.name, self._mapping)
        if invalid_rows:
            return web.json_response({"rejected": invalid_rows}, status=422)
        return await self._store(Delivery(_digest(signature), self._now(), batch))

    def _check_signature(self, body: bytes, request: web.Request) -> tuple[str, str | None]:
        """The signature, and what is wrong with it."""
        if self._signature_header:
            signature = request.headers.get(self._signature_header, "")
            return signature, body_signature_error(self._secret, signature, body)
        signature = request.headers.get("X-Ascolto-Signature", "")
        timestamp = request.headers.get("X-Ascolto-Timestamp", "")
        return signature, signature_error(self._secret, timestamp, signature, body, self._now())

    async def _store(self, delivery: Delivery) -> web.Response:
        """Waits until the delivery is stored; one that was not may be sent again with the same signature."""
        self._pending.add(delivery.signature)
        try:
            self._deliveries.put_nowait(delivery)
            stored = await asyncio.wait_for(asyncio.shield(delivery.stored), WAIT)
        except (TimeoutError, asyncio.QueueFull):
            stored = False
        finally:
            self._pending.discard(delivery.signature)
        if stored:
            batch = delivery.batch
            return web.json_response({"accepted": len(batch.posts) + len(batch.edits) + len(batch.deletions)})
        return web.Response(status=503, text="Not stored. Send it again.\n", headers={"Retry-After": "5"})

    async def find(self, url: str) -> IncomingPost | None:  # noqa: ARG002 - there is nowhere to look it up
        return None

    async def fetch_context(self, request: ContextRequest) -> ThreadContext:  # noqa: ARG002 - there is nowhere to fetch it from
        return NO_CONTEXT

    async def close(self) -> None:
        self._server.unregister(self.name)


def _settle(delivery: Delivery, *, stored: bool) -> None:
    if not delivery.stored.done():
        delivery.stored.set_result(stored)


def to_batch(
    body: bytes, now: datetime, connection: str, mapping: FieldMapping = UNMAPPED
) -> tuple[ListenerBatch, list[dict[str, str | int]]]:
    """The batch in a body, and its invalid rows with their reasons; one invalid row is a reason to reject the delivery."""
    try:
        items = rows(body, mapping)
    except ValueError as error:
        return EMPTY_BATCH, [{"row": 0, "reason": str(error)}]
    posts: list[IncomingPost] = []
    edits: list[IncomingPost] = []
    deletions: list[Deletion] = []
    invalid: list[dict[str, str | int]] = []
    for number, row in enumerate(items):
        try:
            kind = kind_of(row)
            if kind == "deletion":
                deletions.append(_deletion(row, connection))
            else:
                post = _own(from_json(msgspec.json.encode(row), now, "live", platform="webhook"), connection)
                (edits if kind == "edit" else posts).append(post)
        except ValueError as error:
            invalid.append({"row": number, "reason": str(error)})
    batch = ListenerBatch(cursor="", posts=tuple(posts), edits=tuple(edits), deletions=tuple(deletions))
    return batch, invalid


def _own(post: IncomingPost, connection: str) -> IncomingPost:
    """Ids are the sender's: another connection's sender has others, and knows other people by the same ids."""
    author = msgspec.structs.replace(
        post.author, native_id=f"{connection}:{post.author.native_id or post.author.handle}"
    )
    post = msgspec.structs.replace(post, author=author)
    if post.platform != "webhook":
        return post
    return msgspec.structs.replace(
        post,
        native_id=f"{connection}:{post.native_id}",
        thread=f"{connection}:{post.thread}" if post.thread else "",
        parent=f"{connection}:{post.parent}" if post.parent else None,
    )


def _digest(signature: str) -> str:
    """As much of a signature as tells it from others: the cursor holds ten minutes of them."""
    return hashlib.sha256(signature.encode(errors="replace")).hexdigest()[:16]


def _deletion(row: Any, connection: str) -> Deletion:
    """A deletion needs nothing but the id."""
    native_id = str(row.get("id") or "").strip()
    if not native_id:
        raise ValueError("the id is empty")
    platform = str(row.get("platform") or "webhook").strip().lower()
    return Deletion(platform=platform, native_id=f"{connection}:{native_id}" if platform == "webhook" else native_id)
