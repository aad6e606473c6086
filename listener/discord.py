"""Listens on our own servers on Discord: channels, threads and forums, and messages to the bot.

https://discord.com/developers/docs/resources/message, https://discordpy.readthedocs.io/en/stable/api.html

The native id is `channel:message`, where a thread is a channel too. The cursor holds the last message of each channel: when
the gateway starts a new session, every channel whose last message is a different one is read from there. Where the bot may not
read the content of messages, it still receives those that address it, and members add others with "Send to triage" in a
message's menu.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

import discord
import msgspec

from connections.discord import Discord, Gateway, GatewayEvent, each, next_events, sdk_call
from models.errors import EdgeError, Rejected
from models.incoming import ContextRequest, Deletion, IncomingAuthor, IncomingPost, ListenerBatch, Media, ThreadContext

HEARTBEAT: Final = 25.0
"""Seconds between two empty batches while nothing happens and the gateway is connected."""
BATCH: Final = 200
CONTEXT: Final = 5
"""Messages before a mention that are fetched as its context."""
MAX_UNLISTED: Final = 500
"""An unlisted channel is dropped from the cursor when this many channels have later messages."""
TEXT_CHANNELS: Final = (discord.TextChannel, discord.Thread, discord.VoiceChannel, discord.StageChannel)


THREADS: Final = frozenset({10, 11})
PRIVATE_THREAD: Final = 12
"""Types of channels."""


class _Overwrite(msgspec.Struct):
    id: str
    allow: str = "0"
    deny: str = "0"


class _Place(msgspec.Struct):
    type: int
    guild_id: str = ""
    parent_id: str | None = None
    permission_overwrites: list[_Overwrite] = []


class _Role(msgspec.Struct):
    id: str
    permissions: str = "0"


class _Server(msgspec.Struct):
    roles: list[_Role] = []


def _to_place(body: Any) -> _Place:
    return msgspec.convert(body, _Place)


class DiscordListener:
    platform = "discord"
    silence_timeout = 90.0

    def __init__(self, connection: Discord) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> str | None:
        client = await self._connection.open()
        servers = [guild async for guild in each(client.fetch_guilds(limit=1))]
        if servers:
            return None
        return f"the bot is on no server yet. Add it: {self._connection.invite_link(client.application_id or 0)}"

    async def listen(self, cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        last = msgspec.json.decode(cursor, type=dict[str, int]) if cursor else {}
        async with self._connection.gateway("listener") as (client, queue, running):
            behind = True  # until the history is read the cursor stays where it is
            while True:
                events = await next_events(queue, running, HEARTBEAT)
                behind = behind or any(event.connected for event in events)
                if any(event.ready for event in events):
                    async for batch in self._missed(client, last):
                        yield batch
                    behind = False
                if events or client.alive:
                    yield to_batch(events, last, client.own, move_cursor=not behind)
                for event in events:
                    event.stored.set()

    async def _missed(self, client: Gateway, last: dict[str, int]) -> AsyncGenerator[ListenerBatch, None]:
        """What was posted in each channel since the cursor; a channel that existed before the bot came starts at its end."""
        newest = max(last.values(), default=0)
        channels = {str(channel.id): channel for channel in _channels(client)}
        for key, channel in channels.items():
            is_new = bool(newest) and channel.id > newest
            after = last.get(key, channel.id - 1 if is_new else None)
            end = channel.last_message_id or 0
            if after is None or end <= after:
                last[key] = after or end
                continue
            async for posts, reached in _history(channel, after, client.own):
                last[key] = reached
                yield ListenerBatch(cursor=_to_cursor(last), posts=posts)
        for key in sorted(last.keys() - channels.keys(), key=lambda key: -last[key]):
            async for batch in self._missed_unlisted(client, key, last):
                yield batch

    async def _missed_unlisted(
        self, client: Gateway, key: str, last: dict[str, int]
    ) -> AsyncGenerator[ListenerBatch, None]:
        """The same for a direct conversation or an archived thread; deleted and inactive ones are dropped from the cursor."""
        if sum(number > last[key] for number in last.values()) >= MAX_UNLISTED:
            del last[key]
            return
        channel = client.get_partial_messageable(int(key))
        try:
            async for posts, reached in _history(channel, last[key], client.own, skip_forbidden=False):
                last[key] = reached
                yield ListenerBatch(cursor=_to_cursor(last), posts=posts)
        except Rejected:
            del last[key]

    async def find(self, url: str) -> IncomingPost | None:
        """https://discord.com/channels/SERVER/CHANNEL/MESSAGE"""
        parts = url.removeprefix("https://discord.com/channels/").split("/")
        if len(parts) != 3 or not all(part.isdigit() for part in parts):
            return None
        try:
            client = await self._connection.open()
            if not await self._is_public(*parts[:2]):
                return None
            channel = client.get_partial_messageable(int(parts[1]))
            return to_post(await sdk_call(channel.fetch_message(int(parts[2]))), client.user.id if client.user else 0)
        except (EdgeError, msgspec.ValidationError, ValueError):
            return None

    async def _is_public(self, server: str, channel: str) -> bool:
        """Whether everyone on the server reads it: what a bot may read besides is not for whoever knows an address."""
        found = _to_place(await self._connection.call("GET", "/channels/{channel_id}", channel_id=channel))
        if found.type in THREADS and found.parent_id:
            found = _to_place(await self._connection.call("GET", "/channels/{channel_id}", channel_id=found.parent_id))
        if found.guild_id != server or found.type == PRIVATE_THREAD:
            return False
        guild = msgspec.convert(await self._connection.call("GET", "/guilds/{guild_id}", guild_id=server), _Server)
        everyone = next((int(role.permissions) for role in guild.roles if role.id == server), 0)
        overwrite = next((o for o in found.permission_overwrites if o.id == server), _Overwrite(id=server))
        visible = (everyone & ~int(overwrite.deny)) | int(overwrite.allow)
        return bool(visible & discord.Permissions(view_channel=True).value)

    async def fetch_context(self, request: ContextRequest) -> ThreadContext:
        """The messages in the channel right before; the message that it answers came with it."""
        client = await self._connection.open()
        channel_id, _, message_id = request.native_id.partition(":")
        channel = client.get_partial_messageable(int(channel_id))
        history = channel.history(before=discord.Object(int(message_id)), limit=CONTEXT, oldest_first=False)
        own = client.user.id if client.user else 0
        posts = [post async for message in each(history) if (post := to_post(message, own))]
        return ThreadContext(earlier_posts=tuple(reversed(posts)))

    async def close(self) -> None:
        await self._connection.close()


