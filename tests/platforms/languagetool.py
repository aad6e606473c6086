"""A LanguageTool server as https://languagetool.org/http-api/ describes it, which finds one mistake."""

import asyncio

from aiohttp import web
from platforms.server import Server

WRONG, RIGHT = "un altra", "un'altra"


class LanguageToolServer(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_post("/v2/check", self._check)
        self.requests: list[dict] = []
        self.delay = 0.0
        """Seconds before it responds."""

    async def _check(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.delay)
        form = dict(await request.post())
        self.requests.append(form)
        text, matches, start = form["text"], [], form["text"].find(WRONG)
        if start >= 0:
            matches.append(
                {
                    "message": "Manca l'apostrofo.", "shortMessage": "", "offset": len(text[:start].encode("utf-16-le")) // 2,
                    "length": len(WRONG), "replacements": [{"value": RIGHT}], "sentence": text,
                    "context": {"text": text, "offset": start, "length": len(WRONG)}, "type": {"typeName": "Other"},
                    "rule": {"id": "X", "description": "", "issueType": "grammar", "category": {"id": "G", "name": ""}},
                }
            )  # fmt: skip
        software = {"name": "LanguageTool", "version": "6.6", "apiVersion": 1, "premium": False}
        return web.json_response({"software": software, "language": {"code": form["language"]}, "matches": matches})
