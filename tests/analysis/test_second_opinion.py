"""Second opinions, against a chat completions server on loopback."""

import time

import pytest
from conftest import Harness, MarkReader
from platforms.chat import ChatServer
from sqlalchemy import select

from analysis.masking import masked
from analysis.second_opinion import SecondOpinions, Terms, parse_answer, spent
from connections.chat_completions import ChatCompletions, completion
from connections.http import session as http_session
from models.errors import Rejected, Unauthorized, Unavailable
from models.incoming import Deletion
from models.sentiment import Reading
from models.tables.mention import MentionBrand
from models.tables.second_opinion import SecondOpinion
from store.erasure import erase_deleted
from triage.classification import Classification

TERMS = Terms("judge", 0.1, price_in=1.0, price_out=10.0)


class UnsureReader(MarkReader):
    """Unsure about texts with (?)."""

    def read(self, texts, tags, *_):
        readings = super().read(texts, tags)
        unsure = Reading(language="it", sentiment="neutral", negative=0.33, neutral=0.34, positive=0.33)
        return [unsure if "(?)" in text else reading for text, reading in zip(texts, readings, strict=True)]


@pytest.fixture
async def server():
    async with ChatServer() as server:
        yield server


@pytest.fixture
async def chat(server: ChatServer):
    async with http_session() as http:
        yield ChatCompletions(http, f"{server.url}/v1/", "judge", "k-secret")


@pytest.fixture
async def opinions(harness: Harness) -> SecondOpinions:
    """After enough mentions for a threshold."""
    opinions = SecondOpinions(harness.store, TERMS)
    harness.classification = Classification(harness.store, UnsureReader(), second_opinions=opinions)
    await harness.receive(*(harness.post(f"Ferroviola {n} (+)", f"sure{n}") for n in range(60)))
    await harness.analyze()
    return opinions


async def matches(harness: Harness) -> list[MentionBrand]:
    async with harness.store.reading() as session:
        return list(await session.scalars(select(MentionBrand).order_by(MentionBrand.mention_id)))


async def test_an_unsure_text_is_asked_about_once_and_opens_a_case_if_negative(
    harness: Harness, opinions: SecondOpinions, server: ChatServer, chat: ChatCompletions
):
    await harness.receive(harness.post("Ferroviola, complimenti davvero (?)", "rita"))
    await harness.receive(harness.post("Ferroviola, complimenti davvero (?)", "nino"))
    await harness.analyze()
    assert await harness.cases() == []
    assert await opinions.ask_batch(chat, harness.now) == 1
    await harness.analyze()
    assert [case.sentiment for case in await harness.cases()] == ["negative", "negative"]
    assert await opinions.ask_batch(chat, harness.now) == 0
    await harness.receive(harness.post("Ferroviola, complimenti davvero (?)", "ada"))  # the same text, already answered
    await harness.analyze()
    assert len(await harness.cases()) == 3
    assert len(server.requests) == 1
    assert server.keys == ["Bearer k-secret"]
    assert (await matches(harness))[-1].negative == pytest.approx(0.665)


async def test_sure_and_imported_texts_are_not_asked_about(
    harness: Harness, opinions: SecondOpinions, chat: ChatCompletions
):
    await harness.receive(
        harness.post("Ferroviola (-)", "rita"), harness.post("Ferroviola (?)", "nino", origin="import")
    )
    await harness.analyze()
    assert await opinions.ask_batch(chat, harness.now) == 0


async def test_with_too_few_mentions_the_threshold_is_zero(harness: Harness):
    assert await SecondOpinions(harness.store, TERMS).threshold() == 0.0


async def test_the_cost_is_counted_and_the_budget_is_kept(
    harness: Harness, opinions: SecondOpinions, server: ChatServer, chat: ChatCompletions
):
    await harness.receive(harness.post("Ferroviola (?)", "rita"))
    await harness.analyze()
    await opinions.ask_batch(chat, harness.now)
    async with harness.store.reading() as session:
        assert await spent(session, harness.now) == pytest.approx((100 * 1.0 + 2 * 10.0) / 1e6)
    limited = SecondOpinions(harness.store, Terms("judge", 0.1, budget=0.0001))
    await harness.receive(harness.post("Ferroviola boh (?)", "nino"))
    await harness.analyze()
    assert await limited.ask_batch(chat, harness.now) == 0
    assert len(server.requests) == 1
    assert await limited.ask_batch(chat, harness.advance(days=10)) == 1  # another month


async def test_an_unusable_answer_is_stored_as_none_and_not_requested_again(
    harness: Harness, opinions: SecondOpinions, server: ChatServer, chat: ChatCompletions
):
    server.answer = "It is either negative or positive."
    await harness.receive(harness.post("Ferroviola (?)", "rita"))
    await harness.analyze()
    assert await opinions.ask_batch(chat, harness.now) == 1
    assert await opinions.ask_batch(chat, harness.now) == 0
    [opinion] = await _opinions(harness)
    assert (opinion.sentiment, opinion.tokens_in) == (None, 100)
    assert await harness.cases() == []