async def _history(
    channel: Any, after: int, own: int, *, skip_forbidden: bool = True
) -> AsyncGenerator[tuple[tuple[IncomingPost, ...], int], None]:
    """The messages of a channel after one, oldest first: (posts, last message id). None of a channel that we may not read."""
    posts: list[IncomingPost] = []
    reached = after
    try:
        async for message in each(channel.history(after=discord.Object(after), limit=None, oldest_first=True)):
            reached = message.id
            posts += filter(None, [to_post(message, own, backfill=True)])
            if len(posts) >= BATCH:
                yield tuple(posts), reached
                posts = []
    except Rejected:
        if not skip_forbidden:
            raise
        return
    yield tuple(posts), reached


def _channels(client: Gateway) -> list[Any]:
    """All channels with messages that the servers list: channels and active threads."""
    channels = [channel for guild in client.guilds for channel in (*guild.channels, *guild.threads)]
    return [channel for channel in channels if isinstance(channel, TEXT_CHANNELS)]


def to_batch(events: Sequence[GatewayEvent], last: dict[str, int], own: int, *, move_cursor: bool) -> ListenerBatch:
    """The events as a batch; the cursor moves over them only where no earlier message is missing."""
    posts = [post for event in events if event.message and (post := to_post(event.message, own))]
    if move_cursor:
        for post in posts:
            channel, _, number = post.native_id.partition(":")
            last[channel] = max(last.get(channel, 0), int(number))
    sent_to_triage = [
        msgspec.structs.replace(post, case_requested=True)
        for event in events
        if event.sent_to_triage and (post := to_post(event.sent_to_triage, own))
    ]
    return ListenerBatch(
        cursor=_to_cursor(last),
        posts=(*posts, *sent_to_triage),
        edits=tuple(post for event in events if event.edited and (post := to_post(event.edited, own))),
        deletions=tuple(
            Deletion(platform="discord", native_id=native_id) for event in events for native_id in event.deleted
        ),
    )


