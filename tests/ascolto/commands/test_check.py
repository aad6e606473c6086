"""What check finds out about language models and desks."""

import discord
import pytest
from platforms.chat import ChatServer
from platforms.discord import OWN, TOKEN, DiscordServer

from ascolto.commands.check import _drafting, _second_opinion, _try
from ascolto.factories import second_opinion_terms
from config.settings import Drafting, SecondOpinion
from connections.discord import Discord
from connections.http import session as http_session
from desk.discord import DiscordDesk


@pytest.fixture
async def server():
    async with ChatServer() as server:
        yield server


async def check_second_opinion(server: ChatServer) -> tuple[str, str]:
    async with http_session() as http:
        [finding] = await _second_opinion(SecondOpinion(url=f"{server.url}/v1", model="judge"), http)
    return finding.state, f"{finding.message} {finding.fix}"


async def test_a_model_that_answers_with_one_word_is_ok(server: ChatServer):
    server.answer = "Positive"
    assert (await check_second_opinion(server))[0] == "ok"
    assert server.requests[0]["model"] == "judge"


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [(401, "", "key_env"), (404, "", "`model`"), (500, "", "network"), (200, "I would say it depends.", "one word")],
)
async def test_a_model_that_fails_is_reported_with_the_fix(server: ChatServer, status: int, answer: str, words: str):
    server.status, server.answer = status, answer
    state, message = await check_second_opinion(server)
    assert state == "failed"
    assert words in message


async def test_no_second_opinion_is_requested_without_a_server():
    async with http_session() as http:
        assert await _second_opinion(SecondOpinion(), http) == []
    assert second_opinion_terms(SecondOpinion()) is None


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ('{"warm": "{author} from 8 to 20", "brief": "8 to 20", "facts": ["hours"]}', "ok"),
        ("I would love to help!", "failed"),
    ],
)
async def test_a_model_for_drafting_must_answer_with_a_draft(server: ChatServer, answer: str, state: str):
    server.answer = answer
    async with http_session() as http:
        [finding] = await _drafting(Drafting(url=f"{server.url}/v1", model="writer"), http)
    assert finding.state == state


async def test_the_invitation_link_of_a_discord_desk_requests_only_the_permissions_it_needs():
    async with DiscordServer() as server:
        desk = DiscordDesk(Discord("discord", TOKEN, api=server.api, gateway=server.gateway, desk=True))
        finding = await _try("discord (desk)", desk.connect(), note_is_fine=True)
        await desk.close()
    assert finding.state == "ok"
    permissions = discord.Permissions(
        view_channel=True, read_message_history=True, send_messages=True, send_messages_in_threads=True, embed_links=True,
        attach_files=True,
    )  # fmt: skip
    assert f"permissions={permissions.value}" in finding.message
    assert f"client_id={OWN['id']}" in finding.message
