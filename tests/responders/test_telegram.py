import pytest
from platforms.telegram import TOKEN, BotApi

from connections.telegram import Telegram
from models.errors import Rejected, Uncertain
from models.reply import Outgoing
from responders.telegram import TelegramVoice


@pytest.fixture
async def api():
    async with BotApi() as api:
        yield api


@pytest.fixture
async def voice(api: BotApi):
    voice = TelegramVoice(Telegram("telegram", TOKEN, base_url=api.base_url, base_file_url=api.base_url))
    yield voice
    await voice.close()


def reply(under: str = "-1001:55", text: str = "Ci scusiamo <b>&") -> Outgoing:
    return Outgoing(id=1, key="k", text=text, language="it", platform="telegram", under=under, thread=under)


async def test_a_reply_is_said_under_the_message_in_plain_words(api: BotApi, voice: TelegramVoice):
    address = await voice.publish(reply())
    said = api.last("-1001")
    assert said["text"] == "Ci scusiamo <b>&"
    assert address.native_id == f"-1001:{said['message_id']}"


async def test_a_reply_whose_answer_was_lost_cannot_be_told(api: BotApi, voice: TelegramVoice):
    await voice.connect()
    api.lose_answer = True
    with pytest.raises(Uncertain):
        await voice.publish(reply())
    assert await voice.find(reply()) == "cannot tell"


async def test_a_group_that_threw_us_out_is_told_in_words(api: BotApi, voice: TelegramVoice):
    await voice.connect()
    api.fails = [(403, {"description": "Forbidden: bot was kicked from the supergroup chat"})]
    with pytest.raises(Rejected, match="kicked"):
        await voice.publish(reply())


async def test_what_is_no_message_of_telegrams_is_rejected(voice: TelegramVoice):
    with pytest.raises(Rejected):
        await voice.publish(reply(under="at://x"))


def test_telegram_counts_as_telegram_does():
    assert TelegramVoice.capabilities.length("👍") == 2


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_server_that_broke_down_may_have_said_it(api: BotApi, voice: TelegramVoice, status: int):
    await voice.connect()
    api.fails = [(status, {"description": "Internal Server Error"})]
    with pytest.raises(Uncertain):
        await voice.publish(reply())
