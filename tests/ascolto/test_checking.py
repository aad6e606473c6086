"""What check says of the server that is asked for second opinions."""

import pytest
from platforms.chat import ChatServer

from ascolto.checking import _second_opinion
from ascolto.reader import terms_of
from config.settings import SecondOpinion
from connections.http import session as http_session


@pytest.fixture
async def server():
    async with ChatServer() as server:
        yield server


async def tried(server: ChatServer) -> tuple[str, str]:
    async with http_session() as http:
        [found] = await _second_opinion(SecondOpinion(url=f"{server.url}/v1", model="judge"), http)
    return found.state, f"{found.said} {found.fix}"


async def test_a_server_that_answers_in_one_word_is_fine(server: ChatServer):
    server.answer = "Positive"
    assert (await tried(server))[0] == "ok"
    assert server.asked[0]["model"] == "judge"


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [(401, "", "key_env"), (404, "", "`model`"), (500, "", "network"), (200, "I would say it depends.", "one word")],
)
async def test_a_server_that_does_not_is_named_with_what_to_do(server: ChatServer, status: int, answer: str, said: str):
    server.status, server.answer = status, answer
    state, words = await tried(server)
    assert state == "wrong"
    assert said in words


async def test_nobody_is_asked_unless_a_server_is_named():
    async with http_session() as http:
        assert await _second_opinion(SecondOpinion(), http) == []
    assert terms_of(SecondOpinion()) is None
