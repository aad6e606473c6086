"""Calls over HTTP whose every failure is one of ours: later, a human must act, or never."""

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
LONGEST_WAIT: Final = 86_400.0
"""Seconds."""
USER_AGENT: Final = "Ascolto/0.1"


class Answer(msgspec.Struct, frozen=True):
    """`headers` have lower-case names; `url` is where redirects ended."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


def session(**options: Any) -> aiohttp.ClientSession:
    """The session that adapters share: no cookies kept, totals and reads timed."""
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
    changes: bool = False,
    follow: bool = True,
    limit: int = MAX_BODY,
) -> Answer:
    """One request, whatever its status. With `changes`, a call that breaks off after it was sent is Uncertain."""
    body = None if json is None else msgspec.json.encode(json)
    sent = {**(headers or {}), **({"Content-Type": "application/json"} if body is not None else {})}
    try:
        async with http.request(method, url, data=body, headers=sent, allow_redirects=follow) as answer:
            return Answer(
                answer.status,
                {name.lower(): value for name, value in answer.headers.items()},
                await read_capped(answer, limit),
                str(answer.url),
            )
    except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, ssl.SSLError, OSError) as error:
        raise broken(error, changes=changes) from error
    except ValueError as error:
        # As a rule a host that cannot be written as one; but nobody promises that nothing was sent.
        raise Uncertain(str(error)) if changes else Rejected("This is not an address.") from error


async def read_capped(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, or Rejected as soon as it is longer than `limit` bytes."""
    pieces, size = [], 0
    async for piece in answer.content.iter_chunked(65_536):
        size += len(piece)
        if size > limit:
            raise Rejected(f"The answer is longer than {limit // 1_000_000} MB.")
        pieces.append(piece)
    return b"".join(pieces)


def broken(error: BaseException, *, changes: bool) -> EdgeError:
    """A request that ended without an answer; whether it was carried out is known only when it never left."""
    if isinstance(error, aiohttp.InvalidURL):
        return Rejected("This is not an address.")
    words = str(error) or type(error).__name__
    never_left = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    return Uncertain(words) if changes and not never_left else Unavailable(words)


def refused(answer: Answer, fix: str, *, changes: bool = False) -> EdgeError | None:
    """What a status of 400 or more means; None for the others. `fix` is for whoever must mend the credentials.

    After a call that `changes` something, a gateway that gave up says nothing about what happened behind it.
    """
    if answer.status < 400:
        return None
    said = answer.body[:300].decode(errors="replace").strip() or f"status {answer.status}"
    if answer.status in (401, 403):
        return Unauthorized(f"Refused with {answer.status}: {said}", fix)
    if answer.status in (408, 429) or answer.status >= 500:
        unknown = changes and answer.status not in (429, 503)
        return (Uncertain if unknown else Unavailable)(f"status {answer.status}", retry_after(answer))
    return Rejected(said)


def retry_after(answer: Answer) -> float | None:
    """Seconds, from Retry-After where it is a number that can be waited for."""
    try:
        wait = float(answer.headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(max(1.0, wait), LONGEST_WAIT) if wait == wait else None
