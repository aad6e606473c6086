"""Second opinions, against a server that speaks chat completions on loopback."""

import time

import pytest
from conftest import House, MarkReader
from platforms.chat import ChatServer
from sqlalchemy import select

from connections.chat import Chat, completion
from connections.http import session as http_session
from models.errors import Rejected, Unauthorized, Unavailable
from models.mention import MentionBrand
from models.opinion import Opinion
from models.post import Deletion
from models.sentiment import Reading
from store.mentions import empty
from triage.masking import masked
from triage.opinions import Opinions, Terms, spent, understood
from triage.reading import Triage

TERMS = Terms("judge", 0.1, price_in=1.0, price_out=10.0)


class Doubting(MarkReader):
    """Unsure of what holds a (?)."""

    def read(self, texts, tags, *_):
        sure = super().read(texts, tags)
        doubt = Reading(language="it", sentiment="neutral", negative=0.33, neutral=0.34, positive=0.33)
        return [doubt if "(?)" in text else reading for text, reading in zip(texts, sure, strict=True)]


@pytest.fixture
async def server():
    async with ChatServer() as server:
        yield server


@pytest.fixture
async def chat(server: ChatServer):
    async with http_session() as http:
        yield Chat(http, f"{server.url}/v1/", "judge", "k-secret")


@pytest.fixture
async def opinions(house: House) -> Opinions:
    """A house that has read enough to know what unsure means."""
    opinions = Opinions(house.store, TERMS)
    house.triage = Triage(house.store, Doubting(), opinions=opinions)
    await house.hear(*(house.post(f"Ferroviola {n} (+)", f"sure{n}") for n in range(60)))
    await house.read()
    return opinions


async def reads(house: House) -> list[MentionBrand]:
    async with house.store.reading() as session:
        return list(await session.scalars(select(MentionBrand).order_by(MentionBrand.mention_id)))


async def test_what_is_unsure_is_asked_about_once_and_opens_a_case_when_it_is_bad(
    house: House, opinions: Opinions, server: ChatServer, chat: Chat
):
    await house.hear(house.post("Ferroviola, complimenti davvero (?)", "rita"))
    await house.hear(house.post("Ferroviola, complimenti davvero (?)", "nino"))
    await house.read()
    assert await house.cases() == []
    assert await opinions.ask_batch(chat, house.now) == 1
    await house.read()
    assert [case.sentiment for case in await house.cases()] == ["negative", "negative"]
    assert await opinions.ask_batch(chat, house.now) == 0
    await house.hear(house.post("Ferroviola, complimenti davvero (?)", "ada"))  # known by now
    await house.read()
    assert len(await house.cases()) == 3
    assert len(server.asked) == 1
    assert server.keys == ["Bearer k-secret"]
    assert (await reads(house))[-1].negative == pytest.approx(0.665)


async def test_what_is_sure_or_old_is_not_asked_about(house: House, opinions: Opinions, chat: Chat):
    await house.hear(house.post("Ferroviola (-)", "rita"), house.post("Ferroviola (?)", "nino", origin="import"))
    await house.read()
    assert await opinions.ask_batch(chat, house.now) == 0


async def test_too_few_readings_say_nothing_about_what_is_unsure(house: House):
    assert await Opinions(house.store, TERMS).bar() == 0.0


async def test_the_cost_is_counted_and_the_budget_holds(
    house: House, opinions: Opinions, server: ChatServer, chat: Chat
):
    await house.hear(house.post("Ferroviola (?)", "rita"))
    await house.read()
    await opinions.ask_batch(chat, house.now)
    async with house.store.reading() as session:
        assert await spent(session, house.now) == pytest.approx((100 * 1.0 + 2 * 10.0) / 1e6)
    frugal = Opinions(house.store, Terms("judge", 0.1, budget=0.0001))
    await house.hear(house.post("Ferroviola boh (?)", "nino"))
    await house.read()
    assert await frugal.ask_batch(chat, house.now) == 0
    assert len(server.asked) == 1
    assert await frugal.ask_batch(chat, house.later(days=10)) == 1  # another month


async def test_an_answer_that_makes_no_sense_is_kept_as_none_and_not_asked_for_again(
    house: House, opinions: Opinions, server: ChatServer, chat: Chat
):
    server.answer = "It is either negative or positive."
    await house.hear(house.post("Ferroviola (?)", "rita"))
    await house.read()
    assert await opinions.ask_batch(chat, house.now) == 1
    assert await opinions.ask_batch(chat, house.now) == 0
    [opinion] = await _opinions(house)
    assert (opinion.sentiment, opinion.tokens_in) == (None, 100)
    assert await house.cases() == []


