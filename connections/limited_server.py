"""An HTTP server that anybody may reach: headers have a deadline, connections are counted, and nothing names the software.

aiohttp waits for headers as long as the connection is open, and accepts as many connections as there are descriptors: whoever
opens a thousand and sends none would stop everything else.
"""

import asyncio
import resource
from collections import Counter
from contextlib import suppress
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

HEADER_SECONDS: Final = 15.0
"""For the headers of a request, from the connection or the first byte of the next request."""
MAX_CONNECTIONS: Final = 400
MAX_PER_ADDRESS: Final = 200
"""A team behind one address; not counted for trusted proxies."""
WANTED_DESCRIPTORS: Final = 8_192


class Limits:
    """Of one server; `trusted` are the addresses of proxies."""

    def __init__(
        self, trusted: frozenset[str] = frozenset(), *, total: int = MAX_CONNECTIONS, each: int = MAX_PER_ADDRESS
    ) -> None:
        self.total = total
        self.each = each
        self.trusted = trusted
        self.open: Counter[str] = Counter()

    def admits(self, address: str) -> bool:
        if self.open.total() >= self.total:
            return False
        return address in self.trusted or self.open[address] < self.each


class LimitedHandler(RequestHandler):
    __slots__ = ("_address", "_deadline", "_limits", "_seconds")

    def __init__(self, manager: Any, limits: Limits, seconds: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._limits = limits
        self._seconds = seconds
        self._address: str | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        if not self._limits.admits(address):
            transport.abort()  # type: ignore[attr-defined]
            return
        self._address = address
        self._limits.open[address] += 1
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        if self._address is None:
            return
        super().data_received(data)
        if self._is_busy():
            self._stop_waiting()
        elif self._deadline is None:
            self._expect_headers()

    def handle_error(self, *arguments: Any, **options: Any) -> web.StreamResponse:
        """What is no request at all is answered without the software's name too."""
        response = super().handle_error(*arguments, **options)
        response.headers["Server"] = ""
        return response

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_waiting()
        address, self._address = self._address, None
        if address is None:
            return
        self._limits.open[address] -= 1
        super().connection_lost(exc)

    def _is_busy(self) -> bool:
        return bool(self._messages) or self._current_request is not None

    def _expect_headers(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(self._seconds, self._end)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        self._deadline = None
        if not self._is_busy() and self.transport is not None:
            self.transport.abort()


class LimitedSite(web.BaseSite):
    """Listens like aiohttp's TCPSite, with limits."""

    __slots__ = ("_host", "_limits", "_port", "_seconds")

    def __init__(
        self, runner: web.AppRunner, host: str, port: int, limits: Limits, seconds: float = HEADER_SECONDS
    ) -> None:
        super().__init__(runner)
        self._host = host
        self._port = port
        self._limits = limits
        self._seconds = seconds

    @property
    def name(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        await super().start()
        server: Any = self._runner.server
        loop = asyncio.get_running_loop()

        def handler() -> LimitedHandler:
            return LimitedHandler(server, self._limits, self._seconds, loop=loop, **server._kwargs)

        self._server = await loop.create_server(handler, self._host, self._port, backlog=128)


async def without_software(_request: web.Request, response: web.StreamResponse) -> None:
    """A signal of an application: its responses do not say what they are made with."""
    response.headers.popall("Server", None)


def raise_descriptor_limit() -> None:
    """As many descriptors as the system allows us: connections must not take those of the database."""
    with suppress(OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, WANTED_DESCRIPTORS)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