def _to_cursor(last: dict[str, int]) -> str:
    return msgspec.json.encode(last).decode()


def to_post(message: discord.Message, own: int, *, backfill: bool = False) -> IncomingPost | None:
    """None for notices, messages of other bots, and messages with neither text nor files."""
    ours = message.author.id == own
    if message.type not in (discord.MessageType.default, discord.MessageType.reply) or message.webhook_id:
        return None
    text = _text(message)
    if (message.author.bot and not ours) or not (text or _attachments(message)):
        return None
    reference = message.reference
    parent = reference.resolved if reference and isinstance(reference.resolved, discord.Message) else None
    parent_post = to_post(parent, own) if parent else None
    return IncomingPost(
        platform="discord",
        native_id=f"{message.channel.id}:{message.id}",
        url=message.jump_url,
        author=_author(message.author),
        text=text,
        thread=_thread(message),
        parent=f"{reference.channel_id}:{reference.message_id}" if reference and reference.message_id else None,
        created_at=message.created_at,
        origin="backfill" if backfill else "live",
        media=tuple(_media(attachment) for attachment in _attachments(message)),
        ours=ours,
        addresses_us=not ours and _addresses_us(message, parent, own),
        channel=_channel(message),
        earlier_posts=(parent_post,) if parent_post else (),
    )


def _text(message: discord.Message) -> str:
    """The text, what is forwarded, and the question and answers of a poll."""
    text = message.clean_content if message.guild else message.content
    forwarded = [snapshot.content for snapshot in message.message_snapshots]
    poll = [message.poll.question, *(answer.text for answer in message.poll.answers)] if message.poll else []
    return "\n".join(part for part in (text, *forwarded, *poll) if part)


def _attachments(message: discord.Message) -> list[discord.Attachment]:
    """Its own, and those of what it forwards."""
    forwarded = (attachment for snapshot in message.message_snapshots for attachment in snapshot.attachments)
    return [*message.attachments, *forwarded]


def _channel(message: discord.Message) -> str:
    """The channel; for a thread the channel that it belongs to."""
    channel = message.channel
    return str(channel.parent_id if isinstance(channel, discord.Thread) else channel.id)


def _thread(message: discord.Message) -> str:
    """A thread, a forum post and a direct conversation are one thread each; in a channel, replies make threads."""
    is_thread = message.guild is None or isinstance(message.channel, discord.Thread)
    return str(message.channel.id) if is_thread else ""


def _addresses_us(message: discord.Message, parent: discord.Message | None, own: int) -> bool:
    mentioned = any(user.id == own for user in message.mentions)
    return message.guild is None or mentioned or (parent is not None and parent.author.id == own)


def _author(author: discord.User | discord.Member) -> IncomingAuthor:
    return IncomingAuthor(handle=author.name, native_id=str(author.id), name=author.display_name)


def _media(attachment: discord.Attachment) -> Media:
    content_type = (attachment.content_type or "").partition("/")[0]
    kind: Any = content_type if content_type in ("image", "video", "audio") else "file"
    preview = attachment.proxy_url if kind == "image" else ""
    return Media(kind=kind, url=attachment.url, preview=preview, alt=attachment.filename)
