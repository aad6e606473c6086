"""One bot on Telegram: its calls, and its updates, requested from our own cursor on.

https://core.telegram.org/bots/api, https://docs.python-telegram-bot.org

Telegram considers an update delivered once a later one is requested; that happens here only after every reader has stored it.
Only one program may request a bot's updates.
"""

import asyncio
import json
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final, TypeVar

import httpx
import structlog
from telegram import Bot, Update
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.ext import AIORateLimiter, ExtBot
from telegram.request import HTTPXRequest

from models.errors import EdgeError, Rejected, Unauthorized, Unavailable, Uncertain

T = TypeVar("T")

POLL: Final = 25
"""Seconds that Telegram waits for an update before it responds with none."""
UPDATE_KINDS: Final = ("message", "edited_message", "callback_query")
FIX: Final = "Ask @BotFather for the bot's token, and put it in the environment variable that `token_env` names."
FIX_CONFLICT: Final = "Stop the other program that uses this bot's token, or use another bot here."

# Makes the SDK's durations timedelta, as they will be in its next version.
os.environ.setdefault("PTB_TIMEDELTA", "1")
# httpx logs every address it calls, and Telegram's contain the token.
logging.getLogger("httpx").setLevel(logging.WARNING)


log = structlog.get_logger("ascolto")


class Telegram:
    """`base_url` ends with /bot, as for any Bot API server; `poll` is how many seconds it waits for an update.

    `readers` names all readers of the updates: the next updates are requested when all of them have stored the last.
    """

    platform = "telegram"

    def __init__(
        self,
        name: str,
        token: str,
        *,
        base_url: str,
        base_file_url: str,
        poll: int = POLL,
        readers: Sequence[str] = ("desk",),
    ) -> None:
        self.name = name
        self._poll = poll
        self._offsets: dict[str, int | None] = dict.fromkeys(readers)
        """The next update that each reader needs; None until it starts."""
        self._batch: list[Update] = []
        self._renumberings = 0
        """How often Telegram's update ids have started again from a lower number."""
        self._progress = asyncio.Condition()
        self._calls = HTTPXRequest(connection_pool_size=8, read_timeout=20)
        self._polls = _ReadableUpdates(connection_pool_size=2, read_timeout=poll + 10)
        self._bot: ExtBot[Any] = ExtBot(
            token,
            base_url=base_url,
            base_file_url=base_file_url,
            request=self._calls,
            get_updates_request=self._polls,
            rate_limiter=AIORateLimiter(max_retries=0),
        )
        self._open = False

    @property
    def bot(self) -> Bot:
        return self._bot

    async def open(self) -> None:
        """Verifies the token once; raises Unauthorized where it is wrong."""
        if not self._open:
            await sdk_call(self._bot.initialize())
            self._open = True

    async def verify_credentials(self) -> None:
        await self.open()
        await sdk_call(self._bot.get_me())

    async def updates(self, reader: str, cursor: str | None) -> AsyncGenerator[tuple[str, Sequence[Update]], None]:
        """The next cursor and the updates before it, perhaps none, forever; resumed only after they are stored."""
        await self.open()
        offset = int(cursor) if cursor else 0
        renumberings = self._renumberings
        while True:
            if renumberings != self._renumberings:
                renumberings, offset = self._renumberings, 0
            async with self._progress:
                self._offsets[reader] = offset
                self._progress.notify_all()
            updates = await self._next(offset)
            if renumberings != self._renumberings:
                continue
            offset = max((update.update_id + 1 for update in updates), default=offset)
            yield str(offset), updates

    async def _next(self, offset: int) -> list[Update]:
        """The updates from an offset on; new ones are requested once all readers are there. Perhaps none."""
        async with self._progress:
            if updates := [update for update in self._batch if update.update_id >= offset]:
                return updates
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll or 1):
                    await self._progress.wait_for(lambda: self._all_at(offset) or self._has(offset))
            if not self._has(offset) and self._all_at(offset):
                self._batch = await self._request(offset)
                if self._batch and not self._has(offset):
                    # After a week without updates their ids may start anywhere: every reader starts with these.
                    self._renumberings += 1
                self._progress.notify_all()
            return [update for update in self._batch if update.update_id >= offset]

    def _all_at(self, offset: int) -> bool:
        return all(position is not None and position >= offset for position in self._offsets.values())

    def _has(self, offset: int) -> bool:
        return any(update.update_id >= offset for update in self._batch)

    async def _request(self, offset: int) -> list[Update]:
        updates = await sdk_call(
            self._bot.get_updates(
                offset=offset or None, timeout=self._poll, allowed_updates=list(UPDATE_KINDS), limit=100
            )
        )
        return list(updates)

    async def close(self) -> None:
        """Closes also what a failed `open` leaves open: the SDK's own shutdown does not."""
        self._open = False
        await self._bot.shutdown()
        await self._calls.shutdown()
        await self._polls.shutdown()


