"""How often somebody may try: counted in memory, by the client's address as a trusted proxy tells it."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from aiohttp import web

SIGN_IN_TRIES: Final = 20
SIGN_IN_SECONDS: Final = 60.0
STREAMS_PER_SESSION: Final = 12
MAX_ADDRESSES: Final = 10_000

TRUSTED_PROXIES: web.AppKey[frozenset[str]] = web.AppKey("trusted_proxies", frozenset)


class RateLimit:
    """At most `tries` in `seconds` for each key; of very many keys, the oldest are forgotten."""

    def __init__(self, tries: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._tries = tries
        self._seconds = seconds
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def allows(self, key: str) -> bool:
        """Counts a try, unless it is one too many."""
        now = self._clock()
        times = self._times.pop(key, deque())
        while times and now - times[0] >= self._seconds:
            times.popleft()
        self._times[key] = times  # the last used are the last to be forgotten
        if len(self._times) > MAX_ADDRESSES:
            del self._times[next(iter(self._times))]
        if len(times) >= self._tries:
            return False
        times.append(now)
        return True


SIGN_INS: web.AppKey[RateLimit] = web.AppKey("sign_ins", RateLimit)


def client_address(request: web.Request) -> str:
    """The client's, as the last trusted proxy tells it; without one, whoever is connected."""
    address = request.remote or ""
    if address not in request.app[TRUSTED_PROXIES]:
        return address
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    while forwarded:
        address = forwarded.pop()
        if address not in request.app[TRUSTED_PROXIES]:
            break
    return address


def require_sign_in_rate(request: web.Request) -> None:
    """429 for whoever tries links one after the other."""
    if not request.app[SIGN_INS].allows(client_address(request)):
        raise web.HTTPTooManyRequests(text="Too many tries. Wait a minute.\n", headers={"Retry-After": "60"})
