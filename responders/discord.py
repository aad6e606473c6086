"""Publishes on Discord, as a reply to the message, without notifying anyone.

https://discord.com/developers/docs/resources/message#create-message

The nonce is made from the reply's key, and Discord enforces it for a few minutes; a reply of unknown fate is looked up among the
messages after the one that it answers.
"""

import hashlib
from typing import Final

import discord

from connections.discord import Discord, each, sdk_call
from models.capabilities import Capabilities
from models.errors import Rejected
from models.outgoing import Address, LookupResult, Outgoing

MAX_SEARCHED: Final = 200
"""Messages that are searched for a reply, the newest first."""


class DiscordResponder:
    platform = "discord"
    capabilities = Capabilities(max_length=2000)

    def __init__(self, connection: Discord) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        client = await self._connection.open()
        async for _ in each(client.fetch_guilds(limit=1)):
            pass

    async def publish(self, reply: Outgoing) -> Address:
        channel, message = to_channel_and_message(reply.in_reply_to)
        client = await self._connection.open()
        published = await sdk_call(
            client.get_partial_messageable(channel).send(
                reply.text,
                reference=discord.MessageReference(message_id=message, channel_id=channel, fail_if_not_exists=True),
                allowed_mentions=discord.AllowedMentions.none(),
                mention_author=False,
                nonce=nonce(reply.key),
                suppress_embeds=False,
            ),
            writes=True,
        )
        return _address(published, reply)

    async def find(self, reply: Outgoing) -> LookupResult:
        channel, message = to_channel_and_message(reply.in_reply_to)
        client = await self._connection.open()
        history = client.get_partial_messageable(channel).history(
            after=discord.Object(message), limit=MAX_SEARCHED, oldest_first=False
        )
        own, searched = client.user.id if client.user else 0, 0
        async for later in each(history):
            searched += 1
            parent = later.reference.message_id if later.reference else None
            if later.author.id == own and parent == message and later.content == reply.text:
                return _address(later, reply)
        return "none" if searched < MAX_SEARCHED else "unknown"

    async def close(self) -> None:
        await self._connection.close()


def nonce(key: str) -> str:
    """At most 25 characters, the same for the same reply."""
    return hashlib.sha256(key.encode()).hexdigest()[:24]


def _address(message: discord.Message, reply: Outgoing) -> Address:
    """The link is made from that of the answered message: over REST alone, the SDK does not know the server's id."""
    channel_url = reply.url.rpartition("/")[0]
    return Address(
        native_id=f"{message.channel.id}:{message.id}",
        url=f"{channel_url}/{message.id}" if channel_url else message.jump_url,
    )


def to_channel_and_message(native_id: str) -> tuple[int, int]:
    channel, _, message = native_id.partition(":")
    if not (channel.isdigit() and message.isdigit()):
        raise Rejected(f"{native_id} is not a message on Discord.")
    return int(channel), int(message)
