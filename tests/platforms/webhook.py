"""An operator's server behind `reply_url`: it verifies our signature, and publishes each key once."""

import time

from aiohttp import web
from platforms.server import Server

from connections.signatures import signature_error


class ReplyServer(Server):
    def __init__(self, secret: str) -> None:
        super().__init__()
        self.app.add_routes([web.post("/replies", self._create), web.get("/replies", self._find)])
        self.secret = secret
        self.replies: dict[str, dict] = {}
        """By key."""
        self.failures: list[tuple[int, dict]] = []
        """Status and headers of the next responses."""
        self.lose_response = False
        """Whether the connection breaks after the next reply is published."""

    async def _failure(self, request: web.Request) -> web.Response | None:
        headers = request.headers
        signature = (headers.get("X-Ascolto-Timestamp", ""), headers.get("X-Ascolto-Signature", ""))
        if signature_error(self.secret, *signature, await request.read(), time.time()):
            return web.Response(status=401)
        if self.failures:
            status, headers = self.failures.pop(0)
            return web.Response(status=status, headers=headers)
        return None

    async def _create(self, request: web.Request) -> web.Response:
        if failure := await self._failure(request):
            return failure
        body = await request.json()
        assert request.headers["Idempotency-Key"] == body["key"]
        self.replies.setdefault(body["key"], {**body, "id": str(len(self.replies) + 1)})
        if self.lose_response:
            self.lose_response = False
            request.transport.close()
        return self._address(body["key"])

    async def _find(self, request: web.Request) -> web.Response:
        key = request.query["key"]
        exists = key in self.replies
        return await self._failure(request) or (self._address(key) if exists else web.Response(status=404))

    def _address(self, key: str) -> web.Response:
        number = self.replies[key]["id"]
        return web.json_response({"id": number, "url": f"https://site.example/replies/{number}"})
