"""Hearing whoever posts to our webhook, signed.

    POST /hooks/NAME
    X-Ascolto-Timestamp: 1763719200
    X-Ascolto-Signature: v1=hex(HMAC-SHA256(secret, "1763719200." + body))

The body is one mention or a list of them, in the form of models/exported.py or in the sender's own, which settings map
(models/mapped.py); `kind` says where it is an edit or a deletion. The native id is the sender's. It is answered with 200 only
when what it brought is written down, so a sender that hears anything else sends again. A signature is taken once: the bookmark
holds those of the last minutes, so that a replay is refused after a restart too. Senders that sign the body alone, as GitHub
does, are understood as well: a replay of theirs brings what is known already.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from connections.signatures import WINDOW, genuine, signs_body
from connections.webhooks import WebhookDoor
from models.exported import from_json
from models.mapped import Wanted, kind_of, rows
from models.post import NOTHING_AROUND, Around, Deletion, Heard, Post, Sought

WAIT: Final = 10.0
"""Seconds that a sender waits for its mentions to be written before it is told to come again."""
PULSE: Final = 30.0
"""Seconds between signs of life while nobody posts."""


AS_IT_IS: Final = Wanted()
NOTHING: Final = Heard(bookmark="")


@dataclass
class Delivery:
    signature: str
    at: float
    heard: Heard
    written: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class WebhookEar:
    platform = "webhook"
    silence = 90.0

    def __init__(
        self,
        name: str,
        secret: str,
        door: WebhookDoor,
        now: Callable[[], float] = time.time,
        *,
        wanted: Wanted = AS_IT_IS,
        signature_header: str = "",
    ) -> None:
        """`signature_header` names the header of a signature of the body alone; empty means ours."""
        self.name = name
        self._wanted = wanted
        self._signature_header = signature_header
        self._secret = secret
        self._door = door
        self._now = now
        self._deliveries: asyncio.Queue[Delivery] = asyncio.Queue(maxsize=100)
        self._taken: dict[str, float] = {}
        """Signatures of what is written down, and when they came."""
        self._under_way: set[str] = set()

    async def connect(self) -> None:
        await self._door.open()

    async def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        self._taken = msgspec.json.decode(bookmark, type=dict[str, float]) if bookmark else {}
        await self._door.open()
        self._door.register(self.name, self._receive)
        try:
            yield Heard(bookmark=self._bookmark())
            while True:
                try:
                    delivery = await asyncio.wait_for(self._deliveries.get(), PULSE)
                except TimeoutError:
                    yield Heard(bookmark=self._bookmark())
                    continue
                try:
                    yield msgspec.structs.replace(delivery.heard, bookmark=self._bookmark(delivery))
                    self._taken[delivery.signature] = delivery.at
                    _settle(delivery, written=True)
                finally:
                    _settle(delivery, written=False)
        finally:
            self._door.forget(self.name)
            while not self._deliveries.empty():
                _settle(self._deliveries.get_nowait(), written=False)

    def _bookmark(self, delivery: Delivery | None = None) -> str:
        """What is written already, and a delivery that is written together with this: none of those that still wait."""
        fresh = self._now() - 2 * WINDOW
        self._taken = {signature: at for signature, at in self._taken.items() if at >= fresh}
        also = {delivery.signature: delivery.at} if delivery else {}
        return msgspec.json.encode(self._taken | also).decode()

    async def _receive(self, body: bytes, request: web.Request) -> web.Response:
        signature, wrong = self._genuine(body, request)
        if wrong:
            return web.Response(status=401, text=f"Refused: {wrong}.\n")
        if signature in self._taken.keys() | self._under_way and not self._signature_header:
            return web.Response(status=409, text="Refused: this was taken already.\n")
        heard, wrong_rows = read(body, datetime.fromtimestamp(self._now(), UTC), self._wanted)
        if wrong_rows:
            return web.json_response({"rejected": wrong_rows}, status=422)
        return await self._write(Delivery(signature, self._now(), heard))

    def _genuine(self, body: bytes, request: web.Request) -> tuple[str, str | None]:
        """The signature, and what is wrong with it."""
        if self._signature_header:
            signature = request.headers.get(self._signature_header, "")
            return signature, signs_body(self._secret, signature, body)
        signature = request.headers.get("X-Ascolto-Signature", "")
        timestamp = request.headers.get("X-Ascolto-Timestamp", "")
        return signature, genuine(self._secret, timestamp, signature, body, self._now())

    async def _write(self, delivery: Delivery) -> web.Response:
        """Hands it over and waits until it is written; what was not written may be sent again under the same signature."""
        self._under_way.add(delivery.signature)
        try:
            self._deliveries.put_nowait(delivery)
            written = await asyncio.wait_for(asyncio.shield(delivery.written), WAIT)
        except (TimeoutError, asyncio.QueueFull):
            written = False
        finally:
            self._under_way.discard(delivery.signature)
        if written:
            heard = delivery.heard
            return web.json_response({"taken": len(heard.posts) + len(heard.edits) + len(heard.deletions)})
        return web.Response(status=503, text="Not written down. Send it again.\n", headers={"Retry-After": "5"})

    async def find(self, url: str) -> Post | None:  # noqa: ARG002 - there is nobody to ask
        return None

    async def around(self, sought: Sought) -> Around:  # noqa: ARG002 - nothing more can be asked
        return NOTHING_AROUND

    async def close(self) -> None:
        self._door.forget(self.name)


def _settle(delivery: Delivery, *, written: bool) -> None:
    if not delivery.written.done():
        delivery.written.set_result(written)


def read(body: bytes, now: datetime, wanted: Wanted = AS_IT_IS) -> tuple[Heard, list[dict[str, str | int]]]:
    """What a body tells, and what is wrong with which of its rows; one wrong row refuses the whole delivery."""
    try:
        found = rows(body, wanted)
    except ValueError as error:
        return NOTHING, [{"row": 0, "reason": str(error)}]
    posts: list[Post] = []
    edits: list[Post] = []
    deletions: list[Deletion] = []
    wrong: list[dict[str, str | int]] = []
    for number, row in enumerate(found):
        kind = kind_of(row)
        try:
            if kind == "deletion":
                deletions.append(_deletion(row))
            else:
                post = from_json(msgspec.json.encode(row), now, "live", platform="webhook")
                (edits if kind == "edit" else posts).append(post)
        except ValueError as error:
            wrong.append({"row": number, "reason": str(error)})
    heard = Heard(bookmark="", posts=tuple(posts), edits=tuple(edits), deletions=tuple(deletions))
    return heard, wrong


def _deletion(row: Any) -> Deletion:
    """Of a post that is gone the id is enough."""
    native_id = str(row.get("id") or "").strip()
    if not native_id:
        raise ValueError("the id is empty")
    return Deletion(platform=str(row.get("platform") or "webhook").strip().lower(), native_id=native_id)
