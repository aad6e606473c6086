import pytest
from platforms.mastodon import TOKEN, MastodonServer

from connections.http import session as http_session
from connections.mastodon import Mastodon
from models.errors import Rejected, Unauthorized, Unavailable, Uncertain
from models.outgoing import Address, Outgoing
from responders.mastodon import MastodonResponder


@pytest.fixture
async def server():
    async with MastodonServer() as server:
        yield server


@pytest.fixture
async def responder(server: MastodonServer):
    async with http_session() as http:
        yield MastodonResponder(Mastodon("mastodon", server.url, TOKEN, http))


def reply_to(
    server: MastodonServer, status_id: str, text: str = "@rita@altrove.example ci scusiamo", key: str = "k-1"
) -> Outgoing:
    native_id = f"127.0.0.1:{server.port}:{status_id}"
    return Outgoing(
        id=1, key=key, text=text, language="it", platform="mastodon", in_reply_to=native_id, thread=native_id
    )


async def test_visibility_and_content_warning_are_kept(server: MastodonServer, responder: MastodonResponder):
    parent = await server.post("in ritardo", visibility="unlisted", spoiler_text="treni", sensitive=True)
    address = await responder.publish(reply_to(server, parent["id"]))
    status = server.statuses[address.native_id.rpartition(":")[2]]
    assert (status["visibility"], status["spoiler_text"], status["sensitive"]) == ("unlisted", "treni", True)
    assert (status["in_reply_to_id"], address.url) == (parent["id"], status["url"])


async def test_publishing_twice_publishes_once(server: MastodonServer, responder: MastodonResponder):
    parent = await server.post("in ritardo")
    assert await responder.publish(reply_to(server, parent["id"])) == await responder.publish(
        reply_to(server, parent["id"])
    )
    assert len(server.statuses) == 2


async def test_a_reply_whose_response_was_lost_is_looked_up(server: MastodonServer, responder: MastodonResponder):
    parent = await server.post("in ritardo")
    await responder.connect()
    assert await responder.find(reply_to(server, parent["id"])) == "none"
    server.lose_response = True
    with pytest.raises(Uncertain):
        await responder.publish(reply_to(server, parent["id"]))
    assert isinstance(await responder.find(reply_to(server, parent["id"])), Address)
    assert await responder.find(reply_to(server, parent["id"], "@rita@altrove.example altro")) == "none"


async def test_a_deleted_or_foreign_post_or_a_text_too_long_is_rejected(
    server: MastodonServer, responder: MastodonResponder
):
    parent = await server.post("in ritardo")
    with pytest.raises(Rejected):
        await responder.publish(reply_to(server, "9999"))
    with pytest.raises(Rejected, match="limit"):
        await responder.publish(reply_to(server, parent["id"], "x" * 501))
    foreign = Outgoing(
        id=1, key="k", text="x", language="it", platform="mastodon", in_reply_to="altrove.example:1", thread=""
    )
    with pytest.raises(Rejected, match="another server"):
        await responder.publish(foreign)


async def test_rate_limits_are_unavailable_and_a_revoked_token_unauthorized(
    server: MastodonServer, responder: MastodonResponder
):
    parent = await server.post("in ritardo")
    await responder.connect()
    server.failures = [(429, {})]
    with pytest.raises(Unavailable):
        await responder.publish(reply_to(server, parent["id"]))
    server.token = "another"
    with pytest.raises(Unauthorized):
        await responder.publish(reply_to(server, parent["id"]))


async def test_links_count_as_many_characters_as_the_server_says(server: MastodonServer, responder: MastodonResponder):
    await responder.connect()
    assert responder.capabilities.length("vedi https://example.com/" + "x" * 200) == len("vedi ") + 23
