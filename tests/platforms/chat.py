"""A server for chat completions, like OpenAI, Ollama and vLLM."""

import json

from aiohttp import web
from platforms.server import Server


class ChatServer(Server):
    """`answer` is the completion that it returns, `status` and `body` what it returns instead; `keys` are the API keys it got."""

    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_post("/v1/chat/completions", self._complete)
        self.answer: str | None = "negative"
        self.status = 200
        self.body: bytes | None = None
        self.headers: dict[str, str] = {}
        self.requests: list[dict] = []
        self.keys: list[str] = []

    async def _complete(self, request: web.Request) -> web.Response:
        self.requests.append(await request.json())
        self.keys.append(request.headers.get("Authorization", ""))
        if self.status != 200 or self.body is not None:
            return web.Response(status=self.status, body=self.body or b'{"error": {}}', headers=self.headers)
        choice = {"index": 0, "message": {"role": "assistant", "content": self.answer}, "finish_reason": "stop"}
        completion = {"id": "c1", "object": "chat.completion", "choices": [choice]}
        completion["usage"] = {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102}
        return web.Response(body=json.dumps(completion), content_type="application/json")
