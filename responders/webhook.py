"""Answering through somebody's own server: an approved reply is posted to it, signed.

    POST reply_url
    X-Ascolto-Timestamp, X-Ascolto-Signature    as for what comes in (listener/webhook.py)
    Idempotency-Key                             the reply's own: asked twice it should be said once
    {"key": "…", "text": "…", "language": "it", "under": "42", "thread": "42", "url": "https://…", "author": "ana"}

The answer may be {"id": "…", "url": "…"}: where it was said. A reply of unknown fate is asked for with GET reply_url?key=…,
signed over an empty body: 200 with the same JSON, or 404 where it was never taken.
"""

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

import aiohttp
import msgspec

from connections.http import Answer, call, refused
from connections.signatures import sign
from models.capabilities import Capabilities
from models.errors import Rejected, Unauthorized
from models.reply import Address, Found, Outgoing

FIX: Final = "The server behind `reply_url` refuses our signature: does it know the same secret?"


class _Said(msgspec.Struct):
    id: str | int = ""
    url: str = ""


class WebhookVoice:
    platform = "webhook"

    def __init__(
        self,
        name: str,
        reply_url: str,
        secret: str,
        http: aiohttp.ClientSession,
        *,
        longest: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(reply=True, longest=longest, find=True)
        self._url = reply_url
        self._secret = secret
        self._http = http
        self._now = now

    async def connect(self) -> None:
        """Asks for a reply that there never was: who answers knows the protocol, or at least is there."""
        answer = await self._get("none")
        if answer.status in (401, 403):
            raise Unauthorized(f"Refused with {answer.status}", FIX)
        if answer.status >= 500 and (error := refused(answer, FIX)):
            raise error

    async def publish(self, reply: Outgoing) -> Address:
        body = {
            "key": reply.key, "text": reply.text, "language": reply.language, "under": reply.under, "thread": reply.thread,
            "url": reply.url, "author": reply.author,
        }  # fmt: skip
        headers = {**self._signed(msgspec.json.encode(body)), "Idempotency-Key": reply.key}
        answer = await call(self._http, "POST", self._url, json=body, headers=headers, changes=True, follow=False)
        if error := refused(answer, FIX, changes=True):
            raise error
        if answer.status >= 300:
            raise Rejected(f"The server behind `reply_url` points elsewhere ({answer.status}).")
        return _address(answer, reply)

    async def find(self, reply: Outgoing) -> Found:
        answer = await self._get(reply.key)
        if answer.status == 404:
            return "none"
        return _address(answer, reply) if answer.status == 200 else "cannot tell"

    async def _get(self, key: str) -> Answer:
        url = f"{self._url}{'&' if '?' in self._url else '?'}{urlencode({'key': key})}"
        return await call(self._http, "GET", url, headers=self._signed(b""), follow=False)

    def _signed(self, body: bytes) -> dict[str, str]:
        now = int(self._now())
        return {"X-Ascolto-Timestamp": str(now), "X-Ascolto-Signature": sign(self._secret, now, body)}

    async def close(self) -> None:
        """Nothing is held: the HTTP session is shared."""


def _address(answer: Answer, reply: Outgoing) -> Address:
    """Where it was said, as the server tells; under our own key where it does not."""
    try:
        said = msgspec.json.decode(answer.body, type=_Said)
    except msgspec.DecodeError:
        said = _Said()
    return Address(
        native_id=str(said.id) or reply.key, url=said.url if said.url.startswith(("http://", "https://")) else ""
    )
