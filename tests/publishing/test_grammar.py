"""Grammar remarks from a LanguageTool server; a server that is down delays nothing."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from platforms.languagetool import LanguageToolServer

from connections.http import session as http_session
from connections.languagetool import LanguageTool
from languages import translator
from publishing.grammar import GrammarChecker

TEXT = "🚆 @rita prenda un altra corsa"


@pytest.fixture
async def server() -> AsyncIterator[LanguageToolServer]:
    async with LanguageToolServer() as server:
        yield server


@pytest.fixture
async def grammar(server: LanguageToolServer) -> AsyncIterator[GrammarChecker]:
    async with http_session() as http:
        yield GrammarChecker(LanguageTool(http, server.url + "/"))


async def test_a_mistake_is_reported_with_its_correction(server: LanguageToolServer, grammar: GrammarChecker):
    [finding] = await grammar.check(TEXT, "it")
    assert finding.message_for(translator("en")) == "“un altra” → “un'altra”: Manca l'apostrofo."
    assert not finding.blocks
    assert await grammar.check("tutto bene", "ro") == []
    assert [form["language"] for form in server.requests] == ["it", "ro-RO"]
    assert await grammar.check("", "it") == []
    assert await grammar.check("chissà", "und") == []
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "response", [(500, b""), (0, b""), (200, b"<html>"), (200, b"{}"), (200, b"x" * 600_000), (302, b"")]
)
async def test_a_failing_server_reports_nothing(
    server: LanguageToolServer, grammar: GrammarChecker, response: tuple[int, bytes]
):
    server.next_responses = [response]
    assert await grammar.check(TEXT, "it") == []


async def test_a_slow_server_is_not_waited_for(
    server: LanguageToolServer, grammar: GrammarChecker, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("connections.languagetool.TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    server.delay = 0.5
    assert await grammar.check(TEXT, "it") == []
