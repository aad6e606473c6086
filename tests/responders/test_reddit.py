import pytest
from platforms.reddit import CLIENT, OWN, REFRESH, SECRET, RedditServer

from connections.http import session as http_session
from connections.reddit import Keys, Reddit
from models.errors import Rejected, Unauthorized, Unavailable, Uncertain
from models.reply import Address, Outgoing
from responders.reddit import RedditVoice


@pytest.fixture
async def server():
    async with RedditServer() as server:
        yield server


@pytest.fixture
async def voice(server: RedditServer):
    async with http_session() as http:
        keys = Keys(CLIENT, SECRET, REFRESH)
        voice = RedditVoice(Reddit("reddit", http, site=server.url, api=server.url, keys=keys), server.url)
        yield voice
        await voice.close()


def reply(under: str, text: str = "Ci scusiamo") -> Outgoing:
    return Outgoing(id=1, key="k", text=text, language="it", platform="reddit", under=under, thread=under)


async def test_a_reply_is_a_comment_of_the_account(server: RedditServer, voice: RedditVoice):
    post = server.post("in ritardo")
    address = await voice.publish(reply(post["name"]))
    said = server.things[address.native_id]
    assert (said["author"], said["parent_id"], address.url) == (OWN, post["name"], server.url + said["permalink"])


async def test_a_reply_whose_answer_was_lost_is_found(server: RedditServer, voice: RedditVoice):
    post = server.post("in ritardo")
    await voice.connect()
    assert await voice.find(reply(post["name"])) == "none"
    server.lose_answer = True
    with pytest.raises(Uncertain):
        await voice.publish(reply(post["name"]))
    assert len(server.things) == 2  # the SDK would have tried again, and said it twice
    assert isinstance(await voice.find(reply(post["name"])), Address)
    assert await voice.find(reply(post["name"], "Altro")) == "none"


async def test_what_reddit_refuses_is_told_in_its_words(server: RedditServer, voice: RedditVoice):
    post = server.post("in ritardo")
    server.locked.add(post["name"])
    with pytest.raises(Rejected, match="locked"):
        await voice.publish(reply(post["name"]))


@pytest.mark.parametrize(
    ("answer", "error"),
    [((403, {}), Rejected), ((429, {}), Unavailable), ((401, {}), Unauthorized), ((503, {}), Uncertain)],
)
async def test_every_refusal_is_one_of_ours(server: RedditServer, voice: RedditVoice, answer, error):
    post = server.post("in ritardo")
    await voice.connect()
    server.fails = [answer] * 3  # the SDK makes a new token where the old one is refused
    with pytest.raises(error):
        await voice.publish(reply(post["name"]))


async def test_without_a_key_nobody_is_answered(server: RedditServer):
    async with http_session() as http:
        voice = RedditVoice(Reddit("reddit", http, site=server.url, api=server.url, keys=None), server.url)
        with pytest.raises(Rejected, match="key"):
            await voice.connect()
