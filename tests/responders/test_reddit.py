import pytest
from platforms.reddit import CLIENT, OWN, REFRESH, SECRET, RedditServer

from connections.feeds import FeedReader
from connections.http import session as http_session
from connections.reddit import Keys, Reddit
from models.errors import Rejected, Unauthorized, Unavailable, Uncertain
from models.outgoing import Address, Outgoing
from responders.reddit import RedditResponder


@pytest.fixture
async def server():
    async with RedditServer() as server:
        yield server


@pytest.fixture
async def responder(server: RedditServer):
    async with http_session() as http:
        keys = Keys(CLIENT, SECRET, REFRESH)
        responder = RedditResponder(
            Reddit("reddit", http, site=server.url, api=server.url, keys=keys, feeds=FeedReader()), server.url
        )
        yield responder
        await responder.close()


def reply(to: str, text: str = "Ci scusiamo") -> Outgoing:
    return Outgoing(id=1, key="k", text=text, language="it", platform="reddit", in_reply_to=to, thread=to)


async def test_a_reply_is_a_comment_of_the_account(server: RedditServer, responder: RedditResponder):
    post = server.post("in ritardo")
    address = await responder.publish(reply(post["name"]))
    comment = server.things[address.native_id]
    assert (comment["author"], comment["parent_id"]) == (OWN, post["name"])
    assert address.url == server.url + comment["permalink"]


async def test_a_reply_whose_response_was_lost_is_looked_up(server: RedditServer, responder: RedditResponder):
    post = server.post("in ritardo")
    await responder.connect()
    assert await responder.find(reply(post["name"])) == "none"
    server.lose_response = True
    with pytest.raises(Uncertain):
        await responder.publish(reply(post["name"]))
    assert len(server.things) == 2  # the SDK would have retried, and published it twice
    assert isinstance(await responder.find(reply(post["name"])), Address)
    assert await responder.find(reply(post["name"], "Altro")) == "none"


async def test_a_rejection_has_the_reason_of_reddit(server: RedditServer, responder: RedditResponder):
    post = server.post("in ritardo")
    server.locked.add(post["name"])
    with pytest.raises(Rejected, match="locked"):
        await responder.publish(reply(post["name"]))


@pytest.mark.parametrize(
    ("failure", "error"),
    [((403, {}), Rejected), ((429, {}), Unavailable), ((401, {}), Unauthorized), ((503, {}), Uncertain)],
)
async def test_http_errors_become_edge_errors(server: RedditServer, responder: RedditResponder, failure, error):
    post = server.post("in ritardo")
    await responder.connect()
    server.failures = [failure] * 3  # the SDK requests a new token where the old one is rejected
    with pytest.raises(error):
        await responder.publish(reply(post["name"]))


async def test_without_keys_connecting_is_rejected(server: RedditServer):
    async with http_session() as http:
        responder = RedditResponder(
            Reddit("reddit", http, site=server.url, api=server.url, keys=None, feeds=FeedReader()), server.url
        )
        with pytest.raises(Rejected, match="key"):
            await responder.connect()
