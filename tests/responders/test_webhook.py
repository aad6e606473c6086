import pytest
from platforms.webhook import ReplyServer

from connections.http import session as http_session
from models.errors import Rejected, Unauthorized, Unavailable, Uncertain
from models.outgoing import Address, Outgoing
from responders.webhook import WebhookResponder

SECRET = "a secret that only two know"
REPLY = Outgoing(
    id=1, key="k-1", text="Ci scusiamo", language="it", platform="webhook", in_reply_to="42", thread="42", author="ana"
)


@pytest.fixture
async def server():
    async with ReplyServer(SECRET) as server:
        yield server


@pytest.fixture
async def responder(server: ReplyServer):
    async with http_session() as http:
        yield WebhookResponder("site", f"{server.url}/replies", SECRET, http, max_length=500)


async def test_a_reply_is_posted_with_a_signature_and_published_once(server: ReplyServer, responder: WebhookResponder):
    await responder.connect()
    address = await responder.publish(REPLY)
    assert address == await responder.publish(REPLY) == Address(native_id="1", url="https://site.example/replies/1")
    assert (server.replies["k-1"]["text"], server.replies["k-1"]["in_reply_to"], len(server.replies)) == (
        "Ci scusiamo",
        "42",
        1,
    )


async def test_a_reply_whose_response_was_lost_is_looked_up(server: ReplyServer, responder: WebhookResponder):
    assert await responder.find(REPLY) == "none"
    server.lose_response = True
    with pytest.raises(Uncertain):
        await responder.publish(REPLY)
    assert isinstance(await responder.find(REPLY), Address)
    server.failures = [(405, {})]
    assert await responder.find(REPLY) == "unknown"


async def test_another_secret_is_unauthorized(server: ReplyServer, responder: WebhookResponder):
    server.secret = "another"
    with pytest.raises(Unauthorized, match="same secret"):
        await responder.connect()
    with pytest.raises(Unauthorized, match="same secret"):
        await responder.publish(REPLY)


@pytest.mark.parametrize(
    ("response", "error", "wait"),
    [
        ((429, {"Retry-After": "9"}), Unavailable, 9),
        ((503, {}), Unavailable, None),
        ((500, {}), Uncertain, None),
        ((400, {}), Rejected, None),
        ((302, {"Location": "http://elsewhere.example/"}), Rejected, None),
    ],
)
async def test_every_error_response_becomes_an_edge_error(
    server: ReplyServer, responder: WebhookResponder, response, error, wait
):
    server.failures = [response]
    with pytest.raises(error) as raised:
        await responder.publish(REPLY)
    assert getattr(raised.value, "retry_after", None) == wait


async def test_a_server_that_is_down_is_unavailable(server: ReplyServer, responder: WebhookResponder):
    await server.stop()
    with pytest.raises(Unavailable):
        await responder.connect()
