"""Publishes through a server of the operator's: an approved reply is posted to it, signed.

    POST reply_url
    X-Ascolto-Timestamp, X-Ascolto-Signature    as for incoming posts (listener/webhook.py)
    Idempotency-Key                             the reply's key: a key that is sent twice should be published once
    {"key": "…", "text": "…", "language": "it", "in_reply_to": "42", "thread": "42", "url": "https://…", "author": "ana"}

The response may be {"id": "…", "url": "…"}: where it was published. A reply of unknown fate is looked up with
GET reply_url?key=…, signed over an empty body: 200 with the same JSON, or 404 where it was never received.
"""

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

import aiohttp
import msgspec

from connections.http import HttpResponse, call, http_error
from connections.signatures import sign
from models.capabilities import Capabilities
from models.errors import Rejected, Unauthorized
from models.outgoing import Address, LookupResult, Outgoing

FIX: Final = "The server at `reply_url` refused our signature: check that it uses the same secret."


class _Published(msgspec.Struct):
    id: str | int = ""
    url: str = ""


class WebhookResponder:
    platform = "webhook"

    def __init__(
        self,
        name: str,
        reply_url: str,
        secret: str,
        http: aiohttp.ClientSession,
        *,
        max_length: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(max_length=max_length)
        self._url = reply_url
        self._secret = secret
        self._http = http
        self._now = now

    async def connect(self) -> None:
        """Looks up a reply that does not exist: any response shows that the server is up."""
        response = await self._get("none")
        if response.status in (401, 403):
            raise Unauthorized(f"Refused with {response.status}", FIX)
        if response.status >= 500 and (error := http_error(response, FIX)):
            raise error

    async def publish(self, reply: Outgoing) -> Address:
        body = {
            "key": reply.key, "text": reply.text, "language": reply.language,
            "in_reply_to": self._senders_id(reply.in_reply_to), "thread": self._senders_id(reply.thread),
            "url": reply.url, "author": reply.author,
        }  # fmt: skip
        headers = {**self._signed(msgspec.json.encode(body)), "Idempotency-Key": reply.key}
        response = await call(
            self._http, "POST", self._url, json=body, headers=headers, writes=True, follow_redirects=False
        )
        if error := http_error(response, FIX, writes=True):
            raise error
        if response.status >= 300:
            raise Rejected(f"The server at `reply_url` redirects ({response.status}).")
        return _address(response, reply)

    def _senders_id(self, native_id: str) -> str:
        return native_id.removeprefix(f"{self.name}:")

    async def find(self, reply: Outgoing) -> LookupResult:
        response = await self._get(reply.key)
        if response.status == 404:
            return "none"
        return _address(response, reply) if response.status == 200 else "unknown"

    async def _get(self, key: str) -> HttpResponse:
        url = f"{self._url}{'&' if '?' in self._url else '?'}{urlencode({'key': key})}"
        return await call(self._http, "GET", url, headers=self._signed(b""), follow_redirects=False)

    def _signed(self, body: bytes) -> dict[str, str]:
        now = int(self._now())
        return {"X-Ascolto-Timestamp": str(now), "X-Ascolto-Signature": sign(self._secret, now, body)}

    async def close(self) -> None:
        """Nothing to close: the HTTP session is shared."""


def _address(response: HttpResponse, reply: Outgoing) -> Address:
    """The address in the response; without one, our own key is the native id."""
    try:
        published = msgspec.json.decode(response.body, type=_Published)
    except msgspec.DecodeError:
        published = _Published()
    url = published.url if published.url.startswith(("http://", "https://")) else ""
    return Address(native_id=str(published.id) or reply.key, url=url)
