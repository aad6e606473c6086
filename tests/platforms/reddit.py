"""Reddit as https://www.reddit.com/wiki/rss and https://www.reddit.com/dev/api describe it: feeds, tokens, listings."""

import time
from base64 import b64encode
from datetime import UTC, datetime
from html import escape

from aiohttp import web
from platforms.server import Server

CLIENT, SECRET, REFRESH, OWN = "client", "client-secret", "refresh-token", "ferroviola"


class RedditServer(Server):
    def __init__(self) -> None:
        super().__init__()
        get = web.get
        self.app.add_routes(
            [
                get("/r/{where}/{kind}.rss", self._feed), get("/search.rss", self._search_feed),
                web.post("/api/v1/access_token", self._token), get("/api/v1/me", self._me),
                get("/r/{where}/{kind}", self._listing),
                get("/search", self._search), get("/message/inbox", self._inbox), get("/api/info", self._info),
                get("/user/{name}/comments", self._comments_of), web.post("/api/comment", self._create),
            ]
        )  # fmt: skip
        self.things: dict[str, dict] = {}
        self.inbox: list[str] = []
        self.failures: list[tuple[int, dict]] = []
        """Status and headers of the next responses."""
        self.refresh_token = REFRESH
        self.expired = False
        """Whether access tokens are rejected."""
        self.lose_response = False
        """Whether the connection breaks after the next comment is published."""
        self.locked: set[str] = set()
        self._next = 1000

    # What people do.

    def post(
        self,
        text: str,
        in_reply_to: str | None = None,
        author: str = "rita",
        title: str = "Ferroviola",
        *,
        to_inbox: bool = False,
    ) -> dict:
        """A post, or with `in_reply_to` a comment."""
        self._next += 1
        name = f"{'t1' if in_reply_to else 't3'}_{self._next:x}"
        link = self.things[in_reply_to]["link_id"] if in_reply_to in self.things else name
        tail = f"{name[3:]}/" if in_reply_to else ""
        thing = {
            "name": name, "author": author, "link_id": link, "created_utc": time.time() + self._next / 1000,
            "permalink": f"/r/italy/comments/{link[3:]}/titolo/{tail}",
            **({"body": text, "parent_id": in_reply_to} if in_reply_to else {"title": title, "selftext": text}),
        }  # fmt: skip
        self.things[name] = thing
        if to_inbox:
            self.inbox.append(name)
        return thing

    # Feeds.

    def _failure(self) -> web.Response | None:
        challenge = {"WWW-Authenticate": 'Bearer realm="reddit", error="invalid_token"'}
        if self.expired:
            return web.Response(status=401, headers=challenge)
        if self.failures:
            status, headers = self.failures.pop(0)
            headers = {**(challenge if status == 401 else {}), **headers}
            return web.Response(status=status, headers=headers, text="{}", content_type="application/json")
        return None

    async def _feed(self, request: web.Request) -> web.Response:
        return self._failure() or self._atom(self._of_kind(request.match_info["kind"])[: int(request.query["limit"])])

    async def _search_feed(self, request: web.Request) -> web.Response:
        return self._failure() or self._atom(self._matching(request.query["q"])[: int(request.query["limit"])])

    def _of_kind(self, kind: str) -> list[dict]:
        prefix = "t3_" if kind == "new" else "t1_"
        return [thing for name, thing in reversed(self.things.items()) if name.startswith(prefix)]

    def _matching(self, words: str) -> list[dict]:
        return [
            t for t in reversed(self.things.values()) if words in (t.get("selftext", "") + t.get("title", "")).lower()
        ]

    def _atom(self, things: list[dict]) -> web.Response:
        entries = []
        for thing in things:
            created_at = datetime.fromtimestamp(thing["created_utc"], UTC).isoformat()
            text = escape(thing.get("body", thing.get("selftext", "")))
            html = (
                f'<!-- SC_OFF --><div class="md"><p>{text}</p></div><!-- SC_ON --> submitted by <a href="x">/u/rita</a>'
            )
            title = thing.get("title", f"/u/{thing['author']} on a post")
            entries.append(
                f"<entry><author><name>/u/{thing['author']}</name></author><id>{thing['name']}</id>"
                f'<content type="html">{escape(html)}</content><link href="{self.url}{thing["permalink"]}" />'
                f"<updated>{created_at}</updated><published>{created_at}</published><title>{escape(title)}</title></entry>"
            )
        feed = (
            f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>r</title>{"".join(entries)}</feed>'
        )
        return web.Response(text=feed, content_type="application/atom+xml")

    # The API.

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        login = "Basic " + b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if (request.headers["Authorization"], form["refresh_token"]) != (login, self.refresh_token):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": "at", "expires_in": 3600, "scope": "*", "token_type": "bearer"})

    def _list(self, request: web.Request, things: list[dict]) -> web.Response:
        assert request.headers["Authorization"] == "bearer at"
        after, limit = request.query.get("after"), int(request.query.get("limit", "25"))
        names = [thing["name"] for thing in things]
        start = names.index(after) + 1 if after in names else 0
        children = [{"kind": thing["name"][:2], "data": thing} for thing in things[start : start + limit]]
        return self._failure() or web.json_response({"kind": "Listing", "data": {"children": children, "after": None}})

    async def _me(self, request: web.Request) -> web.Response:
        return self._failure() or web.json_response({"name": OWN, "id": "1"})

    async def _listing(self, request: web.Request) -> web.Response:
        return self._list(request, self._of_kind(request.match_info["kind"]))

    async def _search(self, request: web.Request) -> web.Response:
        return self._list(request, self._matching(request.query["q"]))

    async def _inbox(self, request: web.Request) -> web.Response:
        return self._list(request, [self.things[name] for name in reversed(self.inbox)])

    async def _info(self, request: web.Request) -> web.Response:
        return self._list(
            request, [self.things[name] for name in request.query["id"].split(",") if name in self.things]
        )

    async def _comments_of(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return self._list(request, [t for t in self._of_kind("comments") if t["author"] == name])

    async def _create(self, request: web.Request) -> web.Response:
        if failure := self._failure():
            return failure
        form = await request.post()
        parent = str(form["thing_id"])
        if parent in self.locked:
            return web.json_response({"json": {"errors": [["THREAD_LOCKED", "Comments are locked.", "parent"]]}})
        comment = self.post(str(form["text"]), parent, OWN)
        if self.lose_response:
            self.lose_response = False
            request.transport.close()
        return web.json_response({"json": {"errors": [], "data": {"things": [{"kind": "t1", "data": comment}]}}})
