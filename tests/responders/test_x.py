from datetime import UTC, datetime

import pytest
from platforms.x import BEARER, XServer

from connections.http import session as http_session
from connections.x import Keys, Ledger, Prices, X
from models.configuration import Brand
from models.errors import Paused, Rejected, Unauthorized, Unavailable, Uncertain
from models.outgoing import Address, Outgoing
from publishing.checks import Checker, Draft
from responders.x import XResponder


@pytest.fixture
async def server():
    async with XServer() as server:
        yield server


@pytest.fixture
async def responder(server: XServer):
    async with http_session() as http:
        yield responder_for(server, http)


def responder_for(server: XServer, http, budget: float = 10.0) -> XResponder:
    ledger = Ledger(budget, Prices(0.005, 0.01, 0.015, 0.2, 0.005), lambda: datetime(2026, 11, 23, tzinfo=UTC))
    return XResponder(X("x", Keys(BEARER, "ck", "cs", "access", "as"), ledger, http, base_url=server.url))


def reply(to: str, text: str = "Ci scusiamo", key: str = "k") -> Outgoing:
    return Outgoing(id=1, key=key, text=text, language="it", platform="x", in_reply_to=to, thread=to)


async def test_a_reply_is_published_under_the_post(server: XServer, responder: XResponder):
    post = server.post("@ferroviola in ritardo")
    address = await responder.publish(reply(post["id"]))
    published = server.posts[address.native_id]
    assert published["referenced_tweets"] == [{"type": "replied_to", "id": post["id"]}]
    assert address.url == f"https://x.com/ferroviola/status/{published['id']}"


async def test_a_reply_whose_response_was_lost_is_looked_up(server: XServer, responder: XResponder):
    post = server.post("@ferroviola in ritardo")
    await responder.connect()
    assert await responder.find(reply(post["id"])) == "none"
    server.lose_response = True
    with pytest.raises(Uncertain):
        await responder.publish(reply(post["id"], "Ci scusiamo: https://ferroviola.example/x"))
    assert isinstance(await responder.find(reply(post["id"], "Ci scusiamo: https://ferroviola.example/x")), Address)
    assert await responder.find(reply(post["id"], "Altro")) == "none"


async def test_a_reply_to_an_author_who_did_not_mention_us_is_rejected(server: XServer, responder: XResponder):
    server.only_when_addressed = True
    with pytest.raises(Rejected, match="have not been mentioned"):
        await responder.publish(reply(server.post("ferroviola in ritardo")["id"]))
    await responder.publish(reply(server.post("@ferroviola in ritardo")["id"]))


def test_the_checks_warn_that_such_a_reply_will_be_refused():
    checker = Checker({"x": XResponder(_Connection()).capabilities})
    draft = Draft(
        text="Ci scusiamo", language="it", brand=Brand(slug="b", name="B"), connection="x", author="rita", complaint=False,
        addresses_us=False,
    )  # fmt: skip
    assert [f.kind for f in checker.check(draft)] == ["rejection"]


class _Connection:
    name = "x"


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        ((401, {"detail": "Unauthorized"}, {}), Unauthorized),
        ((402, {"detail": "CreditsDepleted"}, {}), Paused),
        ((429, {}, {}), Unavailable),
        ((400, {"detail": "Bad"}, {}), Rejected),
        ((500, {}, {}), Uncertain),
    ],
)
async def test_http_errors_become_edge_errors(server: XServer, responder: XResponder, failure, error):
    post = server.post("@ferroviola")
    await responder.connect()
    server.failures = [failure]
    with pytest.raises(error):
        await responder.publish(reply(post["id"]))


async def test_a_reply_with_a_link_costs_more(server: XServer):
    post = server.post("@ferroviola")
    async with http_session() as http:
        responder = responder_for(server, http, budget=0.1)
        with pytest.raises(Paused):
            await responder.publish(reply(post["id"], "Vedi https://ferroviola.example"))
        await responder.publish(reply(post["id"], "Ci scusiamo"))


async def test_length_is_counted_as_x_does_and_premium_accounts_have_a_higher_limit(
    server: XServer, responder: XResponder
):
    await responder.connect()
    capabilities = responder.capabilities
    assert [capabilities.length(text) for text in ("ciao", "日本", "👨‍👩‍👧", "https://example.com/" + "x" * 99)] == [
        4,
        4,
        2,
        23,
    ]
    assert capabilities.max_length == 280
    server.subscription = "Premium"
    async with http_session() as http:
        premium = responder_for(server, http)
        await premium.connect()
    assert premium.capabilities.max_length == 25_000


async def test_an_unreadable_response_to_a_reply_is_uncertain(server: XServer, responder: XResponder):
    post = server.post("@ferroviola")
    await responder.connect()
    server.next_responses = [(201, b"<html>")]
    with pytest.raises(Uncertain):
        await responder.publish(reply(post["id"]))


async def test_a_reply_with_escaped_characters_is_found(server: XServer, responder: XResponder):
    post = server.post("@ferroviola")
    published = server.post("Pane &amp; vino", {"id": "1", "username": "ferroviola"}, post["id"])
    address = await responder.find(reply(post["id"], "Pane & vino"))
    assert isinstance(address, Address)
    assert address.native_id == published["id"]
