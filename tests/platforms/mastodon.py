"""A Mastodon server as https://docs.joinmastodon.org describes it: timelines by id, one WebSocket, event streams,
and its ugly parts."""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from aiohttp import web
from platforms.server import Server

TOKEN = "mastodon-token"
OWN = {"id": "1", "acct": "ferroviola", "display_name": "Ferroviola", "url": "https://social.example/@ferroviola"}
RITA = {
    "id": "2", "acct": "rita@altrove.example", "display_name": "Rita", "url": "https://altrove.example/@rita",
    "followers_count": 7_000,
}  # fmt: skip


class MastodonServer(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.add_routes(
            [
                web.get("/api/v1/accounts/verify_credentials", self._me),
                web.get("/api/v2/instance", self._instance),
                web.get("/api/v1/streaming", self._stream),
                web.get("/api/v1/streaming/{stream:.+}", self._event_stream),
                web.get("/api/v1/notifications", self._notifications),
                web.get("/api/v1/accounts/1/statuses", self._own),
                web.get("/api/v1/timelines/tag/{tag}", self._tag),
                web.get("/api/v1/timelines/public", self._public),
                web.get("/api/v1/statuses/{id}", self._status),
                web.get("/api/v1/statuses/{id}/context", self._context),
                web.get("/api/v2/search", self._search),
                web.post("/api/v1/statuses", self._say),
            ]
        )
        self.token = TOKEN
        self.statuses: dict[str, dict] = {}
        self.notices: list[dict] = []
        self.fails: list[tuple[int, dict]] = []
        """Next answers to calls: (status, headers)."""
        self.lose_answer = False
        self.calls: list[str] = []
        self._keys: dict[str, dict] = {}
        self.refuses_upgrades: int | None = None
        """The status with which a proxy before it answers an upgrade."""
        self._sockets: dict[web.WebSocketResponse, list[list[str]]] = {}
        self._events: dict[web.StreamResponse, list[str]] = {}
        self._transports: dict[web.StreamResponse, asyncio.BaseTransport] = {}
        self._next = 1000

    # What people do.

    async def post(
        self, text: str, account: dict = RITA, *, under: str | None = None, to_us: bool = False, **fields
    ) -> dict:
        status = self._make(f"<p>{text}</p>", account, under, **fields)
        tags = [word[1:].lower() for word in text.split() if word.startswith("#")]
        for tag in tags:
            await self.tell(["hashtag", tag], "update", status)
        await self.tell(["public"], "update", status)
        if account is OWN:
            await self.tell(["user"], "update", status)
        if to_us:
            self._next += 1
            notice = {"id": str(self._next), "type": "mention", "account": account, "status": status}
            self.notices.append(notice)
            await self.tell(["user"], "notification", notice)
        return status

    async def edit(self, status: dict, text: str) -> None:
        status["content"] = f"<p>{text}</p>"
        await self.tell(["public"], "status.update", status)

    async def delete(self, status: dict) -> None:
        del self.statuses[status["id"]]
        await self.tell(["public"], "delete", status["id"])

    async def tell(self, stream: list[str], event: str, payload: object) -> None:
        said = payload if isinstance(payload, str) else json.dumps(payload)
        await self.frame(json.dumps({"stream": stream, "event": event, "payload": said}), stream)

        await self.events(event, said, stream)

    async def events(self, event: str, data: str, stream: list[str] | None = None) -> None:
        """Over the event streams, torn in two as networks do, and with a comment before."""
        lines = "".join(f"data: {line}\n" for line in data.split("\n"))
        raw = f":thump\n\nevent: {event}\n{lines}\n".encode()
        for answer, wanted in list(self._events.items()):
            if stream is None or stream == wanted:
                with suppress(ConnectionError):
                    await answer.write(raw[: len(raw) // 2])
                    await asyncio.sleep(0)
                    await answer.write(raw[len(raw) // 2 :])

    async def frame(self, raw: str, stream: list[str] | None = None) -> None:
        for socket, wanted in list(self._sockets.items()):
            if stream is None or stream in wanted:
                with suppress(ConnectionError):
                    await socket.send_str(raw)

    async def drop(self) -> None:
        for socket in list(self._sockets):
            await socket.close()
        for answer in list(self._events):
            with suppress(ConnectionError):
                await answer.write(b"event: update\ndata: {")
            if (transport := self._transports.pop(answer, None)) is not None:
                transport.close()

    async def heard(self, streams: int) -> None:
        """Returns once somebody has subscribed to so many streams."""
        async with asyncio.timeout(5):
            while not any(len(wanted) >= streams for wanted in self._sockets.values()) and len(self._events) < streams:
                await asyncio.sleep(0.01)

    def _make(self, content: str, account: dict, under: str | None = None, **fields) -> dict:
        self._next += 1
        number = str(self._next)
        at = datetime.now(UTC) + timedelta(milliseconds=self._next)
        status = {
            "id": number, "uri": f"https://altrove.example/s/{number}", "url": f"https://altrove.example/@x/{number}",
            "account": account, "content": content, "created_at": at.isoformat().replace("+00:00", "Z"),
            "spoiler_text": "", "visibility": "public", "sensitive": False, "language": "it", "in_reply_to_id": under,
            "media_attachments": [], "favourites_count": 0, "reblogs_count": 0, "reblog": None, **fields,
        }  # fmt: skip
        self.statuses[number] = status
        return status

    # The API.

    def _refused(self, request: web.Request) -> web.Response | None:
        self.calls.append(f"{request.method} {request.path}")
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "The access token is invalid"}, status=401)
        if self.fails:
            status, headers = self.fails.pop(0)
            return web.json_response({"error": "no"}, status=status, headers=headers)
        return None

    async def _me(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response(OWN)

    async def _instance(self, request: web.Request) -> web.Response:
        limits = {"statuses": {"max_characters": 500, "characters_reserved_per_url": 23}}
        return self._refused(request) or web.json_response({"domain": "social.example", "configuration": limits})

    def _page(self, request: web.Request, found: list[dict]) -> web.Response:
        """As the API pages: with min_id the ones right after it, without the newest; newest first in either case."""
        limit = int(request.query.get("limit", "20"))
        after = int(request.query.get("min_id", "0"))
        later = [item for item in found if int(item["id"]) > after]
        page = later[:limit] if "min_id" in request.query else later[-limit:]
        return self._refused(request) or web.json_response(page[::-1])

    async def _notifications(self, request: web.Request) -> web.Response:
        assert request.query["types[]"] == "mention"
        return self._page(request, self.notices)

    async def _own(self, request: web.Request) -> web.Response:
        return self._page(request, [s for s in self.statuses.values() if s["account"]["id"] == "1"])

    async def _tag(self, request: web.Request) -> web.Response:
        tag = f"#{request.match_info['tag']}"
        return self._page(request, [s for s in self.statuses.values() if tag in s["content"]])

    async def _public(self, request: web.Request) -> web.Response:
        return self._page(request, list(self.statuses.values()))

    async def _status(self, request: web.Request) -> web.Response:
        status = self.statuses.get(request.match_info["id"])
        missing = web.json_response({"error": "Record not found"}, status=404)
        return self._refused(request) or (web.json_response(status) if status else missing)

    async def _context(self, request: web.Request) -> web.Response:
        found, status = [], self.statuses[request.match_info["id"]]
        while status := self.statuses.get(status["in_reply_to_id"] or ""):
            found.insert(0, status)
        return self._refused(request) or web.json_response({"ancestors": found, "descendants": []})

    async def _search(self, request: web.Request) -> web.Response:
        found = [s for s in self.statuses.values() if request.query["q"] in (s["url"], s["uri"])]
        return self._refused(request) or web.json_response({"statuses": found, "accounts": [], "hashtags": []})

    async def _say(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        body, key = await request.json(), request.headers["Idempotency-Key"]
        if len(body["status"]) > 500:
            return web.json_response({"error": "Validation failed: Text character limit of 500 exceeded"}, status=422)
        if key not in self._keys:
            kept = {name: body[name] for name in ("visibility", "spoiler_text", "sensitive")}
            short = " ".join("@" + w[1:].partition("@")[0] if w.startswith("@") else w for w in body["status"].split())
            self._keys[key] = self._make(f"<p>{short}</p>", OWN, body["in_reply_to_id"], **kept)
        if self.lose_answer:
            self.lose_answer = False
            request.transport.close()
        return web.json_response(self._keys[key])

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
        if self.refuses_upgrades is not None:
            return web.Response(status=self.refuses_upgrades, text="<h1>no upgrades here</h1>")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets[socket] = []
        try:
            async for message in socket:
                asked = json.loads(message.data)
                assert asked["type"] == "subscribe"
                self._sockets[socket].append([asked["stream"], *([asked["tag"]] if "tag" in asked else [])])
        finally:
            self._sockets.pop(socket, None)
        return socket

    async def _event_stream(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
        name = ":".join(request.match_info["stream"].split("/"))
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await answer.prepare(request)
        await answer.write(b":)\n\n")
        self._events[answer] = [name, *([request.query["tag"]] if name == "hashtag" else [])]
        self._transports[answer] = request.transport
        try:
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.02)
        finally:
            self._events.pop(answer, None)
            self._transports.pop(answer, None)
        return answer
