"""Server-sent events: which cases changed and which alerts were raised, told to every open page at once.

One task reads the rows at each change, however many pages are open.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Final

import msgspec
from aiohttp import web

from models.tables.alert import AlertKind
from store import alerts, cases
from triage import labels
from web.auth.sessions import find_viewer
from web.middleware import HEADERS
from web.rate_limits import STREAMS_PER_SESSION
from web.viewer import VIEWER, Application, Viewer

SWEEP: Final = 5.0
HEARTBEAT: Final = 15.0
"""Seconds; an empty line keeps proxies from closing the stream."""
COALESCE: Final = 0.05
"""Seconds in which changes are gathered into one message."""
MAX_PENDING: Final = 1_000
"""Messages a slow page may be behind before it misses some."""


class RaisedAlert(msgspec.Struct, frozen=True):
    case: int
    brand: int
    kind: AlertKind
    text: str
    severity: str | None
    words: tuple[str, ...]


class Changes(msgspec.Struct, frozen=True):
    """`cases` are (case, brand)."""

    cases: tuple[tuple[int, int], ...]
    alerts: tuple[RaisedAlert, ...]


class EventStreams:
    def __init__(self, application: Application) -> None:
        self._application = application
        self._queues: set[asyncio.Queue[Changes]] = set()
        self._streams: set[asyncio.Task[object]] = set()
        self._per_session: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="event streams")

    async def stop(self) -> None:
        """Ends every stream: an open one would keep the server from closing."""
        tasks = [*self._streams, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        store = self._application.store
        async with store.reading() as session:
            event, alert = await cases.last_event(session), await alerts.last_alert(session)
        while True:
            version = store.notifier.version
            async with store.reading() as session:
                event, changed = await cases.changed_since(session, event)
                raised = await alerts.raised_since(session, alert)
                alert = max(alert, await alerts.last_alert(session))
            if changed or raised:
                changes = Changes(
                    tuple(changed),
                    tuple(RaisedAlert(a.case_id, a.brand_id, a.kind, a.text, a.severity, a.words) for a in raised),
                )
                for queue in self._queues:
                    with suppress(asyncio.QueueFull):
                        queue.put_nowait(changes)
            await store.notifier.wait(version, SWEEP)
            await asyncio.sleep(COALESCE)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        session = request[VIEWER].session_hash
        if self._per_session[session] >= STREAMS_PER_SESSION:
            raise web.HTTPTooManyRequests(text="Too many open pages.\n", headers={"Retry-After": "60"})
        response = web.StreamResponse(
            headers={**HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        queue: asyncio.Queue[Changes] = asyncio.Queue(maxsize=MAX_PENDING)
        self._queues.add(queue)
        self._per_session[session] += 1
        task = asyncio.current_task()
        if task:
            self._streams.add(task)
        try:
            await response.write(b"retry: 2000\n\n")
            while True:
                try:
                    changes: Changes | None = await asyncio.wait_for(queue.get(), HEARTBEAT)
                except TimeoutError:
                    changes = None
                viewer = await find_viewer(request)
                if viewer is None:  # signed out since, perhaps everywhere at once
                    await response.write(b"event: signed out\ndata: {}\n\n")
                    return response
                if changes is None:
                    await response.write(b": heartbeat\n\n")
                    continue
                await self._send(viewer, response, changes)
        except (ConnectionError, asyncio.CancelledError):
            return response
        finally:
            self._queues.discard(queue)
            self._per_session[session] -= 1
            if task:
                self._streams.discard(task)

    async def _send(self, viewer: Viewer, response: web.StreamResponse, changes: Changes) -> None:
        """What the member may see now, whatever it was when the stream was opened."""
        brands = set(viewer.brands)
        changed = [number for number, brand in changes.cases if brand in brands]
        if changed:
            await response.write(b"event: changed\ndata: %b\n\n" % msgspec.json.encode(changed))
        t = viewer.t
        for alert in changes.alerts:
            if alert.brand in brands:
                headline = labels.alert(alert.kind, alert.text, alert.severity, alert.words, t)
                data = msgspec.json.encode({"case": alert.case, "message": f"#{alert.case} · {headline}"})
                await response.write(b"event: alert\ndata: %b\n\n" % data)
