"""Listens on Telegram: groups that the bot is in, comments on a channel's posts, and messages to the bot itself.

https://core.telegram.org/bots/api#message, https://core.telegram.org/bots/features#privacy-mode

The native id is `chat:message`. Comments on a channel are in its linked discussion group, as replies to a copy of the post
that Telegram puts there. A bot receives edits but no deletions, and cannot read history: the cursor is the id of the next
update, and Telegram keeps undelivered updates for a day.
"""

from collections.abc import AsyncGenerator
from typing import Final

import structlog
from telegram import Chat, Message, MessageEntity, User

from connections.telegram import Telegram
from models.incoming import (
    NO_CONTEXT,
    ContextRequest,
    IncomingAuthor,
    IncomingPost,
    ListenerBatch,
    Media,
    ThreadContext,
)

log = structlog.get_logger("ascolto")

PRIVACY: Final = (
    "the bot's privacy mode hides group messages that are not addressed to it. To receive all: @BotFather, /setprivacy, Disable;"
    " then remove the bot from the group and add it again."
)


class TelegramListener:
    platform = "telegram"
    silence_timeout = 120.0

    def __init__(self, connection: Telegram) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> str | None:
        await self._connection.verify_credentials()
        return None if self._connection.bot.bot.can_read_all_group_messages else PRIVACY

    async def listen(self, cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        async for next_cursor, updates in self._connection.updates("listener", cursor):
            own = self._connection.bot.bot
            for update in updates:
                _warn_if_moved(update.message)
            yield ListenerBatch(
                cursor=next_cursor,
                posts=tuple(post for update in updates if (post := to_post(update.message, own))),
                edits=tuple(post for update in updates if (post := to_post(update.edited_message, own))),
            )

    async def find(self, url: str) -> IncomingPost | None:  # noqa: ARG002 - a bot cannot read history
        return None

    async def fetch_context(self, request: ContextRequest) -> ThreadContext:  # noqa: ARG002 - a reply comes with its parent
        return NO_CONTEXT

    async def close(self) -> None:
        await self._connection.close()


def _warn_if_moved(message: Message | None) -> None:
    """A group that becomes a supergroup gets a new id; the operator must change it in queues that use it."""
    if message is not None and message.migrate_to_chat_id:
        log.warning("group moved", old=str(message.chat.id), new=str(message.migrate_to_chat_id))


def to_post(message: Message | None, own: User) -> IncomingPost | None:
    """None for notices, commands, stickers, and the posts of a linked channel."""
    if message is None or message.is_automatic_forward:
        return None
    text, media = message.text or message.caption or "", _media(message)
    author = _author(message)
    if author is None or not (text or media) or (message.chat.type == Chat.PRIVATE and text.startswith("/")):
        return None
    parent = message.reply_to_message
    return IncomingPost(
        platform="telegram",
        native_id=_id(message),
        url=message.link or "",
        author=author,
        text=text,
        thread=_thread(message),
        parent=_id(parent) if parent and not _is_topic_notice(message, parent) else None,
        created_at=message.date,
        media=media,
        ours=message.sender_chat is not None and message.sender_chat.id == message.chat.id,
        addresses_us=_addresses_us(message, own),
        channel=str(message.chat.id),
        earlier_posts=_earlier_posts(message),
    )


def _id(message: Message) -> str:
    return f"{message.chat.id}:{message.message_id}"


def _thread(message: Message) -> str:
    """A private chat is one thread, as are the replies to one message; a forum's topic is not."""
    if message.chat.type == Chat.PRIVATE:
        return str(message.chat.id)
    if message.message_thread_id and not message.is_topic_message:
        return f"{message.chat.id}:{message.message_thread_id}"
    return ""


def _is_topic_notice(message: Message, parent: Message) -> bool:
    """In a forum a message that answers none has the notice of its topic's creation as its parent."""
    return bool(message.is_topic_message and parent.message_id == message.message_thread_id)


def _author(message: Message) -> IncomingAuthor | None:
    """A person, or the channel or group that a person posts as; None for a bot."""
    if message.sender_chat is not None:
        chat = message.sender_chat
        return IncomingAuthor(handle=chat.username or chat.title or "", native_id=str(chat.id), name=chat.title or "")
    person = message.from_user
    if person is None or person.is_bot:
        return None
    return IncomingAuthor(handle=person.username or person.full_name, native_id=str(person.id), name=person.full_name)


def _addresses_us(message: Message, own: User) -> bool:
    """A private message, a reply to the bot, or one that mentions it."""
    if message.chat.type == Chat.PRIVATE:
        return True
    parent = message.reply_to_message
    if parent and parent.from_user and parent.from_user.id == own.id:
        return True
    name = f"@{own.username}".casefold()
    mentions = message.parse_entities([MessageEntity.MENTION]) | message.parse_caption_entities([MessageEntity.MENTION])
    return any(mention.casefold() == name for mention in mentions.values())


def _earlier_posts(message: Message) -> tuple[IncomingPost, ...]:
    parent = message.reply_to_message
    text = (parent.text or parent.caption or "") if parent else ""
    if parent is None or not text:
        return ()
    name = parent.sender_chat.title if parent.sender_chat else parent.from_user.full_name if parent.from_user else ""
    post = IncomingPost(
        platform="telegram",
        native_id=_id(parent),
        author=IncomingAuthor(handle=name or "?", name=name or ""),
        text=text,
        created_at=parent.date,
        url=parent.link or "",
    )
    return (post,)


def _media(message: Message) -> tuple[Media, ...]:
    """Without addresses: Telegram's contain the bot's token."""
    media: list[Media] = []
    if message.photo:
        media.append(Media(kind="image"))
    if message.video or message.video_note or message.animation:
        media.append(Media(kind="video"))
    if message.voice or message.audio:
        media.append(Media(kind="audio"))
    if message.document and not message.animation:
        media.append(Media(kind="file", alt=message.document.file_name or ""))
    return tuple(media)
