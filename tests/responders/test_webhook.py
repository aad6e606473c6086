import pytest
from platforms.answers import Answers

from connections.http import session as http_session
from models.errors import Rejected, Unauthorized, Unavailable, Uncertain
from models.reply import Address, Outgoing
from responders.webhook import WebhookVoice

SECRET = "a secret that only two know"
REPLY = Outgoing(
    id=1, key="k-1", text="Ci scusiamo", language="it", platform="webhook", under="42", thread="42", author="ana"
)


@pytest.fixture
async def server():
    async with Answers(SECRET) as server:
        yield server


@pytest.fixture
async def voice(server: Answers):
    async with http_session() as http:
        yield WebhookVoice("site", f"{server.url}/replies", SECRET, http, longest=500)


async def test_a_reply_is_posted_signed_and_taken_once(server: Answers, voice: WebhookVoice):
    await voice.connect()
    address = await voice.publish(REPLY)
    assert address == await voice.publish(REPLY) == Address(native_id="1", url="https://site.example/replies/1")
    assert (server.said["k-1"]["text"], server.said["k-1"]["under"], len(server.said)) == ("Ci scusiamo", "42", 1)


async def test_a_reply_whose_answer_was_lost_is_asked_for(server: Answers, voice: WebhookVoice):
    assert await voice.find(REPLY) == "none"
    server.lose_answer = True
    with pytest.raises(Uncertain):
        await voice.publish(REPLY)
    assert isinstance(await voice.find(REPLY), Address)
    server.fails = [(405, {})]
    assert await voice.find(REPLY) == "cannot tell"


async def test_another_secret_needs_a_human(server: Answers, voice: WebhookVoice):
    server.secret = "another"
    with pytest.raises(Unauthorized, match="same secret"):
        await voice.connect()
    with pytest.raises(Unauthorized, match="same secret"):
        await voice.publish(REPLY)


@pytest.mark.parametrize(
    ("answer", "error", "wait"),
    [
        ((429, {"Retry-After": "9"}), Unavailable, 9),
        ((503, {}), Unavailable, None),
        ((500, {}), Uncertain, None),
        ((400, {}), Rejected, None),
        ((302, {"Location": "http://elsewhere.example/"}), Rejected, None),
    ],
)
async def test_every_refusal_is_one_of_ours(server: Answers, voice: WebhookVoice, answer, error, wait):
    server.fails = [answer]
    with pytest.raises(error) as refused:
        await voice.publish(REPLY)
    assert getattr(refused.value, "retry_after", None) == wait


async def test_offline_is_unavailable(server: Answers, voice: WebhookVoice):
    await server.stop()
    with pytest.raises(Unavailable):
        await voice.connect()
