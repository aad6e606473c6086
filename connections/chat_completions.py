"""Any server with OpenAI's chat completions API: a hosted one, or Ollama, llama.cpp or vLLM on this machine.

https://platform.openai.com/docs/api-reference/chat/create
"""

from typing import Final

import aiohttp
import msgspec

from connections.http import call, http_error
from models.errors import Rejected, Unauthorized

FIX: Final = "Check `url`, `model` and the key named by `key_env` under [second_opinion] or [drafting]"
MAX_BODY: Final = 200_000
"""Bytes."""


class Completion(msgspec.Struct, frozen=True):
    """`tokens_in` were read, `tokens_out` written."""

    text: str
    tokens_in: int
    tokens_out: int


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Response(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage = msgspec.field(default_factory=_Usage)


class ChatCompletions:
    """`url` ends before /chat/completions, as in http://127.0.0.1:11434/v1; `key` may be empty."""

    def __init__(self, http: aiohttp.ClientSession, url: str, model: str, key: str) -> None:
        self.model = model
        self._http = http
        self._url = url.rstrip("/") + "/chat/completions"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def complete(self, system: str, user: str, max_tokens: int) -> Completion:
        """One completion of at most `max_tokens`, at temperature 0. Raises EdgeError."""
        response = await call(
            self._http,
            "POST",
            self._url,
            headers=self._headers,
            json={
                "model": self.model,
                "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
                "max_tokens": max_tokens,
                "temperature": 0,
            },
            follow_redirects=False,
            limit=MAX_BODY,
        )
        if response.status == 404:
            raise Unauthorized("There is no such model or URL", FIX)
        if error := http_error(response, FIX):
            raise error
        return completion(response.body)


def completion(body: bytes) -> Completion:
    """Raises Rejected for anything that is not a completion."""
    try:
        response = msgspec.json.decode(body, type=_Response)
    except msgspec.DecodeError as error:
        raise Rejected(f"The response is not a chat completion: {error}") from error
    if not response.choices:
        raise Rejected("The response has no choices.")
    text = response.choices[0].message.content or ""
    return Completion(text, response.usage.prompt_tokens, response.usage.completion_tokens)
