"""Any server that speaks the chat completions of OpenAI: a hosted one, or Ollama, llama.cpp or vLLM on this machine.

https://platform.openai.com/docs/api-reference/chat/create
"""

from typing import Final

import aiohttp
import msgspec

from connections.http import call, refused
from models.errors import Rejected, Unauthorized

FIX: Final = "Check `url`, `model` and the key named by `key_env` under [second_opinion] or [drafting]"
LIMIT: Final = 200_000


class Completion(msgspec.Struct, frozen=True):
    """What was said, and how many tokens were read and written."""

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


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage = msgspec.field(default_factory=_Usage)


class Chat:
    """`url` ends before /chat/completions, as in http://127.0.0.1:11434/v1; `key` may be empty."""

    def __init__(self, http: aiohttp.ClientSession, url: str, model: str, key: str) -> None:
        self.model = model
        self._http = http
        self._url = url.rstrip("/") + "/chat/completions"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def ask(self, system: str, user: str, longest: int) -> Completion:
        """One question, at most `longest` tokens of answer, nothing left to chance. Raises one of the three EdgeErrors."""
        answer = await call(
            self._http,
            "POST",
            self._url,
            headers=self._headers,
            json={
                "model": self.model,
                "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
                "max_tokens": longest,
                "temperature": 0,
            },
            follow=False,
            limit=LIMIT,
        )
        if answer.status == 404:
            raise Unauthorized("There is no such model or address", FIX)
        if error := refused(answer, FIX):
            raise error
        return completion(answer.body)


def completion(body: bytes) -> Completion:
    """Raises Rejected for what is no answer."""
    try:
        said = msgspec.json.decode(body, type=_Answer)
    except msgspec.DecodeError as error:
        raise Rejected(f"This is no chat completion: {error}") from error
    if not said.choices:
        raise Rejected("The answer holds no choice.")
    return Completion(said.choices[0].message.content or "", said.usage.prompt_tokens, said.usage.completion_tokens)
