"""Answering on Discord, as a reply to the message, pinging nobody.

https://discord.com/developers/docs/resources/message#create-message

The reply's key goes along as a nonce that Discord enforces for some minutes; a reply of unknown fate is looked for among what was
said after the message.
"""

import hashlib
from typing import Final

import discord

from connections.discord import Discord, called, each
from models.capabilities import Capabilities
from models.errors import Rejected
from models.reply import Address, Found, Outgoing

LATER: Final = 200
"""Messages that are looked through, the newest first."""


class DiscordVoice:
    platform = "discord"
    capabilities = Capabilities(reply=True, longest=2000, edit=True, delete=True, find=True)

    def __init__(self, connection: Discord) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        client = await self._connection.open()
        async for _ in each(client.fetch_guilds(limit=1)):
            pass

    async def publish(self, reply: Outgoing) -> Address:
        channel, message = place(reply.under)
        client = await self._connection.open()
        said = await called(
            client.get_partial_messageable(channel).send(
                reply.text,
                reference=discord.MessageReference(message_id=message, channel_id=channel, fail_if_not_exists=True),
                allowed_mentions=discord.AllowedMentions.none(),
                mention_author=False,
                nonce=nonce(reply.key),
                suppress_embeds=False,
            ),
            changes=True,
        )
        return _address(said, reply)

    async def find(self, reply: Outgoing) -> Found:
        channel, message = place(reply.under)
        client = await self._connection.open()
        history = client.get_partial_messageable(channel).history(
            after=discord.Object(message), limit=LATER, oldest_first=False
        )
        own, seen = client.user.id if client.user else 0, 0
        async for later in each(history):
            seen += 1
            above = later.reference.message_id if later.reference else None
            if later.author.id == own and above == message and later.content == reply.text:
                return _address(later, reply)
        return "none" if seen < LATER else "cannot tell"

    async def close(self) -> None:
        await self._connection.close()


def nonce(key: str) -> str:
    """At most 25 characters, the same for the same reply."""
    return hashlib.sha256(key.encode()).hexdigest()[:24]


def _address(said: discord.Message, reply: Outgoing) -> Address:
    """Beside what it answers: called over REST alone, the SDK does not know which server it is on."""
    beside = reply.url.rpartition("/")[0]
    return Address(native_id=f"{said.channel.id}:{said.id}", url=f"{beside}/{said.id}" if beside else said.jump_url)


def place(native_id: str) -> tuple[int, int]:
    """The channel's and the message's number."""
    channel, _, message = native_id.partition(":")
    if not (channel.isdigit() and message.isdigit()):
        raise Rejected(f"{native_id} is not a message of Discord's.")
    return int(channel), int(message)
