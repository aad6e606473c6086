"""Discord as https://discord.com/developers/docs describes it: REST, and a gateway with its ugly parts.

Hello, identify, ready, heartbeats, resume with what was missed, invalid session, reconnect, close codes; frames compressed as
one stream where the client asks for that.
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
                web.get(f"{api}/channels/{{channel}}/messages", self._history),
                web.get(f"{api}/channels/{{channel}}/messages/{{message}}", self._message),
                web.post(f"{api}/channels/{{channel}}/messages", self._say),
                web.post(f"{api}/channels/{{channel}}/threads", self._begin),
                web.patch(f"{api}/channels/{{channel}}", self._change_channel),
                web.patch(f"{api}/channels/{{channel}}/messages/{{message}}", self._change),
                web.post(f"{api}/interactions/{{id}}/{{token}}/callback", self._callback),
                web.post(f"{api}/webhooks/{{app}}/{{token}}", self._followup),
            ]
        )
        self.token = TOKEN
        self.messages: dict[tuple[str, str], dict] = {}
        self.hidden: set[str] = set()
        """Channels whose messages the bot may not read."""
        self.threads: list[dict] = []
        self.fails: list[tuple[int, dict, dict]] = []
        self.on_a_server = True
        self.lose_answer = False
        self.content_granted = True
        self.said_to: list[tuple[str, dict]] = []
        self.commands: list[dict] = []
        self.pictures: list[bytes] = []
        self.archived: set[str] = set()
        self.asked: list[str] = []
        self.identified: list[dict] = []
        self._sockets: list[_Gateway] = []
        self._events: list[dict] = []
        """What the session was told, by sequence number."""
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

    def make(self, text: str, author: dict = RITA, channel: str = GENERAL, under: dict | None = None, **fields) -> dict:
        number = self.snowflake()
        message = {
            "id": number, "channel_id": channel, "author": author, "content": text, "timestamp": "2026-11-23T08:00:00+00:00",
            "edited_timestamp": None, "tts": False, "mention_everyone": False, "mentions": [], "mention_roles": [],
            "attachments": [], "embeds": [], "pinned": False, "type": 19 if under else 0, "components": [], **fields,
        }  # fmt: skip
        if channel != DIRECT:
            message["guild_id"] = GUILD
        if under:
            message["message_reference"] = {"message_id": under["id"], "channel_id": channel, "guild_id": GUILD}
            message["referenced_message"] = under
        self.messages[channel, number] = message
        return message

    async def write(
        self, text: str, author: dict = RITA, channel: str = GENERAL, under: dict | None = None, **fields
    ) -> dict:
        message = self.make(text, author, channel, under, **fields)
        await self.tell("MESSAGE_CREATE", {**message, **({} if channel == DIRECT else {"member": _member()})})
        return message

    async def edit(self, message: dict, text: str) -> None:
        message |= {"content": text, "edited_timestamp": "2026-11-23T08:01:00+00:00"}
        await self.tell("MESSAGE_UPDATE", message)

    async def delete(self, message: dict) -> None:
        del self.messages[message["channel_id"], message["id"]]
        gone = {"id": message["id"], "channel_id": message["channel_id"], "guild_id": GUILD}
        await self.tell("MESSAGE_DELETE", gone)

    async def hand_over(self, message: dict) -> None:
        """A member picks "Send to triage" in the message's menu."""
        number = self.snowflake()
        data = {"id": "1", "name": "Send to triage", "type": 3, "target_id": message["id"]}
        data["resolved"] = {"messages": {message["id"]: message}}
        channel = {"id": message["channel_id"], "type": 0, "permissions": "0"}
        await self.tell(
            "INTERACTION_CREATE",
            {"id": number, "application_id": OWN["id"], "type": 2, "token": "it", "version": 1, "guild_id": GUILD,
             "channel_id": message["channel_id"], "channel": channel, "member": {**_member(), "user": RITA, "permissions": "0"},
             "app_permissions": "0", "locale": "it", "entitlements": [], "authorizing_integration_owners": {}, "context": 0,
             "data": data, "attachment_size_limit": 1},
        )  # fmt: skip

    async def tell(self, kind: str, data: object) -> None:
        self._events.append({"op": 0, "s": len(self._events) + 1, "t": kind, "d": data})
        for socket in list(self._sockets):
            await socket.send(self._events[-1])

    async def frame(self, raw: str) -> None:
        for socket in list(self._sockets):
            await socket.raw(raw)

    async def drop(self, code: int = 1006) -> None:
        """The connection breaks, or is closed with a code."""
        for socket in list(self._sockets):
            self._sockets.remove(socket)
            if code == 1006:
                socket.request.transport.close()
            else:
                await socket.socket.close(code=code)

    async def ask_to_reconnect(self) -> None:
        for socket in list(self._sockets):
            await socket.send({"op": 7, "d": None})

    def forget_session(self) -> None:
        """What was told is forgotten: the next resume is an invalid session."""
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
            said = json.loads(message.data)
            match said["op"]:
                case 1:
                    await socket.send({"op": 11})
                case 2:
                    if not await self._identify(socket, said["d"]):
                        break
                case 6:
                    await self._resume(socket, said["d"])
        with suppress(ValueError):
            self._sockets.remove(socket)
        return socket.socket

    async def _identify(self, socket: "_Gateway", asked: dict) -> bool:
        self.identified.append(asked)
        if asked["token"] != self.token:
            await socket.socket.close(code=4004, message=b"Authentication failed.")
            return False
        if asked["intents"] & (1 << 15) and not self.content_granted:
            await socket.socket.close(code=4014, message=b"Disallowed intent(s).")
            return False
        self._session = f"session{len(self.identified)}"
        self._events = []
        guild = {"id": GUILD, "unavailable": True}
        self._sockets.append(socket)
        await self.tell(
            "READY",
            {"v": 10, "user": OWN, "guilds": [guild], "session_id": self._session, "resume_gateway_url": self.gateway,
             "application": {"id": OWN["id"], "flags": 0}},
        )  # fmt: skip
        await self.tell("GUILD_CREATE", self._guild())
        return True

    async def _resume(self, socket: "_Gateway", asked: dict) -> None:
        if asked["session_id"] != self._session:
            await socket.send({"op": 9, "d": False})
            return
        self._sockets.append(socket)
        for event in self._events[asked["seq"] :]:
            await socket.send(event)
        await self.tell("RESUMED", {})

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

    def _refused(self, request: web.Request) -> web.Response | None:
        self.asked.append(f"{request.method} {request.path.removeprefix('/api/v10')}")
        by_token = request.path.startswith(("/api/v10/webhooks/", "/api/v10/interactions/"))
        if request.headers.get("Authorization") != f"Bot {self.token}" and not by_token:
            return _json({"message": "401: Unauthorized", "code": 0}, status=401)
        if self.fails:
            status, body, headers = self.fails.pop(0)
            return _json(body, status=status, headers=headers)
        return None

    async def _me(self, request: web.Request) -> web.Response:
        return self._refused(request) or _json(OWN)

    async def _guilds(self, request: web.Request) -> web.Response:
        known = [{"id": GUILD, "name": "Ferroviola", "icon": None, "owner": False, "permissions": "0", "features": []}]
        return self._refused(request) or _json(known if self.on_a_server else [])

    async def _application(self, request: web.Request) -> web.Response:
        known = {"id": OWN["id"], "name": "Ascolto", "icon": None, "description": "", "bot_public": False, "flags": 0,
                 "bot_require_code_grant": False, "verify_key": "", "owner": RITA, "team": None, "summary": ""}  # fmt: skip
        return self._refused(request) or _json(known)

    async def _commands(self, request: web.Request) -> web.Response:
        self.commands = await request.json()
        made = [
            {**c, "id": str(n), "application_id": OWN["id"], "version": "1", "description": ""}
            for n, c in enumerate(self.commands, 1)
        ]
        return self._refused(request) or _json(made)

    async def _history(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        if channel in self.hidden:
            return _json({"message": "Missing Access", "code": 50001}, status=403)
        after, before = int(request.query.get("after", "0")), int(request.query.get("before", str(2**63)))
        found = [m for (c, number), m in self.messages.items() if c == channel and after < int(number) < before]
        found.sort(key=lambda message: int(message["id"]))
        limit = int(request.query.get("limit", "50"))
        page = found[:limit] if "after" in request.query else found[-limit:]
        return self._refused(request) or _json(page[::-1])

    async def _message(self, request: web.Request) -> web.Response:
        found = self.messages.get((request.match_info["channel"], request.match_info["message"]))
        missing = _json({"message": "Unknown Message", "code": 10008}, status=404)
        return self._refused(request) or (_json(found) if found else missing)

    async def _say(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        channel, body = request.match_info["channel"], await self._body(request)
        if "nonce" not in body:
            return self._show(channel, body)
        if len(body["content"]) > 2000:
            return _json({"message": "Invalid Form Body", "code": 50035}, status=400)
        under = self.messages.get((channel, str(body["message_reference"]["message_id"])))
        if under is None:
            return _json({"message": "Invalid Form Body: Unknown message", "code": 50035}, status=400)
        assert body["allowed_mentions"] == {"parse": [], "replied_user": False}, "somebody would be pinged"
        assert body["enforce_nonce"]
        if body["nonce"] not in self._nonces:
            self._nonces[body["nonce"]] = self.make(body["content"], OWN, channel, under)
        if self.lose_answer:
            self.lose_answer = False
            request.transport.close()
        return _json(self._nonces[body["nonce"]])

    async def _body(self, request: web.Request) -> dict:
        """JSON, or a form with a picture beside it."""
        if request.content_type != "multipart/form-data":
            return await request.json()
        form = await request.post()
        self.pictures.append(form["files[0]"].file.read())
        return json.loads(form["payload_json"])

    async def _begin(self, request: web.Request) -> web.Response:
        """A post in the forum begins with a message that bears the thread's own number."""
        if refused := self._refused(request):
            return refused
        body = await request.json()
        if not 0 < len(body["name"]) <= 100 or request.match_info["channel"] != FORUM:
            return _json({"message": "Invalid Form Body", "code": 50035}, status=400)
        if wrong := wrong_body(body["message"]):
            return _json({"message": f"Invalid Form Body: {wrong}", "code": 50035}, status=400)
        thread = self.open_thread(body["name"], OWN["id"])
        message = {**self.make("", OWN, thread), **body["message"], "id": thread}
        self.messages = {key: kept for key, kept in self.messages.items() if key[0] != thread}
        self.messages[thread, thread] = message
        await self.tell("THREAD_CREATE", {**self.threads[-1], "newly_created": True})
        return _json({**self.threads[-1], "message": message})

    async def _change_channel(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        if (await request.json()).get("archived") is False:
            self.archived.discard(request.match_info["channel"])
        return _json({"id": request.match_info["channel"], "type": 11})

    def _show(self, channel: str, body: dict, known: dict | None = None) -> web.Response:
        """A desk's message: within the limits, pinging nobody."""
        if wrong := wrong_body(body):
            return _json({"message": f"Invalid Form Body: {wrong}", "code": 50035}, status=400)
        shown = {"content": body["content"], "embeds": body.get("embeds", []), "components": body.get("components", [])}
        if known is not None:
            known |= shown
            return _json(known)
        return _json(self.make(body["content"], OWN, channel, **{k: v for k, v in shown.items() if k != "content"}))

    async def _change(self, request: web.Request) -> web.Response:
        known = self.messages.get((request.match_info["channel"], request.match_info["message"]))
        if refused := self._refused(request):
            return refused
        if known is None:
            return _json({"message": "Unknown Message", "code": 10008}, status=404)
        if request.match_info["channel"] in self.archived:
            return _json({"message": "Thread is archived", "code": 50083}, status=400)
        return self._show(request.match_info["channel"], await request.json(), known)

    async def press(self, message: dict, label: str, user: dict, channel: str = GENERAL) -> None:
        """A button by its words, under a message or in what was shown to one person."""
        buttons = [button for row in message["components"] for button in row["components"]]
        found = next(button for button in buttons if label in button["label"])
        under = message if "id" in message else {**self.make("", OWN), **message}
        where = {"channel_id": channel, "channel": {"id": channel, "type": 0, "permissions": "0"}}
        await self._interact(user, 3, {"custom_id": found["custom_id"], "component_type": 2}, message=under, **where)

    async def submit(self, window: dict, text: str, user: dict) -> None:
        row = {"type": 1, "components": [{"type": 4, "custom_id": "text", "value": text}]}
        await self._interact(user, 5, {"custom_id": window["custom_id"], "components": [row]})

    async def command(self, data: dict, user: dict) -> None:
        await self._interact(user, 2, data)

    async def _interact(self, user: dict, kind: int, data: dict, **fields) -> None:
        number = self.snowflake()
        await self.tell(
            "INTERACTION_CREATE",
            {"id": number, "application_id": OWN["id"], "type": kind, "token": f"token{number}", "version": 1, "guild_id": GUILD,
             "channel_id": GENERAL, "channel": {"id": GENERAL, "type": 0, "permissions": "0"}, "app_permissions": "0",
             "member": {**_member(), "user": user, "permissions": "0"}, "locale": "it", "entitlements": [], "context": 0,
             "authorizing_integration_owners": {}, "data": data, "attachment_size_limit": 1, **fields},
        )  # fmt: skip

    async def react(self, message: dict, emoji: str, user: dict) -> None:
        place = {"message_id": message["id"], "channel_id": message["channel_id"], "guild_id": GUILD}
        await self.tell(
            "MESSAGE_REACTION_ADD",
            {**place, "user_id": user["id"], "emoji": {"id": None, "name": emoji}, "member": {**_member(), "user": user},
             "burst": False, "type": 0, "message_author_id": OWN["id"]},
        )  # fmt: skip

    async def _callback(self, request: web.Request) -> web.Response:
        self.said_to.append(("callback", await request.json()))
        known = {
            "id": request.match_info["id"],
            "type": 2,
            "response_message_loading": True,
            "response_message_ephemeral": True,
        }
        return self._refused(request) or _json({"interaction": known})

    async def _followup(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.said_to.append(("followup", body))
        return self._refused(request) or _json(self.make(body["content"], OWN, flags=64))


class _Gateway:
    """One connection; compressed as one stream where that was asked for."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.socket = web.WebSocketResponse(max_msg_size=0)
        self._deflate = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None

    async def open(self) -> None:
        await self.socket.prepare(self.request)

    async def send(self, said: dict) -> None:
        await self.raw(json.dumps(said))

    async def raw(self, said: str) -> None:
        with suppress(ConnectionError):
            if self._deflate is None:
                await self.socket.send_str(said)
            else:
                packed = self._deflate.compress(said.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
                await self.socket.send_bytes(packed)


def wrong_body(body: dict) -> str:
    """What the real one would refuse of a message or of a window."""
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
    called = {f"<@{one}>" for one in allowed.get("users", ())}
    assert allowed["parse"] == [] and called == set(body["content"].split()) & called, "somebody would be pinged"
    return "content" if len(body["content"]) > 2000 else ""


def _json(body: object, status: int = 200, headers: dict | None = None) -> web.Response:
    """With the very content type of Discord's, which the SDK compares."""
    kind = {"Content-Type": "application/json"}
    return web.Response(body=json.dumps(body).encode(), status=status, headers={**kind, **(headers or {})})


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
