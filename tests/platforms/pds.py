"""A Bluesky server and app view as their documentation describes them, as far as a reply needs."""

import json

from aiohttp import web
from platforms.server import Server

HANDLE, PASSWORD, DID = "ferroviola.example", "abcd-efgh-ijkl-mnop", "did:plc:ours"


class Pds(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_route("*", "/xrpc/{method}", self._xrpc)
        self.records: dict[tuple[str, str], dict] = {}
        self.calls: list[str] = []
        self.failures: list[tuple[int, dict, dict]] = []
        """Status, body and headers of the next responses to createRecord."""
        self.lose_response = False
        """Whether the connection breaks after the next record is created."""
        self.tokens = 0
        self.expired: set[str] = set()
        self.rejects_logins = False
        self.rate_limit: tuple[dict, ...] = ()
        """Headers of the next response, which is a 429."""
        self.followers: dict[str, int] = {}
        self.notifications: list[dict] = []

    def add_post(self, did: str, rkey: str, text: str, reply: dict | None = None) -> str:
        record = {"text": text, "createdAt": "2026-11-23T08:00:00Z", **({"reply": reply} if reply else {})}
        self.records[did, rkey] = record
        return f"at://{did}/app.bsky.feed.post/{rkey}"

    def expire(self) -> None:
        self.expired.add(f"access-{self.tokens}")

    async def _xrpc(self, request: web.Request) -> web.Response:
        method = request.match_info["method"].rpartition(".")[2]
        self.calls.append(method)
        if self.rate_limit:
            headers, self.rate_limit = self.rate_limit[0], ()
            return web.json_response({"error": "RateLimitExceeded", "message": ""}, status=429, headers=headers)
        if self.rejects_logins:
            return _error(401, "AuthenticationRequired", "Invalid identifier or password")
        if method in ("createSession", "refreshSession", "getPosts", "getPostThread", "getProfile"):
            return await getattr(self, f"_{method}")(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token in self.expired:
            return _error(400, "ExpiredToken", "Token has expired")
        if token != f"access-{self.tokens}":
            return _error(401, "AuthMissing", "Authentication Required")
        return await getattr(self, f"_{method}")(request)

    async def _createSession(self, request: web.Request) -> web.Response:
        body = await request.json()
        if (body["identifier"], body["password"]) != (HANDLE, PASSWORD):
            return _error(401, "AuthenticationRequired", "Invalid identifier or password")
        return self._session()

    async def _getSession(self, _request: web.Request) -> web.Response:
        return web.json_response({"did": DID, "handle": HANDLE})

    async def _refreshSession(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer refresh-{self.tokens}":
            return _error(400, "ExpiredToken", "Token has been revoked")
        return self._session()

    def _session(self) -> web.Response:
        self.tokens += 1
        jwts = {"accessJwt": f"access-{self.tokens}", "refreshJwt": f"refresh-{self.tokens}"}
        return web.json_response({"did": DID, "handle": HANDLE, **jwts})

    async def _getPosts(self, request: web.Request) -> web.Response:
        posts = []
        for uri in request.query.getall("uris"):
            did, _, rkey = uri.removeprefix("at://").replace("/app.bsky.feed.post/", "|").partition("|")
            if (did, rkey) in self.records:
                posts.append(self._view(did, rkey))
        return web.json_response({"posts": posts})

    def _view(self, did: str, rkey: str) -> dict:
        author = {"did": did, "handle": "rita.example", "displayName": "Rita"}
        uri = f"at://{did}/app.bsky.feed.post/{rkey}"
        return {"uri": uri, "cid": f"cid-{rkey}", "author": author, "record": self.records[did, rkey]}

    async def _getPostThread(self, request: web.Request) -> web.Response:
        return web.json_response({"thread": self._thread(request.query["uri"])})

    def _thread(self, uri: str) -> dict:
        did, _, rkey = uri.removeprefix("at://").replace("/app.bsky.feed.post/", "|").partition("|")
        if (did, rkey) not in self.records:
            return {"$type": "app.bsky.feed.defs#notFoundPost", "uri": uri, "notFound": True}
        thread = {"$type": "app.bsky.feed.defs#threadViewPost", "post": self._view(did, rkey)}
        if reply := self.records[did, rkey].get("reply"):
            thread["parent"] = self._thread(reply["parent"]["uri"])
        return thread

    async def _getProfile(self, request: web.Request) -> web.Response:
        did = request.query["actor"]
        profile = {
            "did": did,
            "handle": "rita.example",
            "displayName": "Rita",
            "followersCount": self.followers.get(did, 0),
        }
        return web.json_response(profile)

    def notify(self, reason: str, did: str, rkey: str) -> None:
        self.notifications.insert(0, {**self._view(did, rkey), "reason": reason, "isRead": False})

    async def _listNotifications(self, _request: web.Request) -> web.Response:
        return web.json_response({"notifications": self.notifications})

    async def _getRecord(self, request: web.Request) -> web.Response:
        repo, rkey = request.query["repo"], request.query["rkey"]
        record = self.records.get((repo, rkey))
        if record is None:
            return _error(400, "RecordNotFound", f"Could not locate record: at://{repo}/app.bsky.feed.post/{rkey}")
        uri = f"at://{repo}/app.bsky.feed.post/{rkey}"
        return web.json_response({"uri": uri, "cid": f"cid-{rkey}", "value": record})

    async def _createRecord(self, request: web.Request) -> web.Response:
        if self.failures:
            status, body, headers = self.failures.pop(0)
            return web.Response(status=status, text=json.dumps(body), headers=headers)
        body = await request.json()
        assert (body["repo"], body["collection"]) == (DID, "app.bsky.feed.post")
        assert (DID, body["rkey"]) not in self.records, "published twice"
        self.records[DID, body["rkey"]] = body["record"]
        if self.lose_response:
            self.lose_response = False
            request.transport.close()
        return web.json_response({"uri": f"at://{DID}/app.bsky.feed.post/{body['rkey']}", "cid": "cid-new"})


def _error(status: int, error: str, message: str) -> web.Response:
    return web.json_response({"error": error, "message": message}, status=status)
