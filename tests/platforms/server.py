"""A fake server on loopback: an aiohttp application on a free port, started and stopped by a test."""

from types import TracebackType

from aiohttp import web


class Server:
    def __init__(self) -> None:
        self.app = web.Application(middlewares=[self._replace_response])
        self.next_responses: list[tuple[int, bytes]] = []
        """Status and body of the next responses; with status 0 the connection breaks."""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        await self.stop()

    @web.middleware
    async def _replace_response(self, request: web.Request, handler) -> web.StreamResponse:
        if not self.next_responses:
            return await handler(request)
        status, body = self.next_responses.pop(0)
        if status == 0:
            request.transport.close()
        return web.Response(status=status or 500, body=body)

    async def start(self) -> None:
        """On a free port; after a stop, on the same one."""
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()
