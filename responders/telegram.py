"""Publishes on Telegram, as a reply to the message.

https://core.telegram.org/bots/api#sendmessage

The native id is `chat:message`. Telegram accepts no idempotency key and a bot cannot read history, so a reply of unknown fate
cannot be looked up: a member is asked.
"""

from telegram import LinkPreviewOptions, ReplyParameters

from connections.telegram import Telegram, sdk_call
from models.capabilities import Capabilities
from models.errors import Rejected
from models.outgoing import Address, LookupResult, Outgoing


class TelegramResponder:
    platform = "telegram"
    capabilities = Capabilities(max_length=4096, unit="utf16")

    def __init__(self, connection: Telegram) -> None:
        self.name = connection.name
        self._connection = connection

    async def connect(self) -> None:
        await self._connection.verify_credentials()

    async def publish(self, reply: Outgoing) -> Address:
        chat, message = to_chat_and_message(reply.in_reply_to)
        await self._connection.open()
        sent = await sdk_call(
            self._connection.bot.send_message(
                chat,
                reply.text,
                reply_parameters=ReplyParameters(message_id=message, allow_sending_without_reply=False),
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            ),
            writes=True,
        )
        return Address(native_id=f"{sent.chat.id}:{sent.message_id}", url=sent.link or "")

    async def find(self, reply: Outgoing) -> LookupResult:  # noqa: ARG002 - a bot cannot read history
        return "unknown"

    async def close(self) -> None:
        await self._connection.close()


def to_chat_and_message(native_id: str) -> tuple[int, int]:
    chat, _, message = native_id.rpartition(":")
    try:
        return int(chat), int(message)
    except ValueError as error:
        raise Rejected(f"{native_id} is not a message on Telegram.") from error
