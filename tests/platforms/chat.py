"""A server that speaks chat completions as OpenAI, Ollama and vLLM do."""

import json

from aiohttp import web
from platforms.server import Server


class ChatServer(Server):
    """`answer` is what it says; `status` and `body` where it should fail; `asked` what it was asked, with the headers."""

    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_post("/v1/chat/completions", self._complete)
        self.answer: str | None = "negative"
        self.status = 200
        self.body: bytes | None = None
        self.headers: dict[str, str] = {}
        self.asked: list[dict] = []
        self.keys: list[str] = []

    async def _complete(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("Authorization", ""))
        if self.status != 200 or self.body is not None:
            return web.Response(status=self.status, body=self.body or b'{"error": {}}', headers=self.headers)
        choice = {"index": 0, "message": {"role": "assistant", "content": self.answer}, "finish_reason": "stop"}
        said = {"id": "c1", "object": "chat.completion", "choices": [choice]}
        said["usage"] = {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102}
        return web.Response(body=json.dumps(said), content_type="application/json")
