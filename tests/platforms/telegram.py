"""A Bot API server as https://core.telegram.org/bots/api describes it, with its edge cases."""

import asyncio
import json
import re
from contextlib import suppress
from html.parser import HTMLParser

from aiohttp import web
from platforms.server import Server

TOKEN = "1234567:TEST-abcdefghijklmnopqrstuvwxyz0123456"
BOT = {"id": 1234567, "is_bot": True, "first_name": "Ascolto", "username": "ascolto_bot"}
ALLOWED_TAGS = {"b", "i", "u", "s", "code", "pre", "a", "blockquote", "tg-spoiler"}


class BotApi(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.add_routes([web.post("/bot{token}/{method}", self._call), web.get("/bot{token}/{method}", self._call)])
        self.messages: dict[tuple[str, int], dict] = {}
        self.callback_answers: list[dict] = []
        self.calls: list[str] = []
        self.photos: list[bytes] = []
        self.commands: dict[str, list[dict]] = {}
        """Those offered, by language; the empty one is for all others."""
        self.failures: list[tuple[int, dict]] = []
        """Status and body fields of the next responses to methods other than getUpdates."""
        self.lose_response = False
        """Whether the connection breaks after the next message is sent."""
        self.poll_failures: list[tuple[int, dict]] = []
        """The same for getUpdates."""
        self.token = TOKEN
        self.reads_all = True
        """Whether the bot's privacy mode is off."""
        self._updates: list[dict] = []
        self.confirmed_offset = 0
        self.max_offset = 0
        """A higher offset is ignored; 0 is no limit."""
        self._new_update = asyncio.Event()
        self._next_message = 100
        self._next_update = 1000

    @property
    def base_url(self) -> str:
        return f"{self.url}/bot"

    # What people do.

    def press(self, message: dict, data: str, user: int) -> None:
        self._update(
            callback_query={
                "id": f"q{self._next_update}",
                "from": _person(user),
                "message": message,
                "chat_instance": "1",
                "data": data,
            }
        )

    def press_label(self, message: dict, label: str, user: int) -> None:
        for row in message["reply_markup"]["inline_keyboard"]:
            for button in row:
                if label in button["text"]:
                    self.press(message, button["callback_data"], user)
                    return
        raise AssertionError(f"no button {label} on {message}")

    def type(self, chat: str, text: str, user: int, in_reply_to: dict | None = None) -> dict:
        """A member writes on the desk."""
        message = self._message(chat, {"text": text}, _person(user))
        if in_reply_to:
            message["reply_to_message"] = {k: v for k, v in in_reply_to.items() if k != "reply_to_message"}
        self._update(message=message)
        return message

    def write(
        self, chat: int = -1002, text: str = "", user: int = 21, in_reply_to: dict | None = None, **fields
    ) -> dict:
        """Someone writes in a group, or with a positive `chat` in private; `fields` are added to the message."""
        self._next_message += 1
        kind = "supergroup" if chat < 0 else "private"
        title = {"title": "Pendolari"} if chat < 0 else {"first_name": "R"}
        message = {
            "message_id": self._next_message,
            "date": 1_763_700_000 + self._next_message,
            "chat": {"id": chat, "type": kind, **title},
            "from": {**_person(user), "username": f"person{user}"},
            **({"text": text} if text else {}),
            **fields,
        }
        if in_reply_to:
            message["reply_to_message"] = {k: v for k, v in in_reply_to.items() if k != "reply_to_message"}
        message = {key: value for key, value in message.items() if value is not None}
        self.messages[str(chat), self._next_message] = message
        self._update(message=message)
        return message

    def edit(self, message: dict, text: str) -> None:
        self._update(edited_message={**message, "text": text, "edit_date": message["date"] + 60})

    def raw_update(self, **fields: object) -> None:
        self._update(**fields)

    def repeat_last_update(self) -> None:
        self._updates.append(self._updates[-1])
        self._notify()

    def delete(self, message: dict) -> None:
        """Someone deletes the bot's message."""
        del self.messages[str(message["chat"]["id"]), message["message_id"]]

    def last(self, chat: str) -> dict:
        return [m for (c, _), m in self.messages.items() if c == chat][-1]

    # The API.

    async def _call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if request.match_info["token"] != self.token:
            return _error(401, "Unauthorized")
        self.calls.append(method)
        fields = await _fields(request)
        if method == "getUpdates":
            return await self._get_updates(fields)
        if self.failures:
            status, body = self.failures.pop(0)
            return web.json_response({"ok": False, "error_code": status, **body}, status=status)
        return await getattr(self, f"_{method}")(request, fields)

    async def _get_updates(self, fields: dict) -> web.Response:
        offset, timeout = int(fields.get("offset") or 0), float(fields.get("timeout") or 0)
        if self.max_offset and offset > self.max_offset:
            offset = 0
        if self.poll_failures:
            status, body = self.poll_failures.pop(0)
            return web.json_response({"ok": False, "error_code": status, **body}, status=status)
        self.confirmed_offset = max(self.confirmed_offset, offset)
        waiting = [u for u in self._updates if u["update_id"] >= offset]
        if not waiting and timeout:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._new_update.wait(), timeout)
            waiting = [u for u in self._updates if u["update_id"] >= offset]
        return _ok(waiting[:100])

    async def _getMe(self, _request: web.Request, _fields: dict) -> web.Response:
        return _ok({**BOT, "can_read_all_group_messages": self.reads_all})

    async def _sendMessage(self, request: web.Request, fields: dict) -> web.Response:
        if reason := _rejection(fields):
            return _error(400, reason)
        message = self._message(fields["chat_id"], fields, BOT)
        if self.lose_response:
            self.lose_response = False
            request.transport.close()
        return _ok(message)

    async def _editMessageText(self, _request: web.Request, fields: dict) -> web.Response:
        message = self.messages.get((fields["chat_id"], int(fields["message_id"])))
        if message is None:
            return _error(400, "Bad Request: message to edit not found")
        if reason := _rejection(fields):
            return _error(400, reason)
        text, markup = _plain(fields), _markup(fields)
        if (message["html"], message.get("reply_markup")) == (fields["text"], markup):
            return _error(400, "Bad Request: message is not modified: specified new message content is the same")
        message.update(text=text, html=fields["text"])
        message.pop("reply_markup", None)
        if markup:
            message["reply_markup"] = markup
        return _ok(message)

    async def _sendPhoto(self, _request: web.Request, fields: dict) -> web.Response:
        part = fields["photo"]
        self.photos.append(part if isinstance(part, bytes) else fields[part.removeprefix("attach://")])
        return _ok(self._message(fields["chat_id"], {"text": ""}, BOT))

    async def _setMyCommands(self, _request: web.Request, fields: dict) -> web.Response:
        self.commands[fields.get("language_code", "")] = json.loads(fields["commands"])
        return _ok(True)

    async def _answerCallbackQuery(self, _request: web.Request, fields: dict) -> web.Response:
        self.callback_answers.append(fields)
        return _ok(True)

    def _message(self, chat: str, fields: dict, sender: dict) -> dict:
        self._next_message += 1
        message = {
            "message_id": self._next_message,
            "date": 1_763_700_000,
            "chat": {"id": int(chat), "type": "supergroup" if int(chat) < 0 else "private", "title": "Desk"},
            "from": sender,
            "text": _plain(fields),
            "html": fields["text"],
        }
        if fields.get("message_thread_id"):
            message |= {"message_thread_id": int(fields["message_thread_id"]), "is_topic_message": True}
        markup = _markup(fields) or {}
        message["asks_for_answer"] = bool(markup.get("force_reply"))
        if "inline_keyboard" in markup:  # Telegram returns no other kind
            message["reply_markup"] = markup
        self.messages[str(chat), self._next_message] = message
        return message

    def _update(self, **fields: object) -> None:
        self._next_update += 1
        self._updates.append({"update_id": self._next_update, **fields})
        self._notify()

    def _notify(self) -> None:
        self._new_update.set()
        self._new_update = asyncio.Event()


