import pytest
from platforms.discord import GENERAL, OWN, TOKEN, DiscordServer

from connections.discord import Discord
from models.errors import Rejected, Unauthorized, Unavailable, Uncertain
from models.outgoing import Address, Outgoing
from responders.discord import DiscordResponder


@pytest.fixture
async def server():
    async with DiscordServer() as server:
        yield server


@pytest.fixture
async def responder(server: DiscordServer):
    responder = DiscordResponder(Discord("discord", TOKEN, api=server.api, gateway=server.gateway))
    yield responder
    await responder.close()


def reply(message: str, text: str = "Ci scusiamo, @everyone", key: str = "k-1") -> Outgoing:
    url = f"https://discord.com/channels/500/{GENERAL}/{message}"
    native_id = f"{GENERAL}:{message}"
    return Outgoing(
        id=1, key=key, text=text, language="it", platform="discord", in_reply_to=native_id, thread="", url=url
    )


async def test_a_reply_notifies_no_one_and_is_published_once(server: DiscordServer, responder: DiscordResponder):
    message = server.add_message("in ritardo")
    address = await responder.publish(reply(message["id"]))
    assert address == await responder.publish(reply(message["id"]))
    published = server.messages[GENERAL, address.native_id.partition(":")[2]]
    assert (published["content"], published["author"], published["message_reference"]["message_id"]) == (
        "Ci scusiamo, @everyone", OWN, message["id"],
    )  # fmt: skip
    assert address.url == f"https://discord.com/channels/500/{GENERAL}/{published['id']}"


async def test_a_reply_whose_response_was_lost_is_found(server: DiscordServer, responder: DiscordResponder):
    message = server.add_message("in ritardo")
    await responder.connect()
    assert await responder.find(reply(message["id"])) == "none"
    server.lose_response = True
    with pytest.raises(Uncertain):
        await responder.publish(reply(message["id"]))
    address = await responder.find(reply(message["id"]))
    assert isinstance(address, Address)
    assert (address.native_id.partition(":")[0], len(server.messages)) == (GENERAL, 2)


async def test_a_reply_to_a_deleted_forbidden_or_foreign_message_is_rejected(
    server: DiscordServer, responder: DiscordResponder
):
    message = server.add_message("in ritardo")
    with pytest.raises(Rejected, match="Unknown message"):
        await responder.publish(reply("99"))
    server.failures = [(403, {"message": "Missing Permissions", "code": 50013}, {})]
    with pytest.raises(Rejected, match="Missing Permissions"):
        await responder.publish(reply(message["id"]))
    with pytest.raises(Rejected):
        await responder.publish(reply("at://x"))


async def test_short_rate_limits_are_waited_for_and_long_ones_reported(
    server: DiscordServer, responder: DiscordResponder
):
    message = server.add_message("in ritardo")
    await responder.connect()
    soon = {"message": "You are being rate limited.", "retry_after": 0.05, "global": False}
    server.failures = [(429, soon, {"Via": "1.1 google"})]
    await responder.publish(reply(message["id"]))
    server.failures = [(429, {**soon, "retry_after": 600}, {"Via": "1.1 google"})]
    with pytest.raises(Unavailable) as limited:
        await responder.publish(reply(message["id"], key="k-2"))
    assert limited.value.retry_after == 600
    server.failures = [(429, {"message": "banned"}, {"Retry-After": "3600"})]  # by Discord's proxy
    with pytest.raises(Unavailable) as limited:
        await responder.publish(reply(message["id"], key="k-3"))
    assert limited.value.retry_after == 3600


async def test_a_revoked_token_is_unauthorized(server: DiscordServer, responder: DiscordResponder):
    message = server.add_message("in ritardo")
    await responder.connect()
    server.token = "another"
    with pytest.raises(Unauthorized, match="token_env"):
        await responder.publish(reply(message["id"]))


async def test_the_fate_of_a_reply_after_a_long_conversation_is_unknown_until_it_is_found(
    server: DiscordServer, responder: DiscordResponder
):
    message = server.add_message("in ritardo")
    for n in range(250):
        server.add_message(f"e poi {n}")
    assert await responder.find(reply(message["id"])) == "unknown"
    await responder.publish(reply(message["id"]))
    assert isinstance(await responder.find(reply(message["id"])), Address)
