"""X's API as https://docs.x.com describes it: paging by ids, a stream with keep-alives, and refusals of every kind."""

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
                web.get("/2/users/1/tweets", self._own),
                web.get("/2/tweets/search/recent", self._search),
                web.get("/2/tweets/counts/recent", self._counts),
                web.get("/2/tweets/search/stream/rules", self._rules),
                web.post("/2/tweets/search/stream/rules", self._change_rules),
                web.get("/2/tweets/search/stream", self._stream),
                web.get("/2/tweets", self._lookup),
                web.post("/2/tweets", self._say),
            ]
        )
        self.bearer = BEARER
        self.access = "access"
        self.posts: dict[str, dict] = {}
        self.subscription = "None"
        self.count = 700
        self.fails: list[tuple[int, dict, dict]] = []
        self.lose_answer = False
        self.only_who_asked = False
        self.asked: list[str] = []
        self.read = 0
        """Posts given, which are paid for."""
        self.rules = [{"id": "9", "value": "old", "tag": "ascolto x"}, {"id": "8", "value": "theirs", "tag": "other"}]
        self._streams: list[web.StreamResponse] = []
        self._next = 1000
        self.renamed = False
        """Whether X has renamed tweets to posts."""

    # What people do.

    def post(self, text: str, author: dict = RITA, under: str | None = None, **fields) -> dict:
        self._next += 1
        number = str(self._next)
        at = datetime.now(UTC) + timedelta(milliseconds=self._next)
        answered = [{"type": "replied_to", "id": under}] if under else []
        names = (
            ("referenced_posts", "edit_history_post_ids")
            if self.renamed
            else ("referenced_tweets", "edit_history_tweet_ids")
        )
        post = {
            "id": number, "text": text, "author_id": author["id"], "lang": "it", "created_at": at.isoformat(),
            "conversation_id": self.posts[under]["conversation_id"] if under in self.posts else under or number,
            "public_metrics": {"like_count": 1, "retweet_count": 0, "reply_count": 0}, names[1]: [number],
            **({names[0]: answered} if answered else {}), **fields,
        }  # fmt: skip
        self.posts[number] = post
        return post

    async def tell(self, post: dict) -> None:
        said = {"data": post, "includes": {"users": [RITA, OWN]}, "matching_rules": [{"id": "9", "tag": "ascolto x"}]}
        await self.line(json.dumps(said))

    async def line(self, raw: str) -> None:
        for stream in self._streams:
            await stream.write(raw.encode() + b"\r\n")

    async def drop(self) -> None:
        for stream in self._streams:
            stream._req.transport.close()

    async def streaming(self) -> None:
        async with asyncio.timeout(5):
            while not self._streams:
                await asyncio.sleep(0.01)

    # The API.

    def _refused(self, request: web.Request) -> web.Response | None:
        self.asked.append(f"{request.method} {request.path_qs}")
        sent = request.headers.get("Authorization", "")
        if sent != f"Bearer {self.bearer}" and not (
            sent.startswith("OAuth ") and f'oauth_token="{self.access}"' in sent
        ):
            return web.json_response({"title": "Unauthorized", "status": 401, "detail": "Unauthorized"}, status=401)
        if self.fails:
            status, body, headers = self.fails.pop(0)
            return web.json_response(body, status=status, headers=headers)
        return None

    async def _me(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response({"data": {**OWN, "subscription_type": self.subscription}})

    async def _mentions(self, request: web.Request) -> web.Response:
        return self._page(request, [p for p in self.posts.values() if "@ferroviola" in p["text"]], "pagination_token")

    async def _own(self, request: web.Request) -> web.Response:
        assert request.query["exclude"] == "retweets"
        return self._page(request, [p for p in self.posts.values() if p["author_id"] == "1"], "pagination_token")

    async def _search(self, request: web.Request) -> web.Response:
        word = request.query["query"].split()[0]
        return self._page(request, [p for p in self.posts.values() if word in p["text"].lower()], "next_token")

    def _page(self, request: web.Request, found: list[dict], token_name: str) -> web.Response:
        if refused := self._refused(request):
            return refused
        most = int(request.query["max_results"])
        assert 5 <= most <= 100, "max_results is out of range"
        after, skip = int(request.query.get("since_id", "0")), int(request.query.get(token_name, "0"))
        later = sorted((p for p in found if int(p["id"]) > after), key=lambda p: -int(p["id"]))
        page = later[skip : skip + most]
        self.read += len(page)
        meta = {"result_count": len(page), **({"next_token": str(skip + most)} if len(later) > skip + most else {})}
        if not page:
            return web.json_response({"meta": meta})
        users = [u for u in (OWN, RITA) if any(p["author_id"] == u["id"] for p in page)]
        return web.json_response({"data": page, "includes": {"users": users}, "meta": meta})

    async def _counts(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response({"data": [], "meta": {"total_tweet_count": self.count}})

    async def _lookup(self, request: web.Request) -> web.Response:
        ids = request.query["ids"].split(",")
        page = [self.posts[number] for number in ids if number in self.posts]
        self.read += len(page)
        gone = [
            {"resource_id": n, "type": "https://api.twitter.com/2/problems/resource-not-found"}
            for n in ids
            if n not in self.posts
        ]
        said = {
            **({"data": page, "includes": {"users": [RITA, OWN]}} if page else {}),
            **({"errors": gone} if gone else {}),
        }
        return self._refused(request) or web.json_response(said)

    async def _say(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        assert request.headers["Authorization"].startswith("OAuth "), "a reply is said as the account"
        body = await request.json()
        under = body["reply"]["in_reply_to_tweet_id"]
        if under not in self.posts:
            return web.json_response({"title": "Invalid Request", "detail": "The post is gone."}, status=400)
        if self.only_who_asked and "@ferroviola" not in self.posts[under]["text"]:
            detail = "Reply to this conversation is not allowed because you have not been mentioned by the author."
            return web.json_response({"title": "Forbidden", "detail": detail, "status": 403}, status=403)
        said = self.post("@rita " + body["text"], OWN, under)
        if self.lose_answer:
            self.lose_answer = False
            request.transport.close()
        return web.json_response({"data": {"id": said["id"], "text": said["text"]}}, status=201)

    async def _rules(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response({"data": self.rules, "meta": {}})

    async def _change_rules(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.rules = [rule for rule in self.rules if rule["id"] not in body.get("delete", {}).get("ids", [])]
        self.rules += [{"id": str(100 + n), **rule} for n, rule in enumerate(body.get("add", []))]
        return self._refused(request) or web.json_response({"data": self.rules, "meta": {}}, status=201)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
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
