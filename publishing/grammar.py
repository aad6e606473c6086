"""Grammar remarks from a LanguageTool server, shown beside the checks where somebody looks at a text; they never block it."""

from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from languages import mark
from models.errors import EdgeError
from publishing.checks import Finding

log = structlog.get_logger("ascolto")

MAX_FINDINGS: Final = 5


class Replacement(Protocol):
    @property
    def value(self) -> str: ...


class GrammarMatch(Protocol):
    """connections.languagetool.Match; `offset` and `length` count UTF-16 units."""

    @property
    def message(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def replacements(self) -> Sequence[Replacement]: ...


class GrammarServer(Protocol):
    async def check(self, text: str, language: str) -> Sequence[GrammarMatch]: ...


class GrammarChecker:
    def __init__(self, server: GrammarServer) -> None:
        self._server = server

    async def check(self, text: str, language: str) -> list[Finding]:
        """Nothing while the server is down."""
        if not text.strip() or language == "und":
            return []
        try:
            matches = await self._server.check(text, language)
        except EdgeError as error:
            log.info("grammar not checked", reason=str(error))
            return []
        return [_finding(text, match) for match in matches[:MAX_FINDINGS]]


def _finding(text: str, match: GrammarMatch) -> Finding:
    units = text.encode("utf-16-le")
    words = units[2 * match.offset : 2 * (match.offset + match.length)].decode("utf-16-le", "replace")
    replacement = match.replacements[0].value if match.replacements else ""
    values = {"words": words, "replacement": replacement, "reason": match.message}
    message = mark("“{words}” → “{replacement}”: {reason}") if replacement else mark("“{words}”: {reason}")
    return Finding(kind="grammar", message=message, values=values)
