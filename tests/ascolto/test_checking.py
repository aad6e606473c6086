"""What check says of those who are asked."""

import discord
import pytest
from platforms.chat import ChatServer
from platforms.discord import OWN, TOKEN, DiscordServer

from ascolto.checking import _drafting, _second_opinion, _tried
from ascolto.reader import terms_of
from config.settings import Drafting, SecondOpinion
from connections.discord import Discord
from connections.http import session as http_session
from desk.discord import DiscordDesk


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


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ('{"warm": "{author} from 8 to 20", "brief": "8 to 20", "facts": ["hours"]}', "ok"),
        ("I would love to help!", "wrong"),
    ],
)
async def test_whether_a_model_drafts_as_it_is_asked_to_is_tried(server: ChatServer, answer: str, state: str):
    server.answer = answer
    async with http_session() as http:
        [found] = await _drafting(Drafting(url=f"{server.url}/v1", model="writer"), http)
    assert found.state == state


async def test_where_a_desk_on_discord_is_let_in_is_told_with_the_least_rights():
    async with DiscordServer() as server:
        desk = DiscordDesk(Discord("discord", TOKEN, api=server.api, gateway=server.gateway, desk=True))
        found = await _tried("discord (desk)", desk.connect(), advice=True)
        await desk.close()
    assert found.state == "ok"
    rights = discord.Permissions(
        view_channel=True, read_message_history=True, send_messages=True, send_messages_in_threads=True, embed_links=True,
        attach_files=True,
    )  # fmt: skip
    assert f"permissions={rights.value}" in found.said
    assert f"client_id={OWN['id']}" in found.said
