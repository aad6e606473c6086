"""What a LanguageTool server finds in a reply, beside the checks: where somebody looks at a text, and never in their way."""

from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from models.errors import EdgeError
from triage.checks import Finding

log = structlog.get_logger("ascolto")

MOST: Final = 5


def _(message: str) -> str:
    return message


class Found(Protocol):
    """connections.languagetool.Match"""

    @property
    def message(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def replacements(self) -> Sequence["Meant"]: ...


class Meant(Protocol):
    @property
    def value(self) -> str: ...


class Asked(Protocol):
    async def check(self, text: str, language: str) -> Sequence[Found]: ...


class Proofreader:
    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    async def read(self, text: str, language: str) -> list[Finding]:
        """Remarks that stop nothing; none where the server is away."""
        if not text.strip() or language == "und":
            return []
        try:
            found = await self._asked.check(text, language)
        except EdgeError as error:
            log.info("not proofread", reason=str(error))
            return []
        return [_finding(text, one) for one in found[:MOST]]


def _finding(text: str, found: Found) -> Finding:
    units = text.encode("utf-16-le")
    words = units[2 * found.offset : 2 * (found.offset + found.length)].decode("utf-16-le", "replace")
    meant = found.replacements[0].value if found.replacements else ""
    values = {"words": words, "meant": meant, "why": found.message}
    message = _("“{words}” → “{meant}”: {why}") if meant else _("“{words}”: {why}")
    return Finding(kind="grammar", message=message, values=values)
