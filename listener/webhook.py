"""Hearing whoever posts to our webhook, signed.

    POST /hooks/NAME
    X-Ascolto-Timestamp: 1763719200
    X-Ascolto-Signature: v1=hex(HMAC-SHA256(secret, "1763719200." + body))

The body is one mention or a list of them, in the form of models/exported.py; the native id is the sender's. It is answered
with 200 only when what it brought is written down, so a sender that hears anything else sends again. A signature is taken
once: the bookmark holds those of the last minutes, so that a replay is refused after a restart too.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec
from aiohttp import web

from connections.signatures import WINDOW, genuine
from connections.webhooks import WebhookDoor
from models.exported import from_json
from models.post import NOTHING_AROUND, Around, Heard, Post, Sought

WAIT: Final = 10.0
"""Seconds that a sender waits for its mentions to be written before it is told to come again."""
PULSE: Final = 30.0
"""Seconds between signs of life while nobody posts."""


@dataclass
class Delivery:
    signature: str
    at: float
    posts: tuple[Post, ...]
    written: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class WebhookEar:
    platform = "webhook"
    silence = 90.0

    def __init__(self, name: str, secret: str, door: WebhookDoor, now: Callable[[], float] = time.time) -> None:
        self.name = name
        self._secret = secret
        self._door = door
        self._now = now
        self._deliveries: asyncio.Queue[Delivery] = asyncio.Queue(maxsize=100)
        self._taken: dict[str, float] = {}

    async def connect(self) -> None:
        await self._door.open()

    async def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        self._taken = msgspec.json.decode(bookmark, type=dict[str, float]) if bookmark else {}
        await self._door.open()
        self._door.register(self.name, self._receive)
        try:
            while True:
                try:
                    delivery = await asyncio.wait_for(self._deliveries.get(), PULSE)
                except TimeoutError:
                    yield Heard(bookmark=self._bookmark())
                    continue
                try:
                    yield Heard(bookmark=self._bookmark(), posts=delivery.posts)
                    _settle(delivery, written=True)
                finally:
                    _settle(delivery, written=False)
        finally:
            self._door.forget(self.name)
            while not self._deliveries.empty():
                _settle(self._deliveries.get_nowait(), written=False)

    def _bookmark(self) -> str:
        fresh = self._now() - 2 * WINDOW
        self._taken = {signature: at for signature, at in self._taken.items() if at >= fresh}
        return msgspec.json.encode(self._taken).decode()

    async def _receive(self, body: bytes, request: web.Request) -> web.Response:
        signature = request.headers.get("X-Ascolto-Signature", "")
        timestamp = request.headers.get("X-Ascolto-Timestamp", "")
        if wrong := genuine(self._secret, timestamp, signature, body, self._now()):
            return web.Response(status=401, text=f"Refused: {wrong}.\n")
        if signature in self._taken:
            return web.Response(status=409, text="Refused: this was taken already.\n")
        posts, wrong_rows = read(body, datetime.fromtimestamp(self._now(), UTC))
        if wrong_rows:
            return web.json_response({"rejected": wrong_rows}, status=422)
        return await self._write(Delivery(signature, self._now(), posts))

    async def _write(self, delivery: Delivery) -> web.Response:
        """Hands it over and waits until it is written; what was not written may be sent again under the same signature."""
        self._taken[delivery.signature] = delivery.at
        try:
            self._deliveries.put_nowait(delivery)
            written = await asyncio.wait_for(asyncio.shield(delivery.written), WAIT)
        except (TimeoutError, asyncio.QueueFull):
            written = False
        if written:
            return web.json_response({"taken": len(delivery.posts)})
        self._taken.pop(delivery.signature, None)
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


def read(body: bytes, now: datetime) -> tuple[tuple[Post, ...], list[dict[str, str | int]]]:
    """The posts of a body, and what is wrong with which of them; one wrong row refuses the whole delivery."""
    try:
        many = body.lstrip()[:1] == b"["
        rows = (
            msgspec.json.decode(body, type=list[msgspec.Raw]) if many else [msgspec.json.decode(body, type=msgspec.Raw)]
        )
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return (), [{"row": 0, "reason": str(error)}]
    posts: list[Post] = []
    wrong: list[dict[str, str | int]] = []
    for number, row in enumerate(rows):
        try:
            posts.append(from_json(bytes(row), now, "live", platform="webhook"))
        except ValueError as error:
            wrong.append({"row": number, "reason": str(error)})
    return tuple(posts), wrong
