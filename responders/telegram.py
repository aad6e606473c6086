"""Answering in a Telegram group, under the message that is answered.

https://core.telegram.org/bots/api#sendmessage

The native id is `chat:message`. Telegram takes no idempotency key and shows a bot no history, so a reply of unknown fate
cannot be looked up: a member is asked.
"""

from telegram import LinkPreviewOptions, ReplyParameters

from connections.telegram import Telegram, called
from models.capabilities import Capabilities
from models.errors import Rejected
from models.reply import Address, Found, Outgoing


class TelegramVoice:
    platform = "telegram"
    capabilities = Capabilities(reply=True, longest=4096, unit="utf16", edit=True, delete=True, find=False)

    def __init__(self, connection: Telegram) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.prove()

    async def publish(self, reply: Outgoing) -> Address:
        chat, message = place(reply.under)
        await self._connection.open()
        sent = await called(
            self._connection.bot.send_message(
                chat,
                reply.text,
                reply_parameters=ReplyParameters(message_id=message, allow_sending_without_reply=False),
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            ),
            changes=True,
        )
        return Address(native_id=f"{sent.chat.id}:{sent.message_id}", url=sent.link or "")

    async def find(self, reply: Outgoing) -> Found:  # noqa: ARG002 - a bot sees no history
        return "cannot tell"

    async def close(self) -> None:
        await self._connection.close()


def place(native_id: str) -> tuple[int, int]:
    """The chat's and the message's number."""
    chat, _, message = native_id.rpartition(":")
    try:
        return int(chat), int(message)
    except ValueError as error:
        raise Rejected(f"{native_id} is not a message of Telegram's.") from error
