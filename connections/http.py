"""HTTP calls whose failures are the three of models/errors.py: unavailable, unauthorized, rejected (or uncertain)."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec
from yarl import URL

from models.errors import EdgeError, Rejected, Unauthorized, Unavailable, Uncertain

TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10, sock_read=20)
MAX_BODY: Final = 5_000_000
"""Bytes, counted after decompression."""
MAX_RETRY_AFTER: Final = 86_400.0
"""Seconds."""
USER_AGENT: Final = "Ascolto/0.1"


class HttpResponse(msgspec.Struct, frozen=True):
    """`headers` have lower-case names; `url` is where redirects ended."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    @property
    def charset(self) -> str:
        """The encoding that the server declares; empty where it does not."""
        parameters = self.headers.get("content-type", "").lower().split(";")[1:]
        charsets = [part.strip().removeprefix("charset=").strip("\"' ") for part in parameters if "charset=" in part]
        return charsets[0] if charsets else ""


def session(**options: Any) -> aiohttp.ClientSession:
    """The session that adapters share: no cookies, and timeouts for the whole call and for each read."""
    return aiohttp.ClientSession(
        timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": USER_AGENT}, **options
    )


async def call(
    http: aiohttp.ClientSession,
    method: str,
    url: str | URL,
    *,
    json: Any = None,
    headers: Mapping[str, str] | None = None,
    writes: bool = False,
    follow_redirects: bool = True,
    limit: int = MAX_BODY,
) -> HttpResponse:
    """One request, whatever its status. With `writes`, a call that is interrupted after it was sent is Uncertain."""
    body = None if json is None else msgspec.json.encode(json)
    all_headers = {**(headers or {}), **({"Content-Type": "application/json"} if body is not None else {})}
    try:
        async with http.request(
            method, url, data=body, headers=all_headers, allow_redirects=follow_redirects
        ) as response:
            return HttpResponse(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                await read_limited(response, limit),
                str(response.url),
            )
    except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, ssl.SSLError, OSError) as error:
        raise connection_error(error, writes=writes) from error
    except ValueError as error:
        # Usually an invalid host; but nothing guarantees that nothing was sent.
        raise Uncertain(str(error)) if writes else Rejected("This is not a valid URL.") from error


async def read_limited(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, or Rejected as soon as it is longer than `limit` bytes."""
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(65_536):
        size += len(chunk)
        if size > limit:
            raise Rejected(f"The response is longer than {limit // 1_000_000} MB.")
        chunks.append(chunk)
    return b"".join(chunks)


def connection_error(error: BaseException, *, writes: bool) -> EdgeError:
    """The error of a request that got no response; only one that was never sent is known to have had no effect."""
    if isinstance(error, aiohttp.InvalidURL):
        return Rejected("This is not a valid URL.")
    message = str(error) or type(error).__name__
    never_sent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    return Uncertain(message) if writes and not never_sent else Unavailable(message)


def http_error(response: HttpResponse, fix: str, *, writes: bool = False) -> EdgeError | None:
    """The error of a status from 400; None for other statuses. `fix` is for whoever has to fix the credentials.

    After a call that `writes`, a gateway's error does not say whether the server behind it did what was asked.
    """
    if response.status < 400:
        return None
    message = response.body[:300].decode(errors="replace").strip() or f"status {response.status}"
    if response.status in (401, 403):
        return Unauthorized(f"Refused with {response.status}: {message}", fix)
    if response.status in (408, 429) or response.status >= 500:
        uncertain = writes and response.status not in (429, 503)
        return (Uncertain if uncertain else Unavailable)(f"status {response.status}", retry_after(response))
    return Rejected(message)


def retry_after(response: HttpResponse) -> float | None:
    """Seconds, from Retry-After where it is a usable number."""
    try:
        wait = float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(max(1.0, wait), MAX_RETRY_AFTER) if wait == wait else None
