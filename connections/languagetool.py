"""A LanguageTool server, best one's own: what it finds in a text. https://languagetool.org/http-api/"""

from typing import Final

import aiohttp
import msgspec

from connections.http import read_capped
from models.errors import EdgeError, Unavailable

CODES: Final = {"ro": "ro-RO", "en": "en-GB", "de": "de-DE", "pt": "pt-PT"}
"""What it calls a language, where it is not the plain code."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=3)
"""Somebody waits for it while they type."""
LIMIT: Final = 500_000


class _Value(msgspec.Struct):
    value: str


class Match(msgspec.Struct):
    """At `offset`, for `length` characters (UTF-16): what is wrong, and what was perhaps meant."""

    message: str
    offset: int
    length: int
    replacements: list[_Value] = []


class _Answer(msgspec.Struct):
    matches: list[Match]


class LanguageTool:
    """`url` ends before /v2/check, as in http://127.0.0.1:8081."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/") + "/v2/check"

    async def check(self, text: str, language: str) -> list[Match]:
        """Raises Unavailable for whatever goes wrong: nobody's reply waits for it."""
        form = {"text": text, "language": CODES.get(language, language)}
        try:
            async with self._http.post(self._url, data=form, timeout=TIMEOUT, allow_redirects=False) as answer:
                body = await read_capped(answer, LIMIT)
                if answer.status != 200:
                    raise Unavailable(f"LanguageTool answers with {answer.status}")
            return msgspec.json.decode(body, type=_Answer).matches
        except (aiohttp.ClientError, TimeoutError, OSError, EdgeError, msgspec.DecodeError) as error:
            raise Unavailable(f"LanguageTool does not answer: {error}") from error
