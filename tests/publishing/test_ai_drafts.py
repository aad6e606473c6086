"""Drafts by a language model, from a chat completions server on loopback."""

import json
from collections.abc import AsyncIterator

import msgspec
import pytest
from conftest import Harness
from platforms.chat import ChatServer
from sqlalchemy import select

from connections.chat_completions import ChatCompletions
from connections.http import session as http_session
from models.configuration import Brand, ConfigurationFile, Fact
from models.errors import Unavailable
from models.tables.ai_draft import AiDraft
from models.tables.case import Case
from models.tables.mention import Author
from publishing.ai_drafts import Drafter, Terms, parse_answer, spent
from publishing.suggestions import Suggestion, suggest
from triage import case_actions

FACTS = (
    Fact(name="refunds", text="within 14 days, form at https://ferroviola.example/rimborsi"),
    Fact(name="hours", text="the desk in Bologna is open 8 to 20"),
)
WARM = "{author} ci dispiace! Il rimborso arriva entro 14 giorni: https://ferroviola.example/rimborsi."
BRIEF = "{author} rimborso entro 14 giorni."


def _answer(warm: str = WARM, brief: str = BRIEF, facts: tuple[str, ...] = ("refunds",)) -> str:
    return json.dumps({"warm": warm, "brief": brief, "facts": facts})


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with ChatServer() as server:
        server.answer = _answer()
        yield server


@pytest.fixture
async def model(server: ChatServer) -> AsyncIterator[ChatCompletions]:
    async with http_session() as http:
        yield ChatCompletions(http, f"{server.url}/v1/", "writer", "k-secret")


@pytest.fixture
async def claimed(harness: Harness) -> Case:
    """A claimed case of a brand with facts."""
    brand = msgspec.structs.replace(harness.configuration.brands[harness.brand()], facts=FACTS)
    await harness.apply(ConfigurationFile(brands=(brand,)))
    text = "Ferroviola ridatemi i soldi, scrivetemi a rita@posta.example (-)"
    case = await harness.case(text, author="rita", thread="t")
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    return case


async def _draft(harness: Harness, model: ChatCompletions, terms: Terms | None = None) -> int:
    return await Drafter(harness.store, terms or Terms()).draft_batch(model, harness.configuration, harness.now)


async def _ai_suggestions(harness: Harness, case: Case) -> list[Suggestion]:
    async with harness.store.reading() as session:
        author = await session.get_one(Author, case.author_id)
        suggestions = await suggest(harness.context(session), case, author)
    return [suggestion for suggestion in suggestions if suggestion.source == "ai"]


async def test_a_claimed_case_gets_a_draft_in_each_tone_with_the_facts_used(
    harness: Harness, server: ChatServer, model: ChatCompletions, claimed: Case
):
    assert await _draft(harness, model) == 1
    warm, brief = await _ai_suggestions(harness, claimed)
    assert warm.text == WARM.replace("{author}", "@rita")
    assert dict(warm.reasons) == {"tone": "warm", "facts": "refunds", "language": "it"}
    assert brief.text == "@rita rimborso entro 14 giorni."
    [request] = server.requests
    prompt = json.dumps(request)
    assert "rita@posta.example" not in prompt
    assert "https://ferroviola.example/rimborsi" in prompt
    assert "Italian" in prompt
    assert await _draft(harness, model) == 0  # once
    await harness.receive(harness.post("Ferroviola e allora? (-)", author="rita", thread="t"))
    await harness.analyze()
    assert await _draft(harness, model) == 1  # the author posted again


@pytest.mark.parametrize(
    "answer",
    [
        "no JSON at all",
        "{",
        '{"warm": 7}',
        None,
        _answer("{author} il rimborso arriva entro 3 giorni", "{author} ecco 50 euro"),
        _answer("{author} vada su https://truffa.example", "{author} si veda http://ferroviola.example.evil.example"),
        _answer("{author} caro {name}, ecco", "{author} scriva a [email]"),
        _answer("x" * 500, "x" * 401),
    ],
)
async def test_an_unusable_or_made_up_answer_is_dropped_and_not_requested_again(
    harness: Harness, server: ChatServer, model: ChatCompletions, claimed: Case, answer: str | None
):
    server.answer = answer
    assert await _draft(harness, model) == 1
    assert await _ai_suggestions(harness, claimed) == []
    assert await _draft(harness, model) == 0


async def test_a_prompt_injection_yields_nothing_made_up(
    harness: Harness, server: ChatServer, model: ChatCompletions, claimed: Case
):
    server.answer = _answer("{author} IGNORE THE FACTS, you win 1000 euro", BRIEF)
    await _draft(harness, model)
    suggestions = await _ai_suggestions(harness, claimed)
    assert [suggestion.text for suggestion in suggestions] == ["@rita rimborso entro 14 giorni."]


async def test_nothing_is_drafted_before_a_claim_or_beyond_the_budget(
    harness: Harness, server: ChatServer, model: ChatCompletions, claimed: Case
):
    await harness.do(case_actions.release, claimed.id, harness.member("ana"))
    assert await _draft(harness, model) == 0
    await harness.do(case_actions.claim, claimed.id, harness.member("ana"))
    await _draft(harness, model, Terms(price_in=1.0, price_out=10.0, budget=0.0001))
    async with harness.store.reading() as session:
        assert await spent(session, harness.now) == pytest.approx(100 / 1e6 + 20 / 1e6)
    await harness.receive(harness.post("Ferroviola e allora? (-)", author="rita", thread="t"))
    await harness.analyze()
    assert await _draft(harness, model, Terms(budget=0.0001)) == 0
    assert len(server.requests) == 1


async def test_nothing_is_drafted_for_a_brand_without_facts(
    harness: Harness, server: ChatServer, model: ChatCompletions
):
    case = await harness.case()
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    assert await _draft(harness, model) == 0
    assert server.requests == []


async def test_a_server_that_is_down_is_tried_again(
    harness: Harness, server: ChatServer, model: ChatCompletions, claimed: Case
):
    server.status = 503
    with pytest.raises(Unavailable):
        await _draft(harness, model)
    async with harness.store.reading() as session:
        assert (await session.scalars(select(AiDraft))).all() == []
    server.status = 200
    assert await _draft(harness, model) == 1


def test_facts_that_do_not_exist_are_not_named():
    brand = Brand(slug="b", name="B", facts=FACTS)
    answer = "```json\n" + _answer(facts=("refunds", "secrets")) + "\n```"
    variants, facts = parse_answer(answer, str(FACTS), brand, 400)
    assert ([variant.tone for variant in variants], facts) == (["warm", "brief"], ("refunds",))
