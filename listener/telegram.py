"""Hearing Telegram: groups that the bot is in, comments under a channel's posts, and messages to the bot itself.

https://core.telegram.org/bots/api#message, https://core.telegram.org/bots/features#privacy-mode

The native id is `chat:message`. Comments under a channel stand in its linked discussion group, as answers to a copy of the
post that Telegram puts there. Edits are heard; of deletions a bot is told nothing, and it is shown no past: the bookmark is
the number of the last update, and Telegram keeps what was not taken for a day.
"""

from collections.abc import AsyncGenerator
from typing import Final

import structlog
from telegram import Chat, Message, MessageEntity, User

from connections.telegram import Telegram
from models.post import NOTHING_AROUND, Around, Heard, Media, Post, PostAuthor, Sought

log = structlog.get_logger("ascolto")

PRIVACY: Final = (
    "the bot's privacy mode hides what is said in groups but not to it. To hear all: @BotFather, /setprivacy, Disable; then"
    " take the bot out of the group and put it in again."
)


class TelegramEar:
    platform = "telegram"
    silence = 120.0

    def __init__(self, connection: Telegram) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> str | None:
        await self._connection.prove()
        return None if self._connection.bot.bot.can_read_all_group_messages else PRIVACY

    async def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        async for after, updates in self._connection.updates("ear", bookmark):
            own = self._connection.bot.bot
            for update in updates:
                _say_if_moved(update.message)
            yield Heard(
                bookmark=after,
                posts=tuple(post for update in updates if (post := to_post(update.message, own))),
                edits=tuple(post for update in updates if (post := to_post(update.edited_message, own))),
            )

    async def find(self, url: str) -> Post | None:  # noqa: ARG002 - a bot is shown no past
        return None

    async def around(self, sought: Sought) -> Around:  # noqa: ARG002 - what is answered comes with the answer
        return NOTHING_AROUND

    async def close(self) -> None:
        await self._connection.close()


def _say_if_moved(message: Message | None) -> None:
    """A group that became a supergroup has another number from now on; queues that sit in it must be told."""
    if message is not None and message.migrate_to_chat_id:
        log.warning("group moved", old=str(message.chat.id), new=str(message.migrate_to_chat_id))


def to_post(message: Message | None, own: User) -> Post | None:
    """A message in our words; None for what nobody said: the service's notices, stickers, a channel's own posts."""
    if message is None or message.is_automatic_forward:
        return None
    text, media = message.text or message.caption or "", _media(message)
    author = _author(message)
    if author is None or not (text or media) or (message.chat.type == Chat.PRIVATE and text.startswith("/")):
        return None
    above = message.reply_to_message
    return Post(
        platform="telegram",
        native_id=_id(message),
        url=message.link or "",
        author=author,
        text=text,
        thread=_thread(message),
        parent=_id(above) if above and not _begins_topic(message, above) else None,
        created_at=message.date,
        media=media,
        ours=message.sender_chat is not None and message.sender_chat.id == message.chat.id,
        to_us=_speaks_to(message, own),
        place=str(message.chat.id),
        before=_before(message),
    )


def _id(message: Message) -> str:
    return f"{message.chat.id}:{message.message_id}"


def _thread(message: Message) -> str:
    """A private chat is one thread, as are the answers under one message; a forum's topic is not."""
    if message.chat.type == Chat.PRIVATE:
        return str(message.chat.id)
    if message.message_thread_id and not message.is_topic_message:
        return f"{message.chat.id}:{message.message_thread_id}"
    return ""


def _begins_topic(message: Message, above: Message) -> bool:
    """In a forum whatever answers nothing answers the notice that its topic was made."""
    return bool(message.is_topic_message and above.message_id == message.message_thread_id)


def _author(message: Message) -> PostAuthor | None:
    """A person, or the channel or group in whose name a person writes."""
    if message.sender_chat is not None:
        chat = message.sender_chat
        return PostAuthor(handle=chat.username or chat.title or "", native_id=str(chat.id), name=chat.title or "")
    person = message.from_user
    if person is None or person.is_bot:
        return None
    return PostAuthor(handle=person.username or person.full_name, native_id=str(person.id), name=person.full_name)


def _speaks_to(message: Message, own: User) -> bool:
    """In private, under a message of the bot's, or naming it."""
    if message.chat.type == Chat.PRIVATE:
        return True
    above = message.reply_to_message
    if above and above.from_user and above.from_user.id == own.id:
        return True
    name = f"@{own.username}".casefold()
    named = message.parse_entities([MessageEntity.MENTION]) | message.parse_caption_entities([MessageEntity.MENTION])
    return any(words.casefold() == name for words in named.values())


def _before(message: Message) -> tuple[Post, ...]:
    above = message.reply_to_message
    text = (above.text or above.caption or "") if above else ""
    if above is None or not text:
        return ()
    named = above.sender_chat.title if above.sender_chat else above.from_user.full_name if above.from_user else ""
    author = PostAuthor(handle=named or "?", name=named or "")
    said = Post(
        platform="telegram",
        native_id=_id(above),
        author=author,
        text=text,
        created_at=above.date,
        url=above.link or "",
    )
    return (said,)


def _media(message: Message) -> tuple[Media, ...]:
    """Telegram gives files to the bot alone, under an address that holds its token: they are named, not linked."""
    found: list[Media] = []
    if message.photo:
        found.append(Media(kind="image"))
    if message.video or message.video_note or message.animation:
        found.append(Media(kind="video"))
    if message.voice or message.audio:
        found.append(Media(kind="audio"))
    if message.document and not message.animation:
        found.append(Media(kind="file", alt=message.document.file_name or ""))
    return tuple(found)
