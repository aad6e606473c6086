"""Hearing our own servers on Discord: channels, threads and forums, and messages to the bot.

https://discord.com/developers/docs/resources/message, https://discordpy.readthedocs.io/en/stable/api.html

The native id is `channel:message`, a thread being a channel. The bookmark holds the last message of each channel: whenever
the gateway is new, every channel whose last message is another is read from there. Where the content of messages is not
granted, what speaks to the bot is heard all the same, and members hand over the rest with "Send to triage" in a message's menu.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

import discord
import msgspec

from connections.discord import Discord, Gateway, Told, called, each, next_told
from models.errors import EdgeError, Rejected
from models.post import Around, Deletion, Heard, Media, Post, PostAuthor, Sought

PULSE: Final = 25.0
"""Seconds between signs of life, as long as the gateway is there."""
BATCH: Final = 200
ABOVE: Final = 5
KEPT: Final = 500
"""Channels with something later than it, above which one that no server lists is forgotten."""


class DiscordEar:
    platform = "discord"
    silence = 90.0

    def __init__(self, connection: Discord) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> str | None:
        client = await self._connection.open()
        servers = [guild async for guild in each(client.fetch_guilds(limit=1))]
        if servers:
            return None
        return f"the bot is on no server yet. Let it in: {self._connection.invite(client.application_id or 0)}"

    async def listen(self, bookmark: str | None) -> AsyncGenerator[Heard, None]:
        last = msgspec.json.decode(bookmark, type=dict[str, int]) if bookmark else {}
        async with self._connection.gateway("ear") as (client, queue, running):
            behind = True  # until the past was read the bookmark stays where it is
            while True:
                told = await next_told(queue, running, PULSE)
                behind = behind or any(one.connected for one in told)
                if any(one.ready for one in told):
                    async for heard in self._missed(client, last):
                        yield heard
                    behind = False
                if told or client.alive:
                    yield _heard(told, last, client.own, moves=not behind)
                for one in told:
                    one.written.set()

    async def _missed(self, client: Gateway, last: dict[str, int]) -> AsyncGenerator[Heard, None]:
        """What was said in each channel since the bookmark; of one that was there before us, only where it stands."""
        newest = max(last.values(), default=0)
        channels = {str(channel.id): channel for channel in _channels(client)}
        for key, channel in channels.items():
            begun_since = bool(newest) and channel.id > newest
            before = last.get(key, channel.id - 1 if begun_since else None)
            there = channel.last_message_id or 0
            if before is None or there <= before:
                last[key] = before or there
                continue
            async for posts, reached in _history(channel, before, client.own):
                last[key] = reached
                yield Heard(bookmark=_written(last), posts=posts)
        for key in sorted(last.keys() - channels.keys(), key=lambda key: -last[key]):
            async for heard in self._elsewhere(client, key, last):
                yield heard

    async def _elsewhere(self, client: Gateway, key: str, last: dict[str, int]) -> AsyncGenerator[Heard, None]:
        """Private conversations and threads that have closed; the longest silent, and those that are gone, are forgotten."""
        if sum(number > last[key] for number in last.values()) >= KEPT:
            del last[key]
            return
        place = client.get_partial_messageable(int(key))
        try:
            async for posts, reached in _history(place, last[key], client.own, forgives=False):
                last[key] = reached
                yield Heard(bookmark=_written(last), posts=posts)
        except Rejected:
            del last[key]

    async def find(self, url: str) -> Post | None:
        """https://discord.com/channels/SERVER/CHANNEL/MESSAGE"""
        parts = url.removeprefix("https://discord.com/channels/").split("/")
        if len(parts) != 3 or not all(part.isdigit() for part in parts[1:]):
            return None
        try:
            client = await self._connection.open()
            channel = client.get_partial_messageable(int(parts[1]))
            return to_post(await called(channel.fetch_message(int(parts[2]))), client.user.id if client.user else 0)
        except EdgeError:
            return None

    async def around(self, sought: Sought) -> Around:
        """What was said in the channel right before; what it answers came with it."""
        client = await self._connection.open()
        channel, _, number = sought.native_id.partition(":")
        place = client.get_partial_messageable(int(channel))
        history = place.history(before=discord.Object(int(number)), limit=ABOVE, oldest_first=False)
        own = client.user.id if client.user else 0
        found = [post async for message in each(history) if (post := to_post(message, own))]
        return Around(before=tuple(reversed(found)))

    async def close(self) -> None:
        await self._connection.close()


