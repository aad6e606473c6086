"""One bot on Telegram: its updates, asked for with our own bookmark, and its calls.

https://core.telegram.org/bots/api, https://docs.python-telegram-bot.org

Telegram takes an update for delivered when the next one is asked for; here that happens only after it was written down by
everyone who reads them, and there may be one program alone that asks.
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
"""Seconds that Telegram holds a call for updates until there is one."""
WANTED: Final = ("message", "edited_message", "callback_query")
"""Kinds of updates."""
FIX: Final = "Ask @BotFather for the bot's token, and put it in the environment variable that `token_env` names."
FIX_CONFLICT: Final = "End the other program that uses this bot's token, or give this one a bot of its own."

# The SDK's own way to choose durations as timedelta, which they will be in its next version.
os.environ.setdefault("PTB_TIMEDELTA", "1")
# httpx writes every address it calls, and Telegram's hold the token.
logging.getLogger("httpx").setLevel(logging.WARNING)


log = structlog.get_logger("ascolto")


class Telegram:
    """`base_url` ends with /bot, as the Bot API server's own; `poll` is how long it is asked to wait.

    `readers` names everyone who reads the updates: the next ones are asked for when all of them have written down the last.
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
        self._reached: dict[str, int | None] = dict.fromkeys(readers)
        """How far each reader has written down; None until it has begun."""
        self._waiting: list[Update] = []
        self._begun_anew = 0
        self._moved = asyncio.Condition()
        self._calls = HTTPXRequest(connection_pool_size=8, read_timeout=20)
        self._polls = _Sifted(connection_pool_size=2, read_timeout=poll + 10)
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
        """Proves the token; raises Unauthorized where it is wrong."""
        if not self._open:
            await called(self._bot.initialize())
            self._open = True

    async def prove(self) -> None:
        await self.open()
        await called(self._bot.get_me())

    async def updates(self, reader: str, bookmark: str | None) -> AsyncGenerator[tuple[str, Sequence[Update]], None]:
        """For ever the next bookmark and what came before it, perhaps nothing; confirmed when asked for more."""
        await self.open()
        offset = int(bookmark) if bookmark else 0
        begun_anew = self._begun_anew
        while True:
            if begun_anew != self._begun_anew:
                begun_anew, offset = self._begun_anew, 0
            async with self._moved:
                self._reached[reader] = offset
                self._moved.notify_all()
            found = await self._next(offset)
            if begun_anew != self._begun_anew:
                continue
            offset = max((update.update_id + 1 for update in found), default=offset)
            yield str(offset), found

    async def _next(self, offset: int) -> list[Update]:
        """What is in hand from an offset on, else what Telegram gives once all readers have come so far; perhaps nothing."""
        async with self._moved:
            if news := [update for update in self._waiting if update.update_id >= offset]:
                return news
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll or 1):
                    await self._moved.wait_for(lambda: self._all_at(offset) or self._has(offset))
            if not self._has(offset) and self._all_at(offset):
                self._waiting = await self._ask(offset)
                if self._waiting and not self._has(offset):
                    # After a quiet week Telegram counts from anywhere: every reader begins with what there is.
                    self._begun_anew += 1
                self._moved.notify_all()
            return [update for update in self._waiting if update.update_id >= offset]

    def _all_at(self, offset: int) -> bool:
        return all(reached is not None and reached >= offset for reached in self._reached.values())

    def _has(self, offset: int) -> bool:
        return any(update.update_id >= offset for update in self._waiting)

    async def _ask(self, offset: int) -> list[Update]:
        found = await called(
            self._bot.get_updates(offset=offset or None, timeout=self._poll, allowed_updates=list(WANTED), limit=100)
        )
        return list(found)

    async def close(self) -> None:
        """Also what a failed opening left behind, which the SDK's own shutdown passes over."""
        self._open = False
        await self._bot.shutdown()
        await self._calls.shutdown()
        await self._polls.shutdown()


class _Sifted(HTTPXRequest):
    """Updates that cannot be read are passed over, instead of holding up all that come after them."""

    async def do_request(self, *arguments: Any, **named: Any) -> tuple[int, bytes]:
        status, body = await super().do_request(*arguments, **named)
        return status, sifted(body) if status == HTTPStatus.OK else body


def sifted(body: bytes) -> bytes:
    """An answer of getUpdates in which each update that cannot be read is its number alone."""
    try:
        answer = json.loads(body)
        updates = answer["result"]
        good = [_reads(update) for update in updates]
    except (ValueError, KeyError, TypeError):
        return body
    if all(good):
        return body
    log.warning("passed over", what="Telegram's updates", count=good.count(False))
    kept = (update if fine else {"update_id": update["update_id"]} for update, fine in zip(updates, good, strict=True))
    answer["result"] = [update for update in kept if isinstance(update.get("update_id"), int)]
    return json.dumps(answer).encode()


def _reads(update: Any) -> bool:
    try:
        Update.de_json(update, None)
    except Exception:  # noqa: BLE001 - whatever the SDK stumbles over
        return False
    return True


async def called(call: Awaitable[T], *, changes: bool = False) -> T:
    """A call of the SDK's, its failures as ours. With `changes`, one that broke off on the way is Uncertain."""
    try:
        return await call
    except TelegramError as error:
        raise _ours(error, changes=changes) from error
    except (KeyError, TypeError, ValueError) as error:
        unreadable = f"Telegram answered something else than expected ({type(error).__name__})."
        raise (Uncertain if changes else Unavailable)(unreadable) from error


def _ours(error: TelegramError, *, changes: bool) -> EdgeError:
    if isinstance(error, RetryAfter):
        wait = error.retry_after
        return Unavailable("Telegram asks to wait", wait.total_seconds() if isinstance(wait, timedelta) else wait)
    if isinstance(error, InvalidToken):
        return Unauthorized("Telegram does not know this token", FIX)
    if isinstance(error, Conflict):
        return Unauthorized("Another program is asking for this bot's updates", FIX_CONFLICT)
    if isinstance(error, Forbidden):
        return Rejected(f"Telegram: {error.message}")
    if isinstance(error, ChatMigrated):
        return Rejected(f"The group has become a supergroup: its id is {error.new_chat_id} now.")
    if isinstance(error, BadRequest):
        return Rejected(f"Telegram: {error.message}")
    if isinstance(error, NetworkError):
        never_left = isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        return (Uncertain if changes and not never_left else Unavailable)(f"Telegram does not answer: {error.message}")
    if changes:  # an answer that makes no sense says nothing of what was done
        return Uncertain(f"Telegram: {error.message}")
    return Rejected(f"Telegram: {error.message}")
