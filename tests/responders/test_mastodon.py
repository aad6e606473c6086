import pytest
from platforms.mastodon import TOKEN, MastodonServer

from connections.http import session as http_session
from connections.mastodon import Mastodon
from models.errors import Rejected, Unauthorized, Unavailable, Uncertain
from models.reply import Address, Outgoing
from responders.mastodon import MastodonVoice


@pytest.fixture
async def server():
    async with MastodonServer() as server:
        yield server


@pytest.fixture
async def voice(server: MastodonServer):
    async with http_session() as http:
        yield MastodonVoice(Mastodon("mastodon", server.url, TOKEN, http))


def reply(
    server: MastodonServer, under: str, text: str = "@rita@altrove.example ci scusiamo", key: str = "k-1"
) -> Outgoing:
    native_id = f"127.0.0.1:{server.port}:{under}"
    return Outgoing(id=1, key=key, text=text, language="it", platform="mastodon", under=native_id, thread=native_id)


async def test_visibility_and_content_warning_are_kept(server: MastodonServer, voice: MastodonVoice):
    above = await server.post("in ritardo", visibility="unlisted", spoiler_text="treni", sensitive=True)
    address = await voice.publish(reply(server, above["id"]))
    said = server.statuses[address.native_id.rpartition(":")[2]]
    assert (said["visibility"], said["spoiler_text"], said["sensitive"]) == ("unlisted", "treni", True)
    assert (said["in_reply_to_id"], address.url) == (above["id"], said["url"])


async def test_asking_twice_says_it_once(server: MastodonServer, voice: MastodonVoice):
    above = await server.post("in ritardo")
    assert await voice.publish(reply(server, above["id"])) == await voice.publish(reply(server, above["id"]))
    assert len(server.statuses) == 2


async def test_a_reply_whose_answer_was_lost_is_found(server: MastodonServer, voice: MastodonVoice):
    above = await server.post("in ritardo")
    await voice.connect()
    assert await voice.find(reply(server, above["id"])) == "none"
    server.lose_answer = True
    with pytest.raises(Uncertain):
        await voice.publish(reply(server, above["id"]))
    assert isinstance(await voice.find(reply(server, above["id"])), Address)
    assert await voice.find(reply(server, above["id"], "@rita@altrove.example altro")) == "none"


async def test_what_is_gone_or_elsewhere_or_too_long_is_rejected(server: MastodonServer, voice: MastodonVoice):
    above = await server.post("in ritardo")
    with pytest.raises(Rejected):
        await voice.publish(reply(server, "9999"))
    with pytest.raises(Rejected, match="limit"):
        await voice.publish(reply(server, above["id"], "x" * 501))
    foreign = Outgoing(
        id=1, key="k", text="x", language="it", platform="mastodon", under="altrove.example:1", thread=""
    )
    with pytest.raises(Rejected, match="another server"):
        await voice.publish(foreign)


async def test_limited_and_revoked(server: MastodonServer, voice: MastodonVoice):
    above = await server.post("in ritardo")
    await voice.connect()
    server.fails = [(429, {})]
    with pytest.raises(Unavailable):
        await voice.publish(reply(server, above["id"]))
    server.token = "another"
    with pytest.raises(Unauthorized):
        await voice.publish(reply(server, above["id"]))


async def test_an_address_counts_as_the_server_says(server: MastodonServer, voice: MastodonVoice):
    await voice.connect()
    assert voice.capabilities.length("vedi https://example.com/" + "x" * 200) == len("vedi ") + 23
