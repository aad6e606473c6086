"""What a LanguageTool server finds, and that nobody waits for one that is away."""

import aiohttp
import pytest
from conftest import House
from platforms.languagetool import LanguageToolServer

from connections.http import session as http_session
from connections.languagetool import LanguageTool
from languages import Translator, translator
from models.desk import Action
from store import desks
from triage import actions
from triage.boards import Board, Pace
from triage.desking import Outcome
from triage.proofreading import Proofreader

TEXT = "🚆 @rita prenda un altra corsa"


@pytest.fixture
async def server():
    async with LanguageToolServer() as server:
        yield server


@pytest.fixture
async def proofreader(server: LanguageToolServer):
    async with http_session() as http:
        yield Proofreader(LanguageTool(http, server.url + "/"))


async def test_what_it_finds_is_said_with_what_was_meant(server: LanguageToolServer, proofreader: Proofreader):
    [found] = await proofreader.read(TEXT, "it")
    assert found.said(translator("en")) == "“un altra” → “un'altra”: Manca l'apostrofo."
    assert not found.stops
    assert await proofreader.read("tutto bene", "ro") == []
    assert [form["language"] for form in server.asked] == ["it", "ro-RO"]
    assert await proofreader.read("", "it") == []
    assert await proofreader.read("chissà", "und") == []
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "answer", [(500, b""), (0, b""), (200, b"<html>"), (200, b"{}"), (200, b"x" * 600_000), (302, b"")]
)
async def test_one_that_is_away_or_speaks_rubbish_finds_nothing(
    server: LanguageToolServer, proofreader: Proofreader, answer: tuple[int, bytes]
):
    server.next_answers = [answer]
    assert await proofreader.read(TEXT, "it") == []


async def test_one_that_is_silent_is_not_waited_for(
    server: LanguageToolServer, proofreader: Proofreader, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("connections.languagetool.TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    server.slow = 0.5
    assert await proofreader.read(TEXT, "it") == []


class Chats:
    name = platform = "telegram"
    pace = Pace(5, 5.0)

    def __init__(self) -> None:
        self.answers: list[Outcome] = []

    async def show(self, *_: object) -> str:
        return "1"

    async def answer(self, _action: Action, outcome: Outcome, _t: Translator) -> None:
        self.answers.append(outcome)


async def test_on_a_chat_it_stands_under_the_text_that_would_be_published(house: House, proofreader: Proofreader):
    case = await house.case("Ferroviola in ritardo (-)", language="it")
    await house.do(actions.claim, case.id, house.member("ana"))
    chats = Chats()
    board = Board(house.store, chats, house.checker, proofreader=proofreader)
    async with house.store.writing() as session:
        typed = Action(native_id="1", verb="draft", who="11", chat="-1", case=case.id, text=TEXT)
        await desks.write_actions(session, "telegram", [typed], house.now)
    await board.act(house.catalogue, house.now)
    assert "grammar" in [finding.kind for finding in chats.answers[0].preview.findings]
