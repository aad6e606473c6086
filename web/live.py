"""Server-sent events: which cases changed and which alerts were raised, told to every open page at once.

One task looks at the rows whenever the bell rings, however many pages are open.
"""

import asyncio
from contextlib import suppress
from typing import Final

import msgspec
from aiohttp import web
from sqlalchemy import func, select

from models.case import Alert, Case
from store import cases
from triage import wording
from web.access import HEADERS, visit_of
from web.visit import VISIT, House

SWEEP: Final = 5.0
PULSE: Final = 15.0
"""Seconds; a line that says nothing keeps proxies from closing the stream."""
GATHER: Final = 0.05
"""Seconds in which changes are gathered into one message."""


class News(msgspec.Struct, frozen=True):
    """`alerts` are numbers of alerts, `cases` of cases, by brand, so that each page hears of its own only."""

    cases: tuple[tuple[int, int], ...]
    alerts: tuple[tuple[int, int], ...]


class Live:
    def __init__(self, house: House) -> None:
        self._house = house
        self._listeners: set[asyncio.Queue[News]] = set()
        self._streams: set[asyncio.Task[object]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="live")

    async def stop(self) -> None:
        """Ends every stream: an open one would hold the server back from closing."""
        tasks = [*self._streams, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        store = self._house.store
        async with store.reading() as session:
            event, alert = await cases.last_event(session), await session.scalar(select(func.max(Alert.id))) or 0
        while True:
            seen = store.doorbell.rings
            async with store.reading() as session:
                event, changed = await cases.changed_since(session, event)
                brands = (await session.execute(select(Case.id, Case.brand_id).where(Case.id.in_(changed)))).all()
                raised = (
                    await session.execute(select(Alert.id, Alert.brand_id).where(Alert.id > alert).order_by(Alert.id))
                ).all()
            alert = max([alert, *(number for number, _ in raised)])
            if changed or raised:
                news = News(
                    tuple((number, brand) for number, brand in brands),
                    tuple((number, brand or 0) for number, brand in raised),
                )
                for listener in self._listeners:
                    with suppress(asyncio.QueueFull):
                        listener.put_nowait(news)
            await store.doorbell.wait(seen, SWEEP)
            await asyncio.sleep(GATHER)

    async def events(self, request: web.Request) -> web.StreamResponse:
        visit = request[VISIT]
        response = web.StreamResponse(
            headers={**HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        news: asyncio.Queue[News] = asyncio.Queue(maxsize=1000)
        self._listeners.add(news)
        task = asyncio.current_task()
        if task:
            self._streams.add(task)
        brands = set(visit.brands)
        try:
            await response.write(b"retry: 2000\n\n")
            while True:
                try:
                    heard: News | None = await asyncio.wait_for(news.get(), PULSE)
                except TimeoutError:
                    heard = None
                if await visit_of(request) is None:  # signed out since, perhaps everywhere at once
                    return response
                if heard is None:
                    await response.write(b": still here\n\n")
                    continue
                await self._tell(request, response, heard, brands)
        except (ConnectionError, asyncio.CancelledError):
            return response
        finally:
            self._listeners.discard(news)
            if task:
                self._streams.discard(task)

    async def _tell(self, request: web.Request, response: web.StreamResponse, heard: News, brands: set[int]) -> None:
        changed = [number for number, brand in heard.cases if brand in brands]
        if changed:
            await response.write(b"event: changed\ndata: %b\n\n" % msgspec.json.encode(changed))
        visit = request[VISIT]
        for number, brand in heard.alerts:
            if brand in brands:
                async with visit.house.store.reading() as session:
                    alert = await session.get_one(Alert, number)
                if alert.grouped_in is not None:  # it stands on the card of another like it, or was muted
                    continue
                said = wording.alert(alert.kind, alert.reason, visit.t)
                data = msgspec.json.encode({"case": alert.case_id, "said": f"#{alert.case_id} · {said}"})
                await response.write(b"event: alert\ndata: %b\n\n" % data)
