"""A Mastodon server as https://docs.joinmastodon.org describes it: timelines by id, one WebSocket, event streams, errors."""

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
                web.get("/api/v1/streaming", self._open_websocket),
                web.get("/api/v1/streaming/{stream:.+}", self._open_event_stream),
                web.get("/api/v1/notifications", self._notifications),
                web.get("/api/v1/accounts/1/statuses", self._own),
                web.get("/api/v1/timelines/tag/{tag}", self._tag),
                web.get("/api/v1/timelines/public", self._public),
                web.get("/api/v1/statuses/{id}", self._status),
                web.get("/api/v1/statuses/{id}/context", self._context),
                web.get("/api/v2/search", self._search),
                web.post("/api/v1/statuses", self._create),
            ]
        )
        self.token = TOKEN
        self.statuses: dict[str, dict] = {}
        self.notifications: list[dict] = []
        self.failures: list[tuple[int, dict]] = []
        """Status and headers of the next responses."""
        self.lose_response = False
        """Whether the connection breaks after the next post is published."""
        self.calls: list[str] = []
        self._keys: dict[str, dict] = {}
        self.upgrade_status: int | None = None
        """The status with which a proxy in front of it refuses WebSockets; None where they are allowed."""
        self._sockets: dict[web.WebSocketResponse, list[list[str]]] = {}
        self._event_streams: dict[web.StreamResponse, list[str]] = {}
        self._transports: dict[web.StreamResponse, asyncio.BaseTransport] = {}
        self._next = 1000

    # What people do.

    async def post(
        self, text: str, account: dict = RITA, *, in_reply_to: str | None = None, addresses_us: bool = False, **fields
    ) -> dict:
        status = self._add_status(f"<p>{text}</p>", account, in_reply_to, **fields)
        tags = [word[1:].lower() for word in text.split() if word.startswith("#")]
        for tag in tags:
            await self.send(["hashtag", tag], "update", status)
        await self.send(["public"], "update", status)
        if account is OWN:
            await self.send(["user"], "update", status)
        if addresses_us:
            self._next += 1
            notification = {"id": str(self._next), "type": "mention", "account": account, "status": status}
            self.notifications.append(notification)
            await self.send(["user"], "notification", notification)
        return status

    async def edit(self, status: dict, text: str) -> None:
        status["content"] = f"<p>{text}</p>"
        await self.send(["public"], "status.update", status)

    async def delete(self, status: dict) -> None:
        del self.statuses[status["id"]]
        await self.send(["public"], "delete", status["id"])

    async def send(self, stream: list[str], event: str, payload: object) -> None:
        """To the subscribers of a stream, over WebSockets and event streams."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        await self.frame(json.dumps({"stream": stream, "event": event, "payload": text}), stream)
        await self.server_event(event, text, stream)

    async def server_event(self, event: str, data: str, stream: list[str] | None = None) -> None:
        """Over the event streams, in two pieces as networks may deliver it, and after a comment."""
        lines = "".join(f"data: {line}\n" for line in data.split("\n"))
        raw = f":thump\n\nevent: {event}\n{lines}\n".encode()
        for response, subscription in list(self._event_streams.items()):
            if stream is None or stream == subscription:
                with suppress(ConnectionError):
                    await response.write(raw[: len(raw) // 2])
                    await asyncio.sleep(0)
                    await response.write(raw[len(raw) // 2 :])

    async def frame(self, raw: str, stream: list[str] | None = None) -> None:
        for socket, subscriptions in list(self._sockets.items()):
            if stream is None or stream in subscriptions:
                with suppress(ConnectionError):
                    await socket.send_str(raw)

    async def drop(self) -> None:
        for socket in list(self._sockets):
            await socket.close()
        for response in list(self._event_streams):
            with suppress(ConnectionError):
                await response.write(b"event: update\ndata: {")
            if (transport := self._transports.pop(response, None)) is not None:
                transport.close()

    async def subscribed(self, streams: int) -> None:
        """Returns once a client has subscribed to that many streams."""
        async with asyncio.timeout(5):
            while (
                not any(len(subscriptions) >= streams for subscriptions in self._sockets.values())
                and len(self._event_streams) < streams
            ):
                await asyncio.sleep(0.01)

    def _add_status(self, content: str, account: dict, in_reply_to: str | None = None, **fields) -> dict:
        self._next += 1
        number = str(self._next)
        created_at = datetime.now(UTC) + timedelta(milliseconds=self._next)
        status = {
            "id": number, "uri": f"https://altrove.example/s/{number}", "url": f"https://altrove.example/@x/{number}",
            "account": account, "content": content, "created_at": created_at.isoformat().replace("+00:00", "Z"),
            "spoiler_text": "", "visibility": "public", "sensitive": False, "language": "it", "in_reply_to_id": in_reply_to,
            "media_attachments": [], "favourites_count": 0, "reblogs_count": 0, "reblog": None, **fields,
        }  # fmt: skip
        self.statuses[number] = status
        return status

    # The API.

    def _failure(self, request: web.Request) -> web.Response | None:
        self.calls.append(f"{request.method} {request.path}")
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "The access token is invalid"}, status=401)
        if self.failures:
            status, headers = self.failures.pop(0)
            return web.json_response({"error": "no"}, status=status, headers=headers)
        return None

    async def _me(self, request: web.Request) -> web.Response:
        return self._failure(request) or web.json_response(OWN)

    async def _instance(self, request: web.Request) -> web.Response:
        limits = {"statuses": {"max_characters": 500, "characters_reserved_per_url": 23}}
        return self._failure(request) or web.json_response({"domain": "social.example", "configuration": limits})

    def _page(self, request: web.Request, rows: list[dict]) -> web.Response:
        """With min_id the ones right after it, otherwise the newest; newest first in either case."""
        limit = int(request.query.get("limit", "20"))
        after = int(request.query.get("min_id", "0"))
        later = [row for row in rows if int(row["id"]) > after]
        page = later[:limit] if "min_id" in request.query else later[-limit:]
        return self._failure(request) or web.json_response(page[::-1])

    async def _notifications(self, request: web.Request) -> web.Response:
        assert request.query["types[]"] == "mention"
        return self._page(request, self.notifications)

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
        return self._failure(request) or (web.json_response(status) if status else missing)

    async def _context(self, request: web.Request) -> web.Response:
        ancestors, status = [], self.statuses[request.match_info["id"]]
        while status := self.statuses.get(status["in_reply_to_id"] or ""):
            ancestors.insert(0, status)
        return self._failure(request) or web.json_response({"ancestors": ancestors, "descendants": []})

    async def _search(self, request: web.Request) -> web.Response:
        statuses = [s for s in self.statuses.values() if request.query["q"] in (s["url"], s["uri"])]
        return self._failure(request) or web.json_response({"statuses": statuses, "accounts": [], "hashtags": []})

    async def _create(self, request: web.Request) -> web.Response:
        if failure := self._failure(request):
            return failure
        body, key = await request.json(), request.headers["Idempotency-Key"]
        if len(body["status"]) > 500:
            return web.json_response({"error": "Validation failed: Text character limit of 500 exceeded"}, status=422)
        if key not in self._keys:
            copied = {name: body[name] for name in ("visibility", "spoiler_text", "sensitive")}
            shown = " ".join("@" + w[1:].partition("@")[0] if w.startswith("@") else w for w in body["status"].split())
            self._keys[key] = self._add_status(f"<p>{shown}</p>", OWN, body["in_reply_to_id"], **copied)
        if self.lose_response:
            self.lose_response = False
            request.transport.close()
        return web.json_response(self._keys[key])

    async def _open_websocket(self, request: web.Request) -> web.StreamResponse:
        if failure := self._failure(request):
            return failure
        if self.upgrade_status is not None:
            return web.Response(status=self.upgrade_status, text="<h1>no upgrades here</h1>")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets[socket] = []
        try:
            async for message in socket:
                command = json.loads(message.data)
                assert command["type"] == "subscribe"
                self._sockets[socket].append([command["stream"], *([command["tag"]] if "tag" in command else [])])
        finally:
            self._sockets.pop(socket, None)
        return socket

    async def _open_event_stream(self, request: web.Request) -> web.StreamResponse:
        if failure := self._failure(request):
            return failure
        name = ":".join(request.match_info["stream"].split("/"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        await response.write(b":)\n\n")
        self._event_streams[response] = [name, *([request.query["tag"]] if name == "hashtag" else [])]
        self._transports[response] = request.transport
        try:
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.02)
        finally:
            self._event_streams.pop(response, None)
            self._transports.pop(response, None)
        return response
