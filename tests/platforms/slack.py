"""Slack as https://docs.slack.dev describes it: the Web API with its limits, Socket Mode with its retries and disconnects."""

import asyncio
import json
from contextlib import suppress

from aiohttp import web
from platforms.server import Server

TOKEN, APP_TOKEN, OWN = "xoxb-bot", "xapp-app", "UBOT"
MAX_LENGTHS = {"section": 3000, "button": 75, "header": 150, "context": 3000, "label": 2000, "modal": 24}


class SlackServer(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.add_routes(
            [
                web.post("/api/{method}", self._call),
                web.get("/socket", self._socket),
                web.post("/respond/{id}", self._respond),
                web.post("/upload/{id}", self._upload),
            ]
        )
        self.token, self.app_token = TOKEN, APP_TOKEN
        self.messages: dict[tuple[str, str], dict] = {}
        self.ephemerals: list[dict] = []
        self.modals: list[dict] = []
        self.homes: dict[str, dict] = {}
        self.uploaded = b""
        self.shared_files: list[tuple[str, bytes]] = []
        """(channel, content)"""
        self.follow_ups: list[tuple[str, dict]] = []
        self.acknowledged: list[str] = []
        self.failures: list[tuple[int, dict, dict]] = []
        """Status, body and headers of the next responses."""
        self.calls: list[str] = []
        self._sockets: list[web.WebSocketResponse] = []
        self._number = 0

    @property
    def base_url(self) -> str:
        return f"{self.url}/api/"

    def number(self) -> int:
        self._number += 1
        return self._number

    # What people do.

    async def press(self, message: dict, label: str, user: str, *, action_ts: str = "") -> str:
        """Presses a button by its label; two presses with the same `action_ts` are one that Slack repeats."""
        elements = [
            e
            for block in message["blocks"]
            for e in (*block.get("elements", ()), *filter(None, [block.get("accessory")]))
        ]
        button = next(e for e in elements if e["type"] == "button" and label in e["text"]["text"])
        ephemeral = "ts" not in message
        number = self.number()
        action = {"type": "button", "action_id": button["action_id"], "value": button.get("value", "")}
        action["action_ts"] = action_ts or f"{number}.1"
        container = {
            "type": "message",
            "message_ts": message.get("ts", ""),
            "channel_id": message["channel"],
            "is_ephemeral": ephemeral,
        }
        payload = {
            "type": "block_actions", "user": {"id": user}, "trigger_id": f"t{number}", "channel": {"id": message["channel"]},
            "container": container, "response_url": f"{self.url}/respond/{number}",
            "actions": [action],
        }  # fmt: skip
        return await self.send("interactive", payload)

    async def submit(self, modal: dict, text: str, user: str) -> str:
        values = {"text": {"text": {"type": "plain_text_input", "value": text}}}
        payload = {
            "type": "view_submission", "user": {"id": user}, "trigger_id": f"t{self.number()}",
            "view": {**modal, "id": f"V{self.number()}", "hash": "h", "state": {"values": values}},
        }  # fmt: skip
        return await self.send("interactive", payload)

    async def react(self, message: dict, name: str, user: str) -> str:
        item = {"type": "message", "channel": message["channel"], "ts": message["ts"]}
        return await self.event({"type": "reaction_added", "user": user, "reaction": name, "item": item})

    async def reply_in_thread(self, message: dict, text: str, user: str) -> str:
        return await self.event(
            {
                "type": "message",
                "user": user,
                "text": text,
                "channel": message["channel"],
                "thread_ts": message["ts"],
                "ts": "9.9",
            }
        )

    async def event(self, event: dict, event_id: str = "") -> str:
        return await self.send(
            "events_api", {"type": "event_callback", "event_id": event_id or f"Ev{self.number()}", "event": event}
        )

    async def send(self, kind: str, payload: dict) -> str:
        envelope = f"env{self.number()}"
        await self.frame(
            json.dumps({"type": kind, "envelope_id": envelope, "payload": payload, "accepts_response_payload": True})
        )
        return envelope

    async def frame(self, raw: str) -> None:
        for socket in self._sockets:
            with suppress(ConnectionError):
                await socket.send_str(raw)

    async def request_reconnect(self) -> None:
        await self.frame(json.dumps({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}}))

    async def drop(self) -> None:
        for socket in list(self._sockets):
            await socket.close()

    async def connected(self) -> None:
        async with asyncio.timeout(5):
            while not self._sockets:
                await asyncio.sleep(0.01)

    async def acked(self, envelope: str) -> None:
        async with asyncio.timeout(5):
            while envelope not in self.acknowledged:
                await asyncio.sleep(0.01)

    def last(self, channel: str) -> dict:
        return [message for (c, _), message in self.messages.items() if c == channel][-1]

    # The API.

    async def _call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        self.calls.append(method)
        token = self.app_token if method == "apps.connections.open" else self.token
        if request.headers.get("Authorization") != f"Bearer {token}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        if self.failures:
            status, body, headers = self.failures.pop(0)
            return web.json_response(body, status=status, headers=headers)
        is_json = request.can_read_body and request.content_type == "application/json"
        fields = await request.json() if is_json else dict(request.query)
        if error := _rejection(fields):
            return web.json_response({"ok": False, "error": error})
        return web.json_response({"ok": True, **getattr(self, "_" + method.replace(".", "_"))(fields)})

    def _auth_test(self, _fields: dict) -> dict:
        return {"user_id": OWN, "team": "Ferroviola"}

    def _apps_connections_open(self, _fields: dict) -> dict:
        return {"url": f"ws://127.0.0.1:{self.port}/socket"}

    def _chat_postMessage(self, fields: dict) -> dict:
        ts = f"{self.number()}.000100"
        self.messages[fields["channel"], ts] = {**fields, "ts": ts}
        return {"ts": ts, "channel": fields["channel"]}

    def _chat_update(self, fields: dict) -> dict:
        key = fields["channel"], fields["ts"]
        if key not in self.messages:
            return {"ok": False, "error": "message_not_found"}
        self.messages[key] = fields
        return {"ts": fields["ts"]}

    def _chat_postEphemeral(self, fields: dict) -> dict:
        self.ephemerals.append(fields)
        return {"message_ts": "1.1"}

    def _files_getUploadURLExternal(self, fields: dict) -> dict:
        assert int(fields["length"]) > 0
        return {"upload_url": f"{self.url}/upload/F1", "file_id": "F1"}

    def _files_completeUploadExternal(self, fields: dict) -> dict:
        assert fields["files"][0]["id"] == "F1"
        self.shared_files.append((fields["channel_id"], self.uploaded))
        return {"files": fields["files"]}

    async def _upload(self, request: web.Request) -> web.Response:
        self.uploaded = await request.read()
        return web.Response(text="OK")

    def _views_publish(self, fields: dict) -> dict:
        assert fields["view"]["type"] == "home"
        self.homes[fields["user_id"]] = fields["view"]
        return {}

    def _views_open(self, fields: dict) -> dict:
        assert fields["trigger_id"]
        self.modals.append(fields["view"])
        return {"view": fields["view"]}

    async def _respond(self, request: web.Request) -> web.Response:
        self.follow_ups.append((request.match_info["id"], await request.json()))
        return web.Response(text="ok")

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": 1})
        self._sockets.append(socket)
        async for message in socket:
            self.acknowledged.append(json.loads(message.data)["envelope_id"])
        self._sockets.remove(socket)
        return socket


