"""X's API as https://docs.x.com describes it: pages by id, a stream with keep-alives, and errors of every kind."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

from aiohttp import web
from platforms.server import Server

BEARER = "bearer-secret"
OWN = {"id": "1", "username": "ferroviola", "name": "Ferroviola", "public_metrics": {"followers_count": 10}}
RITA = {"id": "2", "username": "rita", "name": "Rita", "public_metrics": {"followers_count": 3_000}}


class XServer(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.add_routes(
            [
                web.get("/2/users/me", self._me),
                web.get("/2/users/1/mentions", self._mentions),
                web.get("/2/users/1/tweets", self._own_posts),
                web.get("/2/tweets/search/recent", self._search),
                web.get("/2/tweets/counts/recent", self._counts),
                web.get("/2/tweets/search/stream/rules", self._rules),
                web.post("/2/tweets/search/stream/rules", self._change_rules),
                web.get("/2/tweets/search/stream", self._stream),
                web.get("/2/tweets", self._lookup),
                web.post("/2/tweets", self._create),
            ]
        )
        self.bearer = BEARER
        self.access = "access"
        self.posts: dict[str, dict] = {}
        self.subscription = "None"
        self.count = 700
        """Posts of the last week that match any search."""
        self.failures: list[tuple[int, dict, dict]] = []
        """Status, body and headers of the next responses."""
        self.lose_response = False
        """Whether the connection breaks after the next reply is published."""
        self.only_when_addressed = False
        self.requests: list[str] = []
        self.posts_returned = 0
        """Each of them is paid for."""
        self.rules = [{"id": "9", "value": "old", "tag": "ascolto x"}, {"id": "8", "value": "theirs", "tag": "other"}]
        self._streams: list[web.StreamResponse] = []
        self._next = 1000
        self.renamed = False
        """Whether X has renamed tweets to posts."""

    # What people do.

    def post(self, text: str, author: dict = RITA, in_reply_to: str | None = None, **fields) -> dict:
        self._next += 1
        number = str(self._next)
        created_at = datetime.now(UTC) + timedelta(milliseconds=self._next)
        thread = self.posts[in_reply_to]["conversation_id"] if in_reply_to in self.posts else in_reply_to or number
        references = [{"type": "replied_to", "id": in_reply_to}] if in_reply_to else []
        names = (
            ("referenced_posts", "edit_history_post_ids")
            if self.renamed
            else ("referenced_tweets", "edit_history_tweet_ids")
        )
        post = {
            "id": number, "text": text, "author_id": author["id"], "lang": "it", "created_at": created_at.isoformat(),
            "conversation_id": thread,
            "public_metrics": {"like_count": 1, "retweet_count": 0, "reply_count": 0}, names[1]: [number],
            **({names[0]: references} if references else {}), **fields,
        }  # fmt: skip
        self.posts[number] = post
        return post

    async def stream_post(self, post: dict) -> None:
        event = {"data": post, "includes": {"users": [RITA, OWN]}, "matching_rules": [{"id": "9", "tag": "ascolto x"}]}
        await self.stream_line(json.dumps(event))

    async def stream_line(self, raw: str) -> None:
        for stream in self._streams:
            await stream.write(raw.encode() + b"\r\n")

    async def drop(self) -> None:
        for stream in self._streams:
            stream._req.transport.close()

    async def wait_for_stream(self) -> None:
        async with asyncio.timeout(5):
            while not self._streams:
                await asyncio.sleep(0.01)

    # The API.

    def _failure(self, request: web.Request) -> web.Response | None:
        self.requests.append(f"{request.method} {request.path_qs}")
        header = request.headers.get("Authorization", "")
        signed = header.startswith("OAuth ") and f'oauth_token="{self.access}"' in header
        if header != f"Bearer {self.bearer}" and not signed:
            return web.json_response({"title": "Unauthorized", "status": 401, "detail": "Unauthorized"}, status=401)
        if self.failures:
            status, body, headers = self.failures.pop(0)
            return web.json_response(body, status=status, headers=headers)
        return None

    async def _me(self, request: web.Request) -> web.Response:
        return self._failure(request) or web.json_response({"data": {**OWN, "subscription_type": self.subscription}})

    async def _mentions(self, request: web.Request) -> web.Response:
        return self._page(request, [p for p in self.posts.values() if "@ferroviola" in p["text"]], "pagination_token")

    async def _own_posts(self, request: web.Request) -> web.Response:
        assert request.query["exclude"] == "retweets"
        return self._page(request, [p for p in self.posts.values() if p["author_id"] == "1"], "pagination_token")

    async def _search(self, request: web.Request) -> web.Response:
        word = request.query["query"].split()[0]
        return self._page(request, [p for p in self.posts.values() if word in p["text"].lower()], "next_token")

    def _page(self, request: web.Request, posts: list[dict], token_name: str) -> web.Response:
        if failure := self._failure(request):
            return failure
        size = int(request.query["max_results"])
        assert 5 <= size <= 100, "max_results is out of range"
        after, start = int(request.query.get("since_id", "0")), int(request.query.get(token_name, "0"))
        later = sorted((p for p in posts if int(p["id"]) > after), key=lambda p: -int(p["id"]))
        page = later[start : start + size]
        self.posts_returned += len(page)
        meta = {"result_count": len(page), **({"next_token": str(start + size)} if len(later) > start + size else {})}
        if not page:
            return web.json_response({"meta": meta})
        users = [u for u in (OWN, RITA) if any(p["author_id"] == u["id"] for p in page)]
        return web.json_response({"data": page, "includes": {"users": users}, "meta": meta})

    async def _counts(self, request: web.Request) -> web.Response:
        return self._failure(request) or web.json_response({"data": [], "meta": {"total_tweet_count": self.count}})

    async def _lookup(self, request: web.Request) -> web.Response:
        ids = request.query["ids"].split(",")
        page = [self.posts[number] for number in ids if number in self.posts]
        self.posts_returned += len(page)
        missing = [
            {"resource_id": n, "type": "https://api.twitter.com/2/problems/resource-not-found"}
            for n in ids
            if n not in self.posts
        ]
        body = {
            **({"data": page, "includes": {"users": [RITA, OWN]}} if page else {}),
            **({"errors": missing} if missing else {}),
        }
        return self._failure(request) or web.json_response(body)

    async def _create(self, request: web.Request) -> web.Response:
        if failure := self._failure(request):
            return failure
        assert request.headers["Authorization"].startswith("OAuth "), "a reply is published as the account"
        body = await request.json()
        parent = body["reply"]["in_reply_to_tweet_id"]
        if parent not in self.posts:
            return web.json_response({"title": "Invalid Request", "detail": "The post is gone."}, status=400)
        if self.only_when_addressed and "@ferroviola" not in self.posts[parent]["text"]:
            detail = "Reply to this conversation is not allowed because you have not been mentioned by the author."
            return web.json_response({"title": "Forbidden", "detail": detail, "status": 403}, status=403)
        reply = self.post("@rita " + body["text"], OWN, parent)
        if self.lose_response:
            self.lose_response = False
            request.transport.close()
        return web.json_response({"data": {"id": reply["id"], "text": reply["text"]}}, status=201)

    async def _rules(self, request: web.Request) -> web.Response:
        return self._failure(request) or web.json_response({"data": self.rules, "meta": {}})

    async def _change_rules(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.rules = [rule for rule in self.rules if rule["id"] not in body.get("delete", {}).get("ids", [])]
        self.rules += [{"id": str(100 + n), **rule} for n, rule in enumerate(body.get("add", []))]
        return self._failure(request) or web.json_response({"data": self.rules, "meta": {}}, status=201)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if failure := self._failure(request):
            return failure
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(b"\r\n")
        self._streams.append(stream)
        try:
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.02)
        finally:
            self._streams.remove(stream)
        return stream
