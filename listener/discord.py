"""Hearing our own servers on Discord: channels, threads and forums, and messages to the bot.

https://discord.com/developers/docs/resources/message, https://discordpy.readthedocs.io/en/stable/api.html

The native id is `channel:message`, a thread being a channel. The bookmark holds the last message of each channel: whenever
the gateway is new, every channel whose last message is another is read from there. Where the content of messages is not
granted, what speaks to the bot is heard all the same, and members hand over the rest with "Send to triage" in a message's menu.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import discord
import msgspec
from discord import app_commands

from connections.discord import HEARTBEAT, LONGEST_WAIT, Discord, called, each, intents
from models.errors import EdgeError, Rejected
from models.post import Around, Deletion, Heard, Media, Post, PostAuthor, Sought

PULSE: Final = 25.0
"""Seconds between signs of life, as long as the gateway is there."""
PATIENCE: Final = 0.1
BATCH: Final = 200
ABOVE: Final = 5
KEPT: Final = 500
"""Channels with something later than it, above which one that no server lists is forgotten."""
GATHERED: Final = 2.0
"""Seconds after the last server that was told of until all are taken to be known."""
TO_TRIAGE: Final = "Send to triage"


@dataclass(frozen=True)
class _Told:
    """One thing that the gateway told; `written` is set once it is in the store."""

    post: Post | None = None
    edit: Post | None = None
    gone: Sequence[str] = ()
    connected: bool = False
    """The gateway is new: until the past was read the bookmark stays where it is."""
    began: bool = False
    """All servers are known: the past can be read."""
    written: asyncio.Event = field(default_factory=asyncio.Event)


class _Client(discord.Client):
    """Puts into a queue, in order, what it is told."""

    def __init__(self, *, message_content: bool) -> None:
        super().__init__(
            intents=intents(message_content=message_content),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=GATHERED,
            heartbeat_timeout=HEARTBEAT,
            max_ratelimit_timeout=LONGEST_WAIT,
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self.told: asyncio.Queue[_Told] = asyncio.Queue()
        self.tree = app_commands.CommandTree(self)
        menu = app_commands.ContextMenu(name=TO_TRIAGE, callback=self._to_triage)
        menu.default_permissions = discord.Permissions(manage_messages=True)  # servers may let others, too
        self.tree.add_command(menu)

    async def setup_hook(self) -> None:
        await self.tree.sync()

    async def on_connect(self) -> None:
        self.told.put_nowait(_Told(connected=True))

    async def on_ready(self) -> None:
        self.told.put_nowait(_Told(began=True))

    async def on_message(self, message: discord.Message) -> None:
        self.told.put_nowait(_Told(post=to_post(message, self.own)))

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        if payload.message.edited_at is not None:  # else it only got a preview of its links
            self.told.put_nowait(_Told(edit=to_post(payload.message, self.own)))

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self.told.put_nowait(_Told(gone=(f"{payload.channel_id}:{payload.message_id}",)))

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        self.told.put_nowait(_Told(gone=tuple(f"{payload.channel_id}:{number}" for number in payload.message_ids)))

    async def _to_triage(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """Whoever asks is told once it is written down, and nobody else sees it; it is taken even if they cannot be told."""
        post = to_post(message, self.own)
        told = _Told(post=msgspec.structs.replace(post, wanted=True) if post else None)
        self.told.put_nowait(told)
        with suppress(discord.HTTPException, aiohttp.ClientError):
            await interaction.response.defer(ephemeral=True)
            await told.written.wait()
            said = "It is in triage." if post else "There is nothing in it to answer."
            await interaction.followup.send(said, ephemeral=True)

    @property
    def own(self) -> int:
        return self.user.id if self.user else 0

    @property
    def alive(self) -> bool:
        """Whether the gateway is there; while it is being resumed it is not."""
        gateway: Any = self.ws  # none before the first one, whatever the SDK declares
        return gateway is not None and gateway.open

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        """A message that cannot be read is passed over; so it is when the history is read."""


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
        client = _Client(message_content=self._connection.message_content)
        running = asyncio.ensure_future(self._connection.run(client))
        behind = True
        try:
            while True:
                told = await _next(client.told, running)
                behind = behind or any(one.connected for one in told)
                if any(one.began for one in told):
                    async for heard in self._missed(client, last):
                        yield heard
                    behind = False
                if told or client.alive:
                    yield _heard(told, last, moves=not behind)
                for one in told:
                    one.written.set()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _missed(self, client: _Client, last: dict[str, int]) -> AsyncGenerator[Heard, None]:
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

    async def _elsewhere(self, client: _Client, key: str, last: dict[str, int]) -> AsyncGenerator[Heard, None]:
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


def _channels(client: _Client) -> list[Any]:
    """Everything with messages that the bot is told of: channels, and the threads that are open."""
    channels = [channel for guild in client.guilds for channel in (*guild.channels, *guild.threads)]
    return [channel for channel in channels if isinstance(channel, HEARD)]


async def _next(queue: "asyncio.Queue[_Told]", running: "asyncio.Future[None]") -> list[_Told]:
    """What was told within a moment, nothing after PULSE; raises what the gateway ended with."""
    first = asyncio.ensure_future(queue.get())
    both: set[asyncio.Future[Any]] = {first, running}
    done, _ = await asyncio.wait(both, timeout=PULSE, return_when=asyncio.FIRST_COMPLETED)
    if first not in done:
        first.cancel()
        if running in done:
            running.result()
        return []
    told = [first.result()]
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while len(told) < BATCH:
                told.append(await queue.get())
    return told


def _heard(told: Sequence[_Told], last: dict[str, int], *, moves: bool) -> Heard:
    """What was told, and the bookmark, moved over it where nothing before it is missing."""
    posts = tuple(one.post for one in told if one.post)
    for post in posts:
        channel, _, number = post.native_id.partition(":")
        if moves and not post.wanted:
            last[channel] = max(last.get(channel, 0), int(number))
    gone = tuple(Deletion(platform="discord", native_id=native_id) for one in told for native_id in one.gone)
    return Heard(
        bookmark=_written(last), posts=posts, edits=tuple(one.edit for one in told if one.edit), deletions=gone
    )


def _written(last: dict[str, int]) -> str:
    return msgspec.json.encode(last).decode()


def to_post(message: discord.Message, own: int, *, backfill: bool = False) -> Post | None:
    """A message in our words; None for what nobody said: notices, other bots, what has neither words nor files."""
    ours = message.author.id == own
    if message.type not in (discord.MessageType.default, discord.MessageType.reply) or message.webhook_id:
        return None
    if (message.author.bot and not ours) or not (message.content or message.attachments):
        return None
    reference = message.reference
    above = reference.resolved if reference and isinstance(reference.resolved, discord.Message) else None
    return Post(
        platform="discord",
        native_id=f"{message.channel.id}:{message.id}",
        url=message.jump_url,
        author=_author(message.author),
        text=message.clean_content if message.guild else message.content,
        thread=_thread(message),
        parent=f"{reference.channel_id}:{reference.message_id}" if reference and reference.message_id else None,
        created_at=message.created_at,
        origin="backfill" if backfill else "live",
        media=tuple(_media(found) for found in message.attachments),
        ours=ours,
        to_us=not ours and _speaks_to(message, above, own),
        place=str(message.channel.id),
        before=(said,) if above and (said := to_post(above, own)) else (),
    )


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
