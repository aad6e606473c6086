"""A Jetstream server as https://github.com/bluesky-social/jetstream describes it: both versions, cursors, replay, errors.

In v2 a cursor is a sequence number, inclusive, or a time where it is 1e15 or more; one below `floor` is refused.
"""

import asyncio
import json
from datetime import UTC, datetime

from aiohttp import WSMsgType, web
from platforms.server import Server

COLLECTION = "app.bsky.feed.post"
REV = "3lbsxk5l2vc2a"
CID = "bafyreibvjvcv745gig4mvqs4hctx4zfkono4rjejm2ta6gtyzkqxfjeily"


class Jetstream(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_get("/subscribe", self._subscribe)
        self.app.router.add_get("/xrpc/network.bsky.jetstream.subscribeEvents", self._subscribe)
        self.floor = 0
        self.events: list[dict] = []
        self.subscriptions: list[dict] = []
        """Their parameters."""
        self.raw: list[str] = []
        """Frames that are sent unchanged to every client."""
        self._sockets: set[web.WebSocketResponse] = set()
        self._changed = asyncio.Event()
        self._time = 1_795_424_400_000_000

    @property
    def subscribe(self) -> str:
        return f"ws://127.0.0.1:{self.port}/subscribe"

    @property
    def subscribe_events(self) -> str:
        return f"ws://127.0.0.1:{self.port}/xrpc/network.bsky.jetstream.subscribeEvents"

    def post(self, text: str, did: str = "did:plc:rita", rkey: str = "", **record: object) -> dict:
        return self.event("create", did, rkey or f"k{len(self.events)}", {"text": text, "langs": ["it"], **record})

    def event(self, operation: str, did: str, rkey: str, record: dict | None = None) -> dict:
        self._time += 1_000_000
        commit = {"rev": REV, "operation": operation, "collection": COLLECTION, "rkey": rkey}
        if record is not None:
            commit |= {"record": {"$type": COLLECTION, "createdAt": "2026-11-23T08:00:00Z", **record}, "cid": CID}
        event = {"did": did, "time_us": self._time, "kind": "commit", "commit": commit}
        self.events.append(event)
        self._notify()
        return event

    def frame(self, raw: str) -> None:
        self.raw.append(raw)
        self._notify()

    async def drop(self) -> None:
        """Closes all connections."""
        for socket in list(self._sockets):
            await socket.close()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _subscribe(self, request: web.Request) -> web.WebSocketResponse:
        self.subscriptions.append(dict(request.query))
        is_v2 = request.path.endswith("subscribeEvents")
        cursor = int(request.query.get("cursor") or 0)
        if is_v2 and 0 < cursor < self.floor:
            return web.json_response({"error": "CursorTooOld", "message": f"the floor is {self.floor}"}, status=400)
        socket = web.WebSocketResponse(max_msg_size=0, protocols=("xrpc.v1.json",) if is_v2 else ())
        await socket.prepare(request)
        self._sockets.add(socket)
        if request.query.get("requireHello") == "true":
            await socket.receive()
        sent = 0 if cursor else len(self.events)
        raw_sent = len(self.raw)
        closing = asyncio.ensure_future(self._until_closed(socket))
        try:
            while not socket.closed:
                changed = self._changed
                for seq, event in enumerate(self.events[sent:], sent + 1):
                    if (seq >= cursor) if is_v2 and cursor < 1e15 else event["time_us"] > cursor:
                        await socket.send_str(json.dumps(_to_v2(event, seq) if is_v2 else event))
                sent = len(self.events)
                for frame in self.raw[raw_sent:]:
                    await socket.send_str(frame)
                raw_sent = len(self.raw)
                waiting = asyncio.ensure_future(changed.wait())
                await asyncio.wait({waiting, closing}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
        except ConnectionError:
            pass
        finally:
            closing.cancel()
            self._sockets.discard(socket)
        return socket

    async def _until_closed(self, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                return


def _to_v2(event: dict, seq: int) -> dict:
    time = datetime.fromtimestamp(event["time_us"] / 1e6, UTC).isoformat().replace("+00:00", "Z")
    kind = f"network.bsky.jetstream.subscribeEvents#{event['kind']}"
    payload = {"$type": kind, "seq": seq, "did": event["did"], "time": time, "witnessedAt": time, **event["commit"]}
    return {"$type": "message", "payload": payload}
