import pytest
from platforms.discord import GENERAL, OWN, TOKEN, DiscordServer

from connections.discord import Discord
from models.errors import Rejected, Unauthorized, Unavailable, Uncertain
from models.reply import Address, Outgoing
from responders.discord import DiscordVoice


@pytest.fixture
async def server():
    async with DiscordServer() as server:
        yield server


@pytest.fixture
async def voice(server: DiscordServer):
    voice = DiscordVoice(Discord("discord", TOKEN, api=server.api, gateway=server.gateway))
    yield voice
    await voice.close()


def reply(message: str, text: str = "Ci scusiamo, @everyone", key: str = "k-1") -> Outgoing:
    url = f"https://discord.com/channels/500/{GENERAL}/{message}"
    native_id = f"{GENERAL}:{message}"
    return Outgoing(id=1, key=key, text=text, language="it", platform="discord", under=native_id, thread="", url=url)


async def test_a_reply_pings_nobody_and_asking_twice_says_it_once(server: DiscordServer, voice: DiscordVoice):
    message = server.make("in ritardo")
    address = await voice.publish(reply(message["id"]))
    assert address == await voice.publish(reply(message["id"]))
    said = server.messages[GENERAL, address.native_id.partition(":")[2]]
    assert (said["content"], said["author"], said["message_reference"]["message_id"]) == (
        "Ci scusiamo, @everyone", OWN, message["id"],
    )  # fmt: skip
    assert address.url == f"https://discord.com/channels/500/{GENERAL}/{said['id']}"


async def test_a_reply_whose_answer_was_lost_is_found(server: DiscordServer, voice: DiscordVoice):
    message = server.make("in ritardo")
    await voice.connect()
    assert await voice.find(reply(message["id"])) == "none"
    server.lose_answer = True
    with pytest.raises(Uncertain):
        await voice.publish(reply(message["id"]))
    found = await voice.find(reply(message["id"]))
    assert isinstance(found, Address)
    assert (found.native_id.partition(":")[0], len(server.messages)) == (GENERAL, 2)


async def test_what_is_gone_forbidden_or_elsewhere_is_rejected(server: DiscordServer, voice: DiscordVoice):
    message = server.make("in ritardo")
    with pytest.raises(Rejected, match="Unknown message"):
        await voice.publish(reply("99"))
    server.fails = [(403, {"message": "Missing Permissions", "code": 50013}, {})]
    with pytest.raises(Rejected, match="Missing Permissions"):
        await voice.publish(reply(message["id"]))
    with pytest.raises(Rejected):
        await voice.publish(reply("at://x"))


async def test_limits_are_waited_out_or_told(server: DiscordServer, voice: DiscordVoice):
    message = server.make("in ritardo")
    await voice.connect()
    soon = {"message": "You are being rate limited.", "retry_after": 0.05, "global": False}
    server.fails = [(429, soon, {"Via": "1.1 google"})]
    await voice.publish(reply(message["id"]))
    server.fails = [(429, {**soon, "retry_after": 600}, {"Via": "1.1 google"})]
    with pytest.raises(Unavailable) as limited:
        await voice.publish(reply(message["id"], key="k-2"))
    assert limited.value.retry_after == 600
    server.fails = [(429, {"message": "banned"}, {"Retry-After": "3600"})]  # by the proxy before Discord
    with pytest.raises(Unavailable) as limited:
        await voice.publish(reply(message["id"], key="k-3"))
    assert limited.value.retry_after == 3600


async def test_a_revoked_token_needs_a_human(server: DiscordServer, voice: DiscordVoice):
    message = server.make("in ritardo")
    await voice.connect()
    server.token = "another"
    with pytest.raises(Unauthorized, match="token_env"):
        await voice.publish(reply(message["id"]))


async def test_a_reply_after_a_long_conversation_is_found_or_a_human_is_asked(
    server: DiscordServer, voice: DiscordVoice
):
    message = server.make("in ritardo")
    for n in range(250):
        server.make(f"e poi {n}")
    assert await voice.find(reply(message["id"])) == "cannot tell"
    await voice.publish(reply(message["id"]))
    assert isinstance(await voice.find(reply(message["id"])), Address)
