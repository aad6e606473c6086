"""Server-sent events: which cases changed and which alerts were raised, told to every open page at once.

One task reads the rows at each change, however many pages are open.
"""

import asyncio
from contextlib import suppress
from typing import Final

import msgspec
from aiohttp import web

from models.tables.alert import AlertKind
from store import alerts, cases
from triage import labels
from web.auth.sessions import find_viewer
from web.middleware import HEADERS
from web.viewer import VIEWER, Application

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
        response = web.StreamResponse(
            headers={**HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        queue: asyncio.Queue[Changes] = asyncio.Queue(maxsize=MAX_PENDING)
        self._queues.add(queue)
        task = asyncio.current_task()
        if task:
            self._streams.add(task)
        brands = set(request[VIEWER].brands)
        try:
            await response.write(b"retry: 2000\n\n")
            while True:
                try:
                    changes: Changes | None = await asyncio.wait_for(queue.get(), HEARTBEAT)
                except TimeoutError:
                    changes = None
                if await find_viewer(request) is None:  # signed out since, perhaps everywhere at once
                    return response
                if changes is None:
                    await response.write(b": heartbeat\n\n")
                    continue
                await self._send(request, response, changes, brands)
        except (ConnectionError, asyncio.CancelledError):
            return response
        finally:
            self._queues.discard(queue)
            if task:
                self._streams.discard(task)

    async def _send(
        self, request: web.Request, response: web.StreamResponse, changes: Changes, brands: set[int]
    ) -> None:
        changed = [number for number, brand in changes.cases if brand in brands]
        if changed:
            await response.write(b"event: changed\ndata: %b\n\n" % msgspec.json.encode(changed))
        t = request[VIEWER].t
        for alert in changes.alerts:
            if alert.brand in brands:
                headline = labels.alert(alert.kind, alert.text, alert.severity, alert.words, t)
                data = msgspec.json.encode({"case": alert.case, "message": f"#{alert.case} · {headline}"})
                await response.write(b"event: alert\ndata: %b\n\n" % data)
