import pytest
from platforms.telegram import TOKEN, BotApi

from connections.telegram import Telegram
from models.errors import Rejected, Uncertain
from models.outgoing import Outgoing
from responders.telegram import TelegramResponder


@pytest.fixture
async def api():
    async with BotApi() as api:
        yield api


@pytest.fixture
async def responder(api: BotApi):
    responder = TelegramResponder(Telegram("telegram", TOKEN, base_url=api.base_url, base_file_url=api.base_url))
    yield responder
    await responder.close()


def reply(in_reply_to: str = "-1001:55", text: str = "Ci scusiamo <b>&") -> Outgoing:
    return Outgoing(
        id=1, key="k", text=text, language="it", platform="telegram", in_reply_to=in_reply_to, thread=in_reply_to
    )


async def test_a_reply_is_published_to_the_message_as_plain_text(api: BotApi, responder: TelegramResponder):
    address = await responder.publish(reply())
    published = api.last("-1001")
    assert published["text"] == "Ci scusiamo <b>&"
    assert address.native_id == f"-1001:{published['message_id']}"


async def test_the_fate_of_a_reply_whose_response_was_lost_is_unknown(api: BotApi, responder: TelegramResponder):
    await responder.connect()
    api.lose_response = True
    with pytest.raises(Uncertain):
        await responder.publish(reply())
    assert await responder.find(reply()) == "unknown"


async def test_a_reply_in_a_group_that_removed_the_bot_is_rejected_with_the_reason(
    api: BotApi, responder: TelegramResponder
):
    await responder.connect()
    api.failures = [(403, {"description": "Forbidden: bot was kicked from the supergroup chat"})]
    with pytest.raises(Rejected, match="kicked"):
        await responder.publish(reply())


async def test_a_reply_to_another_platforms_post_is_rejected(responder: TelegramResponder):
    with pytest.raises(Rejected):
        await responder.publish(reply(in_reply_to="at://x"))


def test_length_is_counted_in_utf_16_units():
    assert TelegramResponder.capabilities.length("👍") == 2


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_server_error_is_uncertain(api: BotApi, responder: TelegramResponder, status: int):
    await responder.connect()
    api.failures = [(status, {"description": "Internal Server Error"})]
    with pytest.raises(Uncertain):
        await responder.publish(reply())
