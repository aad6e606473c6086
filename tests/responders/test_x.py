from datetime import UTC, datetime

import pytest
from platforms.x import BEARER, XServer

from connections.http import session as http_session
from connections.x import Keys, Ledger, Prices, X
from models.catalogue import Brand
from models.errors import Paused, Rejected, Unauthorized, Unavailable, Uncertain
from models.reply import Address, Outgoing
from responders.x import XVoice
from triage.checks import Checker, Draft


@pytest.fixture
async def server():
    async with XServer() as server:
        yield server


@pytest.fixture
async def voice(server: XServer):
    async with http_session() as http:
        yield voice_of(server, http)


def voice_of(server: XServer, http, budget: float = 10.0) -> XVoice:
    ledger = Ledger(budget, Prices(0.005, 0.01, 0.015, 0.2, 0.005), lambda: datetime(2026, 11, 23, tzinfo=UTC))
    return XVoice(X("x", Keys(BEARER, "ck", "cs", "access", "as"), ledger, http, base_url=server.url))


def reply(under: str, text: str = "Ci scusiamo", key: str = "k") -> Outgoing:
    return Outgoing(id=1, key=key, text=text, language="it", platform="x", under=under, thread=under)


async def test_a_reply_is_said_under_the_post(server: XServer, voice: XVoice):
    post = server.post("@ferroviola in ritardo")
    address = await voice.publish(reply(post["id"]))
    said = server.posts[address.native_id]
    assert (said["referenced_tweets"], address.url) == (
        [{"type": "replied_to", "id": post["id"]}], f"https://x.com/ferroviola/status/{said['id']}",
    )  # fmt: skip


async def test_a_reply_whose_answer_was_lost_is_found_and_not_said_twice(server: XServer, voice: XVoice):
    post = server.post("@ferroviola in ritardo")
    await voice.connect()
    assert await voice.find(reply(post["id"])) == "none"
    server.lose_answer = True
    with pytest.raises(Uncertain):
        await voice.publish(reply(post["id"], "Ci scusiamo: https://ferroviola.example/x"))
    assert isinstance(await voice.find(reply(post["id"], "Ci scusiamo: https://ferroviola.example/x")), Address)
    assert await voice.find(reply(post["id"], "Altro")) == "none"


async def test_x_lets_a_program_answer_only_who_asked(server: XServer, voice: XVoice):
    server.only_who_asked = True
    with pytest.raises(Rejected, match="have not been mentioned"):
        await voice.publish(reply(server.post("ferroviola in ritardo")["id"]))
    await voice.publish(reply(server.post("@ferroviola in ritardo")["id"]))


def test_the_editor_says_so_beforehand():
    checker = Checker({"x": XVoice(_Named()).capabilities})
    draft = Draft(
        text="Ci scusiamo", language="it", brand=Brand(slug="b", name="B"), connection="x", author="rita", complaint=False,
        asked_us=False,
    )  # fmt: skip
    assert [f.kind for f in checker.check(draft)] == ["refusal"]


class _Named:
    name = "x"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((401, {"detail": "Unauthorized"}, {}), Unauthorized),
        ((402, {"detail": "CreditsDepleted"}, {}), Paused),
        ((429, {}, {}), Unavailable),
        ((400, {"detail": "Bad"}, {}), Rejected),
        ((500, {}, {}), Uncertain),
    ],
)
async def test_every_refusal_is_one_of_ours(server: XServer, voice: XVoice, answer, error):
    post = server.post("@ferroviola")
    await voice.connect()
    server.fails = [answer]
    with pytest.raises(error):
        await voice.publish(reply(post["id"]))


async def test_a_reply_with_a_link_needs_more_of_the_budget(server: XServer):
    post = server.post("@ferroviola")
    async with http_session() as http:
        voice = voice_of(server, http, budget=0.1)
        with pytest.raises(Paused):
            await voice.publish(reply(post["id"], "Vedi https://ferroviola.example"))
        await voice.publish(reply(post["id"], "Ci scusiamo"))


async def test_length_is_counted_as_x_does_and_premium_may_say_more(server: XServer, voice: XVoice):
    await voice.connect()
    can = voice.capabilities
    assert [can.length(text) for text in ("ciao", "日本", "👨‍👩‍👧", "https://example.com/" + "x" * 99)] == [4, 4, 2, 23]
    assert can.longest == 280
    server.subscription = "Premium"
    async with http_session() as http:
        premium = voice_of(server, http)
        await premium.connect()
    assert premium.capabilities.longest == 25_000


async def test_a_reply_that_x_took_and_answered_with_nonsense_is_uncertain(server: XServer, voice: XVoice):
    post = server.post("@ferroviola")
    await voice.connect()
    server.next_answers = [(201, b"<html>")]
    with pytest.raises(Uncertain):
        await voice.publish(reply(post["id"]))


async def test_what_x_escapes_is_found_all_the_same(server: XServer, voice: XVoice):
    post = server.post("@ferroviola")
    said = server.post("Pane &amp; vino", {"id": "1", "username": "ferroviola"}, post["id"])
    found = await voice.find(reply(post["id"], "Pane & vino"))
    assert isinstance(found, Address)
    assert found.native_id == said["id"]