def _person(number: int) -> dict:
    return {"id": number, "is_bot": False, "first_name": f"P{number}"}


async def _fields(request: web.Request) -> dict:
    """Of the query and the form; an uploaded file is its bytes."""
    form = (await request.post()).items()
    fields = {key: value.file.read() if isinstance(value, web.FileField) else str(value) for key, value in form}
    return fields | dict(request.query)


def _markup(fields: dict) -> dict | None:
    return json.loads(fields["reply_markup"]) if fields.get("reply_markup") else None


def _plain(fields: dict) -> str:
    if fields.get("parse_mode") != "HTML":
        return fields["text"]
    reader = _Html()
    reader.feed(fields["text"])
    reader.close()
    return "".join(reader.parts)


def _rejection(fields: dict) -> str:
    """The reason for which Telegram would reject a message; empty where it would not."""
    if not fields.get("text", "").strip():
        return "Bad Request: message text is empty"
    if fields.get("parse_mode") == "HTML":
        reader = _Html()
        reader.feed(fields["text"])
        reader.close()
        if reader.open or reader.unknown:
            return f"Bad Request: can't parse entities: {reader.open or reader.unknown}"
    if len(_plain(fields)) > 4096:
        return "Bad Request: message is too long"
    for row in (_markup(fields) or {}).get("inline_keyboard", ()):
        for button in row:
            if len(button.get("callback_data", "").encode()) > 64:
                return "Bad Request: BUTTON_DATA_INVALID"
            if "url" in button and not re.match(r"https?://[\w.-]+\.\w{2,}", button["url"]):
                return "Bad Request: BUTTON_URL_INVALID"
    return ""


class _Html(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.open: list[str] = []
        self.unknown = ""

    def handle_starttag(self, tag, attrs):
        if tag not in ALLOWED_TAGS:
            self.unknown = tag
        self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.unknown = f"/{tag}"

    def handle_data(self, data):
        self.parts.append(data)


def _ok(result: object) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _error(status: int, description: str) -> web.Response:
    return web.json_response({"ok": False, "error_code": status, "description": description}, status=status)
