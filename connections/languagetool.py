"""A LanguageTool server, preferably self-hosted. https://languagetool.org/http-api/"""

from typing import Final

import aiohttp
import msgspec

from connections.http import read_limited
from models.errors import EdgeError, Unavailable

LANGUAGE_CODES: Final = {"ro": "ro-RO", "en": "en-GB", "de": "de-DE", "pt": "pt-PT"}
"""LanguageTool's codes where they differ from ours."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=3)
"""Short: a member is typing while it runs."""
MAX_BODY: Final = 500_000
"""Bytes."""


class _Value(msgspec.Struct):
    value: str


class Match(msgspec.Struct):
    """A possible mistake; `offset` and `length` count UTF-16 units."""

    message: str
    offset: int
    length: int
    replacements: list[_Value] = []


class _Result(msgspec.Struct):
    matches: list[Match]


class LanguageTool:
    """`url` ends before /v2/check, as in http://127.0.0.1:8081."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/") + "/v2/check"

    async def check(self, text: str, language: str) -> list[Match]:
        """Raises Unavailable for any error: no reply depends on it."""
        form = {"text": text, "language": LANGUAGE_CODES.get(language, language)}
        try:
            async with self._http.post(self._url, data=form, timeout=TIMEOUT, allow_redirects=False) as response:
                body = await read_limited(response, MAX_BODY)
                if response.status != 200:
                    raise Unavailable(f"status {response.status}")
            return msgspec.json.decode(body, type=_Result).matches
        except (aiohttp.ClientError, TimeoutError, OSError, EdgeError, msgspec.DecodeError) as error:
            raise Unavailable(f"LanguageTool does not respond: {error}") from error