async def _opinions(harness: Harness) -> list[SecondOpinion]:
    async with harness.store.reading() as session:
        return list(await session.scalars(select(SecondOpinion)))


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (401, {}, Unauthorized),
        (404, {}, Unauthorized),
        (429, {"Retry-After": "7"}, Unavailable),
        (500, {}, Unavailable),
    ],
)
async def test_after_a_server_error_the_text_is_asked_about_later(
    harness: Harness,
    opinions: SecondOpinions,
    server: ChatServer,
    chat: ChatCompletions,
    status: int,
    headers: dict,
    error: type[Exception],
):
    await harness.receive(harness.post("Ferroviola (?)", "rita"))
    await harness.analyze()
    server.status, server.headers = status, headers
    with pytest.raises(error):
        await opinions.ask_batch(chat, harness.now)
    server.status = 200
    assert await opinions.ask_batch(chat, harness.now) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"choices": []}', b'{"choices": [{"message": "no"}]}', b"\xff"])
def test_an_invalid_completion_is_rejected(body: bytes):
    with pytest.raises(Rejected):
        completion(body)


async def test_a_deleted_text_is_not_sent(
    harness: Harness, opinions: SecondOpinions, server: ChatServer, chat: ChatCompletions
):
    post = harness.post("Ferroviola (?)", "rita")
    await harness.receive(post)
    await harness.analyze()
    async with harness.store.writing() as session:
        await erase_deleted(session, Deletion(platform="square", native_id=post.native_id), harness.now)
    assert await opinions.ask_batch(chat, harness.now) == 0
    assert server.requests == []


async def test_an_answer_does_not_restore_a_deleted_post_with_the_same_text(
    harness: Harness, opinions: SecondOpinions, chat: ChatCompletions
):
    deleted = harness.post("Ferroviola (?)", "rita")
    await harness.receive(deleted, harness.post("Ferroviola (?)", "nino"))
    await harness.analyze()
    async with harness.store.writing() as session:
        await erase_deleted(session, Deletion(platform="square", native_id=deleted.native_id), harness.now)
    assert await opinions.ask_batch(chat, harness.now) == 1
    unanalyzed = [match for match in await matches(harness) if match.analyzed_at is None]
    assert len(unanalyzed) == 1
    await harness.analyze()
    assert len(await harness.cases()) == 1


async def test_a_number_where_the_text_is_truncated_is_masked_completely(
    harness: Harness, opinions: SecondOpinions, server: ChatServer, chat: ChatCompletions
):
    await harness.receive(harness.post("Ferroviola (?) " + "a " * 740 + "+39 333 123 4567", "rita"))
    await harness.analyze()
    await opinions.ask_batch(chat, harness.now)
    assert "333" not in str(server.requests)


async def test_personal_data_is_not_sent(
    harness: Harness, opinions: SecondOpinions, server: ChatServer, chat: ChatCompletions
):
    text = (
        "Ferroviola (?) scrivetemi a rita.b@posta.example o al +39 333 123 4567, IBAN IT60 X054 2811 1010 0000 0123 456"
    )
    await harness.receive(harness.post(f"{text} @nino https://x.example/rita RSSMRA85T10A562S", "rita"))
    await harness.analyze()
    await opinions.ask_batch(chat, harness.now)
    sent = str(server.requests)
    for secret in ("rita.b", "333", "IT60", "0123", "nino", "x.example", "RSSMRA"):
        assert secret not in sent
    assert "[email]" in sent


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("treno delle 14:30 in ritardo di 40 minuti", "treno delle 14:30 in ritardo di 40 minuti"),
        ("dal 23/11/2026 aspetto", "dal [number] aspetto"),
        ("AWB RO1234567890 nelivrat", "AWB [account] nelivrat"),
        ("VERGOGNA FERROVIOLA", "VERGOGNA FERROVIOLA"),
        ("chiamate 0721-123-456!", "chiamate [number]!"),
    ],
)
def test_only_personal_data_is_masked(text: str, expected: str):
    assert masked(text) == expected


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
def test_only_one_label_is_an_answer(answer: str, label: str | None):
    assert parse_answer(answer) == label


@pytest.mark.parametrize("text", ["_" * 20_000, "a@" * 10_000, "1 " * 10_000 + "x", "A1" * 10_000, "@" + "." * 20_000])
def test_masking_a_hostile_text_takes_no_longer(text: str):
    started = time.process_time()
    masked(text)
    assert time.process_time() - started < 0.5