class _ReadableUpdates(HTTPXRequest):
    """Skips updates that cannot be read, which would block all later ones."""

    async def do_request(self, *arguments: Any, **options: Any) -> tuple[int, bytes]:
        status, body = await super().do_request(*arguments, **options)
        return status, readable_updates(body) if status == HTTPStatus.OK else body


def readable_updates(body: bytes) -> bytes:
    """A response to getUpdates in which each update that cannot be read is reduced to its id."""
    try:
        response = json.loads(body)
        updates = response["result"]
        readable = [_is_readable(update) for update in updates]
    except (ValueError, KeyError, TypeError):
        return body
    if all(readable):
        return body
    log.warning("updates skipped", what="Telegram", count=readable.count(False))
    reduced = (
        update if is_readable else {"update_id": update["update_id"]}
        for update, is_readable in zip(updates, readable, strict=True)
    )
    response["result"] = [update for update in reduced if isinstance(update.get("update_id"), int)]
    return json.dumps(response).encode()


def _is_readable(update: Any) -> bool:
    try:
        Update.de_json(update, None)
    except Exception:  # noqa: BLE001 - the SDK can raise anything
        return False
    return True


async def sdk_call(call: Awaitable[T], *, writes: bool = False) -> T:
    """A call of the SDK whose exceptions become EdgeError. With `writes`, one that was interrupted is Uncertain."""
    try:
        return await call
    except TelegramError as error:
        raise _to_edge_error(error, writes=writes) from error
    except (KeyError, TypeError, ValueError) as error:
        reason = f"Telegram sent something that cannot be read ({type(error).__name__})."
        raise (Uncertain if writes else Unavailable)(reason) from error


def _to_edge_error(error: TelegramError, *, writes: bool) -> EdgeError:
    if isinstance(error, RetryAfter):
        wait = error.retry_after
        return Unavailable("Telegram rate limit reached", wait.total_seconds() if isinstance(wait, timedelta) else wait)
    if isinstance(error, InvalidToken):
        return Unauthorized("Telegram does not accept this token", FIX)
    if isinstance(error, Conflict):
        return Unauthorized("Another program receives this bot's updates", FIX_CONFLICT)
    if isinstance(error, Forbidden):
        return Rejected(f"Telegram: {error.message}")
    if isinstance(error, ChatMigrated):
        return Rejected(f"The group has become a supergroup: its new id is {error.new_chat_id}.")
    if isinstance(error, BadRequest):
        return Rejected(f"Telegram: {error.message}")
    if isinstance(error, NetworkError):
        never_sent = isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        return (Uncertain if writes and not never_sent else Unavailable)(f"Telegram does not answer: {error.message}")
    if writes:  # an unexpected response does not say whether it was carried out
        return Uncertain(f"Telegram: {error.message}")
    return Rejected(f"Telegram: {error.message}")
