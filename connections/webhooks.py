"""The public server for webhooks, on a port of its own. Listeners register under a name."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from connections.limited_server import LimitedSite, Limits, without_software
from models.errors import OperatorError

MAX_BODY: Final = 1_000_000
"""Bytes."""
BODY_TIMEOUT: Final = 30.0
"""Seconds."""

Receiver = Callable[[bytes, web.Request], Awaitable[web.Response]]


class WebhookServer:
    """`POST /hooks/NAME` reaches the receiver registered as NAME.

    404 without one, 503 while it does not receive, 413 for a body that is too long.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._receivers: dict[str, Receiver | None] = {}
        """None for one that is configured and does not receive at the moment."""
        self._limits = Limits()
        self._runner: web.AppRunner | None = None
        self._starting = asyncio.Lock()

    def register(self, name: str, receiver: Receiver) -> None:
        self._receivers[name] = receiver

    def expect(self, name: str) -> None:
        """There is such a webhook, though it does not receive yet: its senders are asked to wait."""
        self._receivers.setdefault(name, None)

    def unregister(self, name: str) -> None:
        """It may be back: many senders take a 404 for "never"."""
        self._receivers[name] = None

    async def start(self) -> None:
        """Starts the server, unless it is running."""
        async with self._starting:
            if self._runner is None:
                await self._listen()

    async def _listen(self) -> None:
        app = web.Application(client_max_size=MAX_BODY)
        app.on_response_prepare.append(without_software)
        app.router.add_post("/hooks/{name}", self._receive)
        # No body is decompressed: a megabyte that becomes a thousand would block everything else.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=3, auto_decompress=False)
        await runner.setup()
        site = LimitedSite(runner, self.host, self.port, self._limits)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise OperatorError(
                f"The webhook port {self.host}:{self.port} cannot be opened: {error.strerror or error}",
                "Choose another `port` under [webhooks], or stop what is using this one.",
            ) from error
        self._runner = runner
        self.port = site._server.sockets[0].getsockname()[1] if site._server else self.port  # type: ignore[attr-defined]

    async def _receive(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._receivers:
            return web.Response(status=404, text="There is no webhook with this name.\n")
        receiver = self._receivers[name]
        if receiver is None:
            return web.Response(status=503, text="Not now. Send it again.\n", headers={"Retry-After": "30"})
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return web.Response(status=415, text="Send it uncompressed.\n")
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408, text="It took too long to arrive.\n")
        return await receiver(body, request)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
