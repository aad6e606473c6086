"""Discord as https://discord.com/developers/docs describes it: REST, and the gateway with its edge cases.

Hello, identify, ready, heartbeats, resume with missed events, invalid session, reconnect, close codes; frames compressed as
one stream where the client requests it.
"""

import asyncio
import json
import zlib
from contextlib import suppress

from aiohttp import WSMsgType, web
from platforms.server import Server

TOKEN = "discord.token.secret"
OWN = {
    "id": "1400000000000000100",
    "username": "ascolto",
    "discriminator": "0",
    "global_name": "Ascolto",
    "avatar": None,
    "bot": True,
}
RITA = {"id": "200", "username": "rita", "discriminator": "0", "global_name": "Rita R.", "avatar": None}
GUILD, GENERAL, FORUM, DIRECT = "500", "600", "601", "700"
EPOCH = 1_420_070_400_000
NOW = 1_795_424_400_000


class DiscordServer(Server):
    def __init__(self) -> None:
        super().__init__()
        api = "/api/v10"
        self.app.add_routes(
            [
                web.get("/gateway", self._gateway),
                web.get(f"{api}/users/@me", self._me),
                web.get(f"{api}/users/@me/guilds", self._guilds),
                web.get(f"{api}/oauth2/applications/@me", self._application),
                web.put(f"{api}/applications/{{app}}/commands", self._commands),
                web.get(f"{api}/guilds/{{guild}}", self._guild_of),
                web.get(f"{api}/channels/{{channel}}", self._channel),
                web.get(f"{api}/channels/{{channel}}/messages", self._history),
                web.get(f"{api}/channels/{{channel}}/messages/{{message}}", self._message),
                web.post(f"{api}/channels/{{channel}}/messages", self._post_message),
                web.post(f"{api}/channels/{{channel}}/threads", self._start_thread),
                web.patch(f"{api}/channels/{{channel}}", self._edit_channel),
                web.patch(f"{api}/channels/{{channel}}/messages/{{message}}", self._edit_message),
                web.post(f"{api}/interactions/{{id}}/{{token}}/callback", self._callback),
                web.post(f"{api}/webhooks/{{app}}/{{token}}", self._followup),
            ]
        )
        self.token = TOKEN
        self.messages: dict[tuple[str, str], dict] = {}
        self.hidden: set[str] = set()
        """Channels whose messages the bot may not read."""
        self.threads: list[dict] = []
        self.failures: list[tuple[int, dict, dict]] = []
        """Status, body and headers of the next REST responses."""
        self.on_a_server = True
        self.private: set[str] = set()
        """Channels that not everyone on the server sees."""
        self.lose_response = False
        """Whether the connection breaks after the next reply is published."""
        self.content_granted = True
        self.responses: list[tuple[str, dict]] = []
        """To interactions: ("callback" or "followup", body)."""
        self.commands: list[dict] = []
        self.images: list[bytes] = []
        self.archived: set[str] = set()
        self.identifications: list[dict] = []
        self._sockets: list[_Gateway] = []
        self._events: list[dict] = []
        """Of the session, by sequence number."""
        self._session = ""
        self._number = 0
        self._nonces: dict[str, dict] = {}

    @property
    def api(self) -> str:
        return f"{self.url}/api/v10"

    @property
    def gateway(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway"

    # What people do.

    def snowflake(self) -> str:
        self._number += 1
        return str((NOW - EPOCH + self._number * 1000) << 22)

    def add_message(
        self, text: str, author: dict = RITA, channel: str = GENERAL, in_reply_to: dict | None = None, **fields
    ) -> dict:
        """A message without its event, as if it had been posted while nothing was connected."""
        number = self.snowflake()
        message = {
            "id": number, "channel_id": channel, "author": author, "content": text, "timestamp": "2026-11-23T08:00:00+00:00",
            "edited_timestamp": None, "tts": False, "mention_everyone": False, "mentions": [], "mention_roles": [],
            "attachments": [], "embeds": [], "pinned": False, "type": 19 if in_reply_to else 0, "components": [], **fields,
        }  # fmt: skip
        if channel != DIRECT:
            message["guild_id"] = GUILD
        if in_reply_to:
            message["message_reference"] = {"message_id": in_reply_to["id"], "channel_id": channel, "guild_id": GUILD}
            message["referenced_message"] = in_reply_to
        self.messages[channel, number] = message
        return message

    async def write(
        self, text: str, author: dict = RITA, channel: str = GENERAL, in_reply_to: dict | None = None, **fields
    ) -> dict:
        message = self.add_message(text, author, channel, in_reply_to, **fields)
        await self.send("MESSAGE_CREATE", {**message, **({} if channel == DIRECT else {"member": _member()})})
        return message

    async def edit(self, message: dict, text: str) -> None:
        message |= {"content": text, "edited_timestamp": "2026-11-23T08:01:00+00:00"}
        await self.send("MESSAGE_UPDATE", message)

    async def delete(self, message: dict) -> None:
        del self.messages[message["channel_id"], message["id"]]
        deleted = {"id": message["id"], "channel_id": message["channel_id"], "guild_id": GUILD}
        await self.send("MESSAGE_DELETE", deleted)

    async def send_to_triage(self, message: dict) -> None:
        """A member chooses "Send to triage" in the message's menu."""
        number = self.snowflake()
        data = {"id": "1", "name": "Send to triage", "type": 3, "target_id": message["id"]}
        data["resolved"] = {"messages": {message["id"]: message}}
        channel = {"id": message["channel_id"], "type": 0, "permissions": "0"}
        await self.send(
            "INTERACTION_CREATE",
            {"id": number, "application_id": OWN["id"], "type": 2, "token": "it", "version": 1, "guild_id": GUILD,
             "channel_id": message["channel_id"], "channel": channel, "member": {**_member(), "user": RITA, "permissions": "0"},
             "app_permissions": "0", "locale": "it", "entitlements": [], "authorizing_integration_owners": {}, "context": 0,
             "data": data, "attachment_size_limit": 1},
        )  # fmt: skip

    async def send(self, kind: str, data: object) -> None:
        self._events.append({"op": 0, "s": len(self._events) + 1, "t": kind, "d": data})
        for socket in list(self._sockets):
            await socket.send(self._events[-1])

    async def frame(self, raw: str) -> None:
        for socket in list(self._sockets):
            await socket.raw(raw)

    async def drop(self, code: int = 1006) -> None:
        """The connection is lost, or closed with a code."""
        for socket in list(self._sockets):
            self._sockets.remove(socket)
            if code == 1006:
                socket.request.transport.close()
            else:
                await socket.socket.close(code=code)

    async def request_reconnect(self) -> None:
        for socket in list(self._sockets):
            await socket.send({"op": 7, "d": None})

    def invalidate_session(self) -> None:
        """The next attempt to resume gets an invalid session."""
        self._session = ""

    async def connected(self) -> None:
        async with asyncio.timeout(10):
            while not self._sockets:
                await asyncio.sleep(0.01)

    # The gateway.

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = _Gateway(request)
        await socket.open()
        await socket.send({"op": 10, "d": {"heartbeat_interval": 41_250}})
        async for message in socket.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            match frame["op"]:
                case 1:
                    await socket.send({"op": 11})
                case 2:
                    if not await self._identify(socket, frame["d"]):
                        break
                case 6:
                    await self._resume(socket, frame["d"])
        with suppress(ValueError):
            self._sockets.remove(socket)
        return socket.socket

    async def _identify(self, socket: "_Gateway", fields: dict) -> bool:
        self.identifications.append(fields)
        if fields["token"] != self.token:
            await socket.socket.close(code=4004, message=b"Authentication failed.")
            return False
        if fields["intents"] & (1 << 15) and not self.content_granted:
            await socket.socket.close(code=4014, message=b"Disallowed intent(s).")
            return False
        self._session = f"session{len(self.identifications)}"
        self._events = []
        guild = {"id": GUILD, "unavailable": True}
        self._sockets.append(socket)
        await self.send(
            "READY",
            {"v": 10, "user": OWN, "guilds": [guild], "session_id": self._session, "resume_gateway_url": self.gateway,
             "application": {"id": OWN["id"], "flags": 0}},
        )  # fmt: skip
        await self.send("GUILD_CREATE", self._guild())
        return True

    async def _resume(self, socket: "_Gateway", fields: dict) -> None:
        if fields["session_id"] != self._session:
            await socket.send({"op": 9, "d": False})
            return
        self._sockets.append(socket)
        for event in self._events[fields["seq"] :]:
            await socket.send(event)
        await self.send("RESUMED", {})

    def _guild(self) -> dict:
        def last(channel: str) -> str | None:
            return max((m for c, m in self.messages if c == channel), key=int, default=None)

        text = {"id": GENERAL, "type": 0, "guild_id": GUILD, "name": "generale", "position": 0, "permission_overwrites": [],
                "last_message_id": last(GENERAL), "topic": None, "nsfw": False}  # fmt: skip
        forum = {**text, "id": FORUM, "type": 15, "name": "aiuto", "available_tags": [], "last_message_id": None}
        threads = [{**thread, "last_message_id": last(thread["id"])} for thread in self.threads]
        return {
            "id": GUILD, "name": "Ferroviola", "owner_id": "1", "roles": [_everyone()], "emojis": [], "features": [],
            "channels": [text, forum], "threads": threads, "members": [{**_member(), "user": OWN}], "member_count": 2,
            "large": False, "joined_at": "2026-01-01T00:00:00+00:00", "voice_states": [], "presences": [], "stickers": [],
            "stage_instances": [], "guild_scheduled_events": [], "soundboard_sounds": [], "verification_level": 0,
            "default_message_notifications": 0, "explicit_content_filter": 0, "mfa_level": 0, "premium_tier": 0,
            "preferred_locale": "it", "afk_timeout": 60, "afk_channel_id": None, "system_channel_id": None,
            "system_channel_flags": 0, "rules_channel_id": None, "public_updates_channel_id": None, "nsfw_level": 0,
            "premium_progress_bar_enabled": False, "safety_alerts_channel_id": None, "icon": None, "splash": None,
            "discovery_splash": None, "vanity_url_code": None, "description": None, "banner": None, "application_id": None,
        }  # fmt: skip

    async def _guild_of(self, request: web.Request) -> web.Response:
        if request.match_info["guild"] != GUILD:
            return _json({"message": "Unknown Guild", "code": 10004}, status=404)
        return self._failure(request) or _json(self._guild())

    async def _channel(self, request: web.Request) -> web.Response:
        guild, number = self._guild(), request.match_info["channel"]
        channel = next((c for c in (*guild["channels"], *guild["threads"]) if c["id"] == number), None)
        if channel is None:
            return _json({"message": "Unknown Channel", "code": 10003}, status=404)
        denied = [{"id": GUILD, "type": 0, "allow": "0", "deny": str(1 << 10)}] if number in self.private else []
        return self._failure(request) or _json({**channel, "permission_overwrites": denied})

    def open_thread(self, name: str, owner: str = "200") -> str:
        """A post in the forum: a thread."""
        number = self.snowflake()
        meta = {
            "archived": False,
            "auto_archive_duration": 1440,
            "archive_timestamp": "2026-11-23T08:00:00+00:00",
            "locked": False,
        }
        self.threads.append({"id": number, "type": 11, "guild_id": GUILD, "parent_id": FORUM, "name": name, "owner_id": owner,
                             "thread_metadata": meta, "message_count": 1, "member_count": 1})  # fmt: skip
        return number

    # REST.

    def _failure(self, request: web.Request) -> web.Response | None:
        by_token = request.path.startswith(("/api/v10/webhooks/", "/api/v10/interactions/"))
        if request.headers.get("Authorization") != f"Bot {self.token}" and not by_token:
            return _json({"message": "401: Unauthorized", "code": 0}, status=401)
        if self.failures:
            status, body, headers = self.failures.pop(0)
            return _json(body, status=status, headers=headers)
        return None

    async def _me(self, request: web.Request) -> web.Response:
        return self._failure(request) or _json(OWN)

    async def _guilds(self, request: web.Request) -> web.Response:
        guilds = [{"id": GUILD, "name": "Ferroviola", "icon": None, "owner": False, "permissions": "0", "features": []}]
        return self._failure(request) or _json(guilds if self.on_a_server else [])

    async def _application(self, request: web.Request) -> web.Response:
        application = {"id": OWN["id"], "name": "Ascolto", "icon": None, "description": "", "bot_public": False, "flags": 0,
                       "bot_require_code_grant": False, "verify_key": "", "owner": RITA, "team": None, "summary": ""}  # fmt: skip
        return self._failure(request) or _json(application)

    async def _commands(self, request: web.Request) -> web.Response:
        self.commands = await request.json()
        created = [
            {**c, "id": str(n), "application_id": OWN["id"], "version": "1", "description": ""}
            for n, c in enumerate(self.commands, 1)
        ]
        return self._failure(request) or _json(created)

    async def _history(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        if channel in self.hidden:
            return _json({"message": "Missing Access", "code": 50001}, status=403)
        after, before = int(request.query.get("after", "0")), int(request.query.get("before", str(2**63)))
        messages = [m for (c, number), m in self.messages.items() if c == channel and after < int(number) < before]
        messages.sort(key=lambda message: int(message["id"]))
        limit = int(request.query.get("limit", "50"))
        page = messages[:limit] if "after" in request.query else messages[-limit:]
        return self._failure(request) or _json(page[::-1])

    async def _message(self, request: web.Request) -> web.Response:
        message = self.messages.get((request.match_info["channel"], request.match_info["message"]))
        missing = _json({"message": "Unknown Message", "code": 10008}, status=404)
        return self._failure(request) or (_json(message) if message else missing)

    async def _post_message(self, request: web.Request) -> web.Response:
        if failure := self._failure(request):
            return failure
        channel, body = request.match_info["channel"], await self._body(request)
        if "nonce" not in body:
            return self._show_card(channel, body)
        if len(body["content"]) > 2000:
            return _json({"message": "Invalid Form Body", "code": 50035}, status=400)
        parent = self.messages.get((channel, str(body["message_reference"]["message_id"])))
        if parent is None:
            return _json({"message": "Invalid Form Body: Unknown message", "code": 50035}, status=400)
        assert body["allowed_mentions"] == {"parse": [], "replied_user": False}, "someone would be notified"
        assert body["enforce_nonce"]
        if body["nonce"] not in self._nonces:
            self._nonces[body["nonce"]] = self.add_message(body["content"], OWN, channel, parent)
        if self.lose_response:
            self.lose_response = False
            request.transport.close()
        return _json(self._nonces[body["nonce"]])

    async def _body(self, request: web.Request) -> dict:
        """JSON, or a form with an image."""
        if request.content_type != "multipart/form-data":
            return await request.json()
        form = await request.post()
        self.images.append(form["files[0]"].file.read())
        return json.loads(form["payload_json"])

    async def _start_thread(self, request: web.Request) -> web.Response:
        """The first message of a forum post has the thread's id."""
        if failure := self._failure(request):
            return failure
        body = await request.json()
        if not 0 < len(body["name"]) <= 100 or request.match_info["channel"] != FORUM:
            return _json({"message": "Invalid Form Body", "code": 50035}, status=400)
        if reason := body_error(body["message"]):
            return _json({"message": f"Invalid Form Body: {reason}", "code": 50035}, status=400)
        thread = self.open_thread(body["name"], OWN["id"])
        message = {**self.add_message("", OWN, thread), **body["message"], "id": thread}
        self.messages = {key: value for key, value in self.messages.items() if key[0] != thread}
        self.messages[thread, thread] = message
        await self.send("THREAD_CREATE", {**self.threads[-1], "newly_created": True})
        return _json({**self.threads[-1], "message": message})

    async def _edit_channel(self, request: web.Request) -> web.Response:
        if failure := self._failure(request):
            return failure
        if (await request.json()).get("archived") is False:
            self.archived.discard(request.match_info["channel"])
        return _json({"id": request.match_info["channel"], "type": 11})

    def _show_card(self, channel: str, body: dict, message: dict | None = None) -> web.Response:
        """A desk's message, within the limits; `message` is the one to update."""
        if reason := body_error(body):
            return _json({"message": f"Invalid Form Body: {reason}", "code": 50035}, status=400)
        shown = {"content": body["content"], "embeds": body.get("embeds", []), "components": body.get("components", [])}
        if message is not None:
            message |= shown
            return _json(message)
        return _json(
            self.add_message(body["content"], OWN, channel, **{k: v for k, v in shown.items() if k != "content"})
        )

    async def _edit_message(self, request: web.Request) -> web.Response:
        message = self.messages.get((request.match_info["channel"], request.match_info["message"]))
        if failure := self._failure(request):
            return failure
        if message is None:
            return _json({"message": "Unknown Message", "code": 10008}, status=404)
        if request.match_info["channel"] in self.archived:
            return _json({"message": "Thread is archived", "code": 50083}, status=400)
        return self._show_card(request.match_info["channel"], await request.json(), message)

    async def press(self, message: dict, label: str, user: dict, channel: str = GENERAL) -> None:
        """Presses a button by its label, on a message or on an ephemeral response."""
        buttons = [button for row in message["components"] for button in row["components"]]
        button = next(button for button in buttons if label in button["label"])
        pressed_on = message if "id" in message else {**self.add_message("", OWN), **message}
        location = {"channel_id": channel, "channel": {"id": channel, "type": 0, "permissions": "0"}}
        data = {"custom_id": button["custom_id"], "component_type": 2}
        await self._interact(user, 3, data, message=pressed_on, **location)

    async def submit(self, modal: dict, text: str, user: dict) -> None:
        row = {"type": 1, "components": [{"type": 4, "custom_id": "text", "value": text}]}
        await self._interact(user, 5, {"custom_id": modal["custom_id"], "components": [row]})

    async def command(self, data: dict, user: dict) -> None:
        await self._interact(user, 2, data)

    async def _interact(self, user: dict, kind: int, data: dict, **fields) -> None:
        number = self.snowflake()
        await self.send(
            "INTERACTION_CREATE",
            {"id": number, "application_id": OWN["id"], "type": kind, "token": f"token{number}", "version": 1, "guild_id": GUILD,
             "channel_id": GENERAL, "channel": {"id": GENERAL, "type": 0, "permissions": "0"}, "app_permissions": "0",
             "member": {**_member(), "user": user, "permissions": "0"}, "locale": "it", "entitlements": [], "context": 0,
             "authorizing_integration_owners": {}, "data": data, "attachment_size_limit": 1, **fields},
        )  # fmt: skip

    async def react(self, message: dict, emoji: str, user: dict) -> None:
        location = {"message_id": message["id"], "channel_id": message["channel_id"], "guild_id": GUILD}
        await self.send(
            "MESSAGE_REACTION_ADD",
            {**location, "user_id": user["id"], "emoji": {"id": None, "name": emoji}, "member": {**_member(), "user": user},
             "burst": False, "type": 0, "message_author_id": OWN["id"]},
        )  # fmt: skip

    async def _callback(self, request: web.Request) -> web.Response:
        self.responses.append(("callback", await request.json()))
        interaction = {
            "id": request.match_info["id"],
            "type": 2,
            "response_message_loading": True,
            "response_message_ephemeral": True,
        }
        return self._failure(request) or _json({"interaction": interaction})

    async def _followup(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.responses.append(("followup", body))
        return self._failure(request) or _json(self.add_message(body["content"], OWN, flags=64))


class _Gateway:
    """One connection; compressed as one stream where that is requested."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.socket = web.WebSocketResponse(max_msg_size=0)
        self._deflate = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None

    async def open(self) -> None:
        await self.socket.prepare(self.request)

    async def send(self, frame: dict) -> None:
        await self.raw(json.dumps(frame))

    async def raw(self, text: str) -> None:
        with suppress(ConnectionError):
            if self._deflate is None:
                await self.socket.send_str(text)
            else:
                packed = self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
                await self.socket.send_bytes(packed)


def body_error(body: dict) -> str:
    """The reason for which Discord would reject a message; empty where it would not."""
    for embed in body.get("embeds", ()):
        if not 0 < len(embed["description"]) <= 4096 or len(embed.get("footer", {}).get("text", "")) > 2048:
            return "embeds"
    if not body.get("content") and not body.get("embeds"):
        return "Cannot send an empty message"
    rows = body.get("components", [])
    buttons = [button for row in rows for button in row["components"]]
    ids = [button["custom_id"] for button in buttons if "custom_id" in button]
    if len(rows) > 5 or any(not 0 < len(row["components"]) <= 5 for row in rows) or len(set(ids)) != len(ids):
        return "components"
    if any(len(number) > 100 for number in ids) or any(not 0 < len(button["label"]) <= 80 for button in buttons):
        return "components"
    allowed = body["allowed_mentions"]
    notified = {f"<@{user}>" for user in allowed.get("users", ())}
    assert allowed["parse"] == [] and notified == set(body["content"].split()) & notified, "someone would be notified"
    return "content" if len(body["content"]) > 2000 else ""


def _json(body: object, status: int = 200, headers: dict | None = None) -> web.Response:
    """With exactly Discord's content type, which the SDK compares."""
    content_type = {"Content-Type": "application/json"}
    return web.Response(body=json.dumps(body).encode(), status=status, headers={**content_type, **(headers or {})})


def _member() -> dict:
    return {
        "roles": [],
        "joined_at": "2026-01-01T00:00:00+00:00",
        "deaf": False,
        "mute": False,
        "flags": 0,
        "nick": None,
    }


def _everyone() -> dict:
    return {"id": GUILD, "name": "@everyone", "color": 0, "hoist": False, "position": 0, "permissions": "66560",
            "managed": False, "mentionable": False, "flags": 0, "colors": {"primary_color": 0}}  # fmt: skip
