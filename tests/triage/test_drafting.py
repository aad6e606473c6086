"""Drafts by a language model, against a server that speaks chat completions on loopback."""

import json

import pytest
from conftest import House
from platforms.chat import ChatServer
from sqlalchemy import select

from connections.chat import Chat
from connections.http import session as http_session
from models.catalogue import Contents, Fact
from models.drafted import Drafted
from models.errors import Unavailable
from models.mention import Author
from triage import actions
from triage.drafting import Drafter, Terms, spent, understood
from triage.suggestions import suggest

FACTS = (
    Fact(name="refunds", text="within 14 days, form at https://ferroviola.example/rimborsi"),
    Fact(name="hours", text="the desk in Bologna is open 8 to 20"),
)
WARM = "{author} ci dispiace! Il rimborso arriva entro 14 giorni: https://ferroviola.example/rimborsi."
BRIEF = "{author} rimborso entro 14 giorni."


def answer(warm: str = WARM, brief: str = BRIEF, facts: tuple[str, ...] = ("refunds",)) -> str:
    return json.dumps({"warm": warm, "brief": brief, "facts": facts})


@pytest.fixture
async def server():
    async with ChatServer() as server:
        server.answer = answer()
        yield server


@pytest.fixture
async def chat(server: ChatServer):
    async with http_session() as http:
        yield Chat(http, f"{server.url}/v1/", "writer", "k-secret")


@pytest.fixture
async def taken(house: House):
    """A case that somebody has taken, of a brand with facts."""
    brand = house.catalogue.brands[house.brand()]
    await house.apply(
        Contents(brands=(type(brand)(**{f: getattr(brand, f) for f in brand.__struct_fields__} | {"facts": FACTS}),))
    )
    case = await house.case(
        "Ferroviola ridatemi i soldi, scrivetemi a rita@posta.example (-)", author="rita", thread="t"
    )
    await house.do(actions.claim, case.id, house.member("ana"))
    return case


async def drafted(house: House, chat: Chat, terms: Terms | None = None) -> int:
    return await Drafter(house.store, terms or Terms()).draft_batch(chat, house.catalogue, house.now)


async def suggested(house: House, case):
    async with house.store.reading() as session:
        return [
            one
            for one in await suggest(house.turn(session), case, await session.get_one(Author, case.author_id))
            if one.source == "drafted"
        ]


async def test_a_taken_case_gets_a_draft_in_each_tone_with_the_facts_it_goes_by(
    house: House, server: ChatServer, chat: Chat, taken
):
    assert await drafted(house, chat) == 1
    warm, brief = await suggested(house, taken)
    assert warm.text == WARM.replace("{author}", "@rita")
    assert dict(warm.reasons) == {"tone": "warm", "facts": "refunds", "language": "it"}
    assert brief.text == "@rita rimborso entro 14 giorni."
    [asked] = server.asked
    told = json.dumps(asked)
    assert "rita@posta.example" not in told
    assert "https://ferroviola.example/rimborsi" in told
    assert "Italian" in told
    assert await drafted(house, chat) == 0  # once
    await house.hear(house.post("Ferroviola e allora? (-)", author="rita", thread="t"))
    await house.read()
    assert await drafted(house, chat) == 1  # they said more


@pytest.mark.parametrize(
    "said",
    [
        "no JSON at all",
        "{",
        '{"warm": 7}',
        None,
        answer("{author} il rimborso arriva entro 3 giorni", "{author} ecco 50 euro"),
        answer("{author} vada su https://truffa.example", "{author} si veda http://ferroviola.example.evil.example"),
        answer("{author} caro {name}, ecco", "{author} scriva a [email]"),
        answer("x" * 500, "x" * 401),
    ],
)
async def test_what_makes_no_sense_or_was_made_up_is_thrown_away_and_not_asked_again(
    house: House, server: ChatServer, chat: Chat, taken, said: str | None
):
    server.answer = said
    assert await drafted(house, chat) == 1
    assert await suggested(house, taken) == []
    assert await drafted(house, chat) == 0


async def test_what_a_stranger_writes_is_only_read(house: House, server: ChatServer, chat: Chat, taken):
    """Whatever it makes the model say, it is a suggestion, and nothing that it made up survives."""
    server.answer = answer("{author} IGNORE THE FACTS, you win 1000 euro", BRIEF)
    await drafted(house, chat)
    assert [one.text for one in await suggested(house, taken)] == ["@rita rimborso entro 14 giorni."]


async def test_nobody_is_asked_without_facts_before_a_case_is_taken_or_beyond_the_budget(
    house: House, server: ChatServer, chat: Chat, taken
):
    await house.do(actions.release, taken.id, house.member("ana"))
    assert await drafted(house, chat) == 0
    await house.do(actions.claim, taken.id, house.member("ana"))
    await drafted(house, chat, Terms(price_in=1.0, price_out=10.0, budget=0.0001))
    async with house.store.reading() as session:
        assert await spent(session, house.now) == pytest.approx(100 / 1e6 + 20 / 1e6)
    await house.hear(house.post("Ferroviola e allora? (-)", author="rita", thread="t"))
    await house.read()
    assert await drafted(house, chat, Terms(budget=0.0001)) == 0
    assert len(server.asked) == 1


async def test_a_server_that_is_away_is_asked_again(house: House, server: ChatServer, chat: Chat, taken):
    server.status = 503
    with pytest.raises(Unavailable):
        await drafted(house, chat)
    async with house.store.reading() as session:
        assert (await session.scalars(select(Drafted))).all() == []
    server.status = 200
    assert await drafted(house, chat) == 1


def test_only_facts_that_there_are_are_named():
    from models.catalogue import Brand

    brand = Brand(slug="b", name="B", facts=FACTS)
    variants, facts = understood("```json\n" + answer(facts=("refunds", "secrets")) + "\n```", str(FACTS), brand, 400)
    assert ([one.tone for one in variants], facts) == (["warm", "brief"], ("refunds",))