def _rejection(fields: dict) -> str:
    """The error code with which Slack would reject a message or a modal; empty where it would not."""
    blocks = fields.get("blocks") or fields.get("view", {}).get("blocks") or []
    if len(blocks) > 50:
        return "invalid_blocks"
    for block in blocks:
        text = block.get("text", {})
        if text and not 0 < len(text["text"]) <= MAX_LENGTHS["section"]:
            return "invalid_blocks"
        elements = block.get("elements", [])
        if block["type"] == "actions":
            ids = [element["action_id"] for element in elements]
            if not 0 < len(elements) <= 25 or len(set(ids)) != len(ids):
                return "invalid_blocks"
        for element in elements:
            if element["type"] == "button":
                if (
                    not 0 < len(element["text"]["text"]) <= MAX_LENGTHS["button"]
                    or len(element.get("value", "")) > 2000
                ):
                    return "invalid_blocks"
            elif not 0 < len(element["text"]) <= MAX_LENGTHS["context"]:
                return "invalid_blocks"
    view = fields.get("view")
    if (
        view
        and view["type"] == "modal"
        and any(len(view[key]["text"]) > MAX_LENGTHS["modal"] for key in ("title", "submit", "close"))
    ):
        return "invalid_arguments"
    if len(fields.get("text", "")) > 40_000:
        return "msg_too_long"
    return ""