async def _opinions(house: House) -> list[Opinion]:
    async with house.store.reading() as session:
        return list(await session.scalars(select(Opinion)))


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, {}, Unauthorized),
        (404, {}, Unauthorized),
        (429, {"Retry-After": "7"}, Unavailable),
        (500, {}, Unavailable),
    ],
)
async def test_a_server_that_refuses_leaves_the_question_to_be_asked_later(
    house: House, opinions: Opinions, server: ChatServer, chat: Chat, status: int, headers: dict, kind: type
):
    await house.hear(house.post("Ferroviola (?)", "rita"))
    await house.read()
    server.status, server.headers = status, headers
    with pytest.raises(kind):
        await opinions.ask_batch(chat, house.now)
    server.status = 200
    assert await opinions.ask_batch(chat, house.now) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"choices": []}', b'{"choices": [{"message": "no"}]}', b"\xff"])
def test_rubbish_is_no_completion(body: bytes):
    with pytest.raises(Rejected):
        completion(body)


async def test_what_is_deleted_is_not_sent_away(house: House, opinions: Opinions, server: ChatServer, chat: Chat):
    post = house.post("Ferroviola (?)", "rita")
    await house.hear(post)
    await house.read()
    async with house.store.writing() as session:
        await empty(session, Deletion(platform="square", native_id=post.native_id), house.now)
    assert await opinions.ask_batch(chat, house.now) == 0
    assert server.asked == []


async def test_an_answer_does_not_bring_a_deleted_twin_back(house: House, opinions: Opinions, chat: Chat):
    gone = house.post("Ferroviola (?)", "rita")
    await house.hear(gone, house.post("Ferroviola (?)", "nino"))
    await house.read()
    async with house.store.writing() as session:
        await empty(session, Deletion(platform="square", native_id=gone.native_id), house.now)
    assert await opinions.ask_batch(chat, house.now) == 1
    unread = [read for read in await reads(house) if read.read_at is None]
    assert len(unread) == 1
    await house.read()
    assert len(await house.cases()) == 1


async def test_a_number_at_the_edge_of_what_is_sent_is_masked_whole(
    house: House, opinions: Opinions, server: ChatServer, chat: Chat
):
    await house.hear(house.post("Ferroviola (?) " + "a " * 740 + "+39 333 123 4567", "rita"))
    await house.read()
    await opinions.ask_batch(chat, house.now)
    assert "333" not in str(server.asked)


async def test_personal_data_does_not_leave_the_house(house: House, opinions: Opinions, server: ChatServer, chat: Chat):
    said = (
        "Ferroviola (?) scrivetemi a rita.b@posta.example o al +39 333 123 4567, IBAN IT60 X054 2811 1010 0000 0123 456"
    )
    await house.hear(house.post(f"{said} @nino https://x.example/rita RSSMRA85T10A562S", "rita"))
    await house.read()
    await opinions.ask_batch(chat, house.now)
    sent = str(server.asked)
    for secret in ("rita.b", "333", "IT60", "0123", "nino", "x.example", "RSSMRA"):
        assert secret not in sent
    assert "[email]" in sent


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("treno delle 14:30 in ritardo di 40 minuti", "treno delle 14:30 in ritardo di 40 minuti"),
        ("dal 23/11/2026 aspetto", "dal [number] aspetto"),
        ("AWB RO1234567890 nelivrat", "AWB [account] nelivrat"),
        ("VERGOGNA FERROVIOLA", "VERGOGNA FERROVIOLA"),
        ("chiamate 0721-123-456!", "chiamate [number]!"),
    ],
)
def test_what_is_masked_is_what_points_at_a_person(text: str, left: str):
    assert masked(text) == left


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("negative", "negative"),
        (" Negative.\n", "negative"),
        ("", None),
        ("not positive, negative", None),
        ("bad", None),
    ],
)
def test_only_one_plain_word_is_an_answer(answer: str, label: str | None):
    assert understood(answer) == label


@pytest.mark.parametrize("text", ["_" * 20_000, "a@" * 10_000, "1 " * 10_000 + "x", "A1" * 10_000, "@" + "." * 20_000])
def test_masking_takes_no_longer_for_what_is_made_to_take_long(text: str):
    spent = time.process_time()
    masked(text)
    assert time.process_time() - spent < 0.5