async def _history(
    channel: Any, after: int, own: int, *, forgives: bool = True
) -> AsyncGenerator[tuple[tuple[Post, ...], int], None]:
    """A channel from a message on, oldest first, in batches with the message reached; nothing of one that we may not read."""
    posts: list[Post] = []
    reached = after
    try:
        async for message in each(channel.history(after=discord.Object(after), limit=None, oldest_first=True)):
            reached = message.id
            posts += filter(None, [to_post(message, own, backfill=True)])
            if len(posts) >= BATCH:
                yield tuple(posts), reached
                posts = []
    except Rejected:
        if not forgives:
            raise
        return
    yield tuple(posts), reached


HEARD: Final = (discord.TextChannel, discord.Thread, discord.VoiceChannel, discord.StageChannel)


def _channels(client: Gateway) -> list[Any]:
    """Everything with messages that the bot is told of: channels, and the threads that are open."""
    channels = [channel for guild in client.guilds for channel in (*guild.channels, *guild.threads)]
    return [channel for channel in channels if isinstance(channel, HEARD)]


def _heard(told: Sequence[Told], last: dict[str, int], own: int, *, moves: bool) -> Heard:
    """What was told, and the bookmark, moved over it where nothing before it is missing."""
    posts = [post for one in told if one.message and (post := to_post(one.message, own))]
    if moves:
        for post in posts:
            channel, _, number = post.native_id.partition(":")
            last[channel] = max(last.get(channel, 0), int(number))
    handed = [post for one in told if one.handed and (post := to_post(one.handed, own))]
    wanted = [msgspec.structs.replace(post, wanted=True) for post in handed]
    edits = tuple(post for one in told if one.edited and (post := to_post(one.edited, own)))
    gone = tuple(Deletion(platform="discord", native_id=native_id) for one in told for native_id in one.gone)
    return Heard(bookmark=_written(last), posts=(*posts, *wanted), edits=edits, deletions=gone)


def _written(last: dict[str, int]) -> str:
    return msgspec.json.encode(last).decode()


def to_post(message: discord.Message, own: int, *, backfill: bool = False) -> Post | None:
    """A message in our words; None for what nobody said: notices, other bots, what has neither words nor files."""
    ours = message.author.id == own
    if message.type not in (discord.MessageType.default, discord.MessageType.reply) or message.webhook_id:
        return None
    text = _words(message)
    if (message.author.bot and not ours) or not (text or message.attachments):
        return None
    reference = message.reference
    above = reference.resolved if reference and isinstance(reference.resolved, discord.Message) else None
    return Post(
        platform="discord",
        native_id=f"{message.channel.id}:{message.id}",
        url=message.jump_url,
        author=_author(message.author),
        text=text,
        thread=_thread(message),
        parent=f"{reference.channel_id}:{reference.message_id}" if reference and reference.message_id else None,
        created_at=message.created_at,
        origin="backfill" if backfill else "live",
        media=tuple(_media(found) for found in message.attachments),
        ours=ours,
        to_us=not ours and _speaks_to(message, above, own),
        place=_place(message),
        before=(said,) if above and (said := to_post(above, own)) else (),
    )


def _words(message: discord.Message) -> str:
    """What is written, and what a poll asks."""
    said = message.clean_content if message.guild else message.content
    asked = [message.poll.question, *(answer.text for answer in message.poll.answers)] if message.poll else []
    return "\n".join(words for words in (said, *asked) if words)


def _place(message: discord.Message) -> str:
    """The channel, of a thread the one that it hangs on."""
    channel = message.channel
    return str(channel.parent_id if isinstance(channel, discord.Thread) else channel.id)


def _thread(message: discord.Message) -> str:
    """A thread, a forum's post and a private conversation are one thread each; in a channel what answers tells."""
    alone = message.guild is None or isinstance(message.channel, discord.Thread)
    return str(message.channel.id) if alone else ""


def _speaks_to(message: discord.Message, above: discord.Message | None, own: int) -> bool:
    named = any(person.id == own for person in message.mentions)
    return message.guild is None or named or (above is not None and above.author.id == own)


def _author(author: discord.User | discord.Member) -> PostAuthor:
    return PostAuthor(handle=author.name, native_id=str(author.id), name=author.display_name)


def _media(found: discord.Attachment) -> Media:
    kind = (found.content_type or "").partition("/")[0]
    known: Any = kind if kind in ("image", "video", "audio") else "file"
    return Media(kind=known, url=found.url, preview=found.proxy_url if kind == "image" else "", alt=found.filename)
