"""Algolia's search of Hacker News as https://hn.algolia.com/api describes it."""

from aiohttp import web
from platforms.server import Server


class HackerNews(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.add_routes(
            [web.get("/api/v1/search_by_date", self._search), web.get("/api/v1/items/{id}", self._item)]
        )
        self.items: dict[int, dict] = {}
        self.failures: list[tuple[int, dict, bytes]] = []
        """Status, headers and body of the next responses."""
        self.searches: list[dict] = []
        """Their parameters."""
        self._next = 100

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1"

    def post(self, text: str, parent: int | None = None, at: int = 0, **fields) -> int:
        self._next += 1
        parent_item = self.items.get(parent or 0, {})
        item = {
            "id": self._next, "author": "rita", "created_at_i": at or 1_763_700_000 + self._next, "points": 3,
            "title": None if parent else text, "text": f"<p>{text}" if parent else None, "parent_id": parent,
            "story_id": parent_item.get("story_id") or self._next, **fields,
        }  # fmt: skip
        self.items[self._next] = item
        return self._next

    def _failure(self) -> web.Response | None:
        if self.failures:
            status, headers, body = self.failures.pop(0)
            return web.Response(status=status, headers=headers, body=body)
        return None

    async def _search(self, request: web.Request) -> web.Response:
        query = request.query
        self.searches.append(dict(query))
        since, page, count = (
            int(query["numericFilters"].partition(">")[2]),
            int(query["page"]),
            int(query["hitsPerPage"]),
        )
        words = query["query"].lower()
        items = [
            i for i in self.items.values() if i["created_at_i"] > since and words in (i["title"] or i["text"]).lower()
        ]
        items.sort(key=lambda item: -item["created_at_i"])
        hits = [
            {
                "objectID": str(i["id"]), "author": i["author"], "created_at_i": i["created_at_i"], "title": i["title"],
                "comment_text": i["text"], "story_text": None, "story_id": i["story_id"], "parent_id": i["parent_id"],
                "points": i["points"],
            }
            for i in items[page * count : (page + 1) * count]
        ]  # fmt: skip
        return self._failure() or web.json_response({"hits": hits, "nbPages": -(-len(items) // count), "page": page})

    async def _item(self, request: web.Request) -> web.Response:
        item = self.items.get(int(request.match_info["id"]))
        missing = web.json_response({"status": 404, "error": "Not Found"}, status=404)
        return self._failure() or (web.json_response({**item, "children": []}) if item else missing)
