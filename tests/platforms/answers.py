"""Somebody's own server behind `reply_url`: it checks our signature and takes each key once."""

import time

from aiohttp import web
from platforms.server import Server

from connections.signatures import genuine


class Answers(Server):
    def __init__(self, secret: str) -> None:
        super().__init__()
        self.app.add_routes([web.post("/replies", self._take), web.get("/replies", self._known)])
        self.secret = secret
        self.said: dict[str, dict] = {}
        self.fails: list[tuple[int, dict]] = []
        self.lose_answer = False

    async def _refused(self, request: web.Request) -> web.Response | None:
        headers = request.headers
        signed = (headers.get("X-Ascolto-Timestamp", ""), headers.get("X-Ascolto-Signature", ""))
        if genuine(self.secret, *signed, await request.read(), time.time()):
            return web.Response(status=401)
        if self.fails:
            status, headers = self.fails.pop(0)
            return web.Response(status=status, headers=headers)
        return None

    async def _take(self, request: web.Request) -> web.Response:
        if refused := await self._refused(request):
            return refused
        body = await request.json()
        assert request.headers["Idempotency-Key"] == body["key"]
        self.said.setdefault(body["key"], {**body, "id": str(len(self.said) + 1)})
        if self.lose_answer:
            self.lose_answer = False
            request.transport.close()
        return self._address(body["key"])

    async def _known(self, request: web.Request) -> web.Response:
        key = request.query["key"]
        return await self._refused(request) or (self._address(key) if key in self.said else web.Response(status=404))

    def _address(self, key: str) -> web.Response:
        number = self.said[key]["id"]
        return web.json_response({"id": number, "url": f"https://site.example/replies/{number}"})
