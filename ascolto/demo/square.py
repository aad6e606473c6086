"""The square: a small public platform, so that the demo listens and publishes to a real one over HTTP.

It lives in memory; connections/square.py describes its API.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from html import escape
from typing import Final

import msgspec
from aiohttp import web

from ascolto.demo.story import Event
from connections.square import SquarePost

OWN: Final = "vialunga"
PAGE: Final = """<!doctype html><html lang="it"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5"><title>La piazza</title><style>
body{{font:16px/1.4 system-ui;max-width:40rem;margin:2rem auto;
padding:0 1rem;color-scheme:light dark}}article{{border:1px solid #8886;border-radius:.6rem;padding:.6rem .9rem;margin:.5rem 0}}
.ours{{margin-left:2rem;background:#6a4be51f}}small{{color:#888}}a{{color:inherit}}
p{{margin:.2rem 0;white-space:pre-wrap}}</style>
<h1>La piazza</h1><p><small>The demo's public square: anybody can read it.</small></p>{posts}</html>"""


class Square:
    """Numbered events, and the posts by id. `now` can be handed in."""

    def __init__(self, now: Callable[[], datetime], host: str = "127.0.0.1", port: int = 0) -> None:
        self._now = now
        self._host = host
        self._port = port
        self._events: list[SquarePost] = []
        self._posts: dict[str, SquarePost] = {}
        self._keys: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._stopping = False
        self.replies: list[SquarePost] = []
        """What was published through the API, in order."""

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/posts/{id}", self._page),
                web.get("/api/posts", self._list),
                web.get("/api/posts/{id}", self._one),
                web.post("/api/posts", self._publish),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self._stopping = True
        self._notify()
        await self._runner.cleanup()

    def post(self, **fields: object) -> SquarePost:
        """Somebody posts something, edits it (`kind="edit"`) or deletes it (`kind="deletion"`)."""
        native_id = str(fields["id"])
        existing = self._posts.get(native_id)
        parent = self._posts.get(str(fields.get("parent") or ""))
        thread = existing.thread if existing else (parent.thread if parent else native_id)
        added = {
            "number": len(self._events) + 1,
            "thread": thread,
            "at": self._now(),
            "url": f"{self.url}/posts/{native_id}",
        }
        post = msgspec.convert({**fields, **added}, SquarePost)
        self._events.append(post)
        self._posts[native_id] = post
        self._notify()
        return post

    def replay(self, count: int) -> None:
        """Delivers the last `count` posts a second time."""
        for post in [p for p in self._events if p.kind == "post"][-count:]:
            self._events.append(msgspec.structs.replace(post, number=len(self._events) + 1))
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _list(self, request: web.Request) -> web.Response:
        if key := request.query.get("key"):
            return _json([self._posts[self._keys[key]]] if key in self._keys else [])
        after, wait = int(request.query.get("after", 0)), float(request.query.get("wait", 0))
        events = self._events[min(after, len(self._events)) :]
        if not events and wait and not self._stopping:
            changed = self._changed
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), min(wait, 30))
            events = self._events[min(after, len(self._events)) :]
        return _json(events)

    async def _one(self, request: web.Request) -> web.Response:
        post = self._posts.get(request.match_info["id"])
        return _json(post) if post and post.kind != "deletion" else web.Response(status=404, text="No such post.")

    async def _publish(self, request: web.Request) -> web.Response:
        """The brand's own account replies; the same key a second time returns the reply that exists already."""
        body = await request.json()
        key, parent = str(body["key"]), self._posts.get(str(body["in_reply_to"]))
        if key in self._keys:
            return _json(self._posts[self._keys[key]])
        if parent is None or parent.kind == "deletion":
            return web.Response(status=410, text="The post you are replying to was deleted.")
        native_id = f"r{len(self.replies) + 1}"
        reply = self.post(id=native_id, author=OWN, name="Vialunga", text=str(body["text"]), parent=parent.id)
        self._keys[key] = native_id
        self.replies.append(reply)
        return _json(reply)

    async def _page(self, request: web.Request) -> web.Response:
        """The newest threads, or one, for people."""
        chosen = self._posts.get(request.match_info.get("id", ""))
        threads = (
            [chosen.thread] if chosen else list(dict.fromkeys(p.thread for p in reversed(self._posts.values())))[:40]
        )
        shown = [p for thread in threads for p in self._posts.values() if p.thread == thread and p.kind != "deletion"]
        return web.Response(text=PAGE.format(posts="".join(map(_article, shown))), content_type="text/html")


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _article(post: SquarePost) -> str:
    ours = ' class="ours"' if post.author == OWN else ""
    link = f'<a href="/posts/{escape(post.id)}">{post.at:%H:%M}</a>'
    who = f"<b>@{escape(post.author)}</b> <small>{link}</small>"
    return f'<article{ours} id="{escape(post.id)}">{who}<p>{escape(post.text)}</p></article>'


def play_event(square: Square, event: Event) -> None:
    """Plays one event of the story on the square."""
    if event.kind == "replay":
        square.replay(event.replay)
        return
    square.post(
        id=event.id,
        kind=event.kind,
        author=event.author,
        followers=event.followers,
        text=event.text,
        lang=event.language or None,
        parent=event.parent or None,
    )
