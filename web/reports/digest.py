"""The digest of a day, week or month, for all brands that a member sees."""

from datetime import date
from typing import Final

from aiohttp import web

from insights import charts, digests
from insights.periods import Period
from models.configuration import Queue
from web.rendering import page
from web.viewer import VIEWER, Viewer

KINDS: Final = ("day", "week", "month")


async def digest(request: web.Request) -> web.Response:
    viewer, period = request[VIEWER], _period(request)
    async with viewer.application.store.reading() as session:
        lines = await digests.digest(viewer.context(session), _all_brands(viewer), period, viewer.t)
    return page(
        request,
        "digest.html",
        lines=lines,
        kind=period.kind,
        kinds=KINDS,
        earlier=period.before().first,
        day=period.first,
    )


async def chart(request: web.Request) -> web.Response:
    viewer, period = request[VIEWER], _period(request)
    async with viewer.application.store.reading() as session:
        shown = await digests.chart(viewer.context(session), _all_brands(viewer), period, viewer.t)
    if shown is None:
        raise web.HTTPNotFound(text="There were no mentions.\n")
    return web.Response(body=await charts.png(shown), content_type="image/png", headers={"Cache-Control": "no-store"})


def _period(request: web.Request) -> Period:
    viewer = request[VIEWER]
    kind = request.query.get("period", "day")
    day = _day(request.query.get("date", ""))
    return digests.period_of(kind if kind in KINDS else "day", day, viewer.now, viewer.member.zone)


def _all_brands(viewer: Viewer) -> Queue:
    slugs = [viewer.configuration.brands[number].slug for number in viewer.brands]
    return digests.queue_of_brands(viewer.configuration, slugs, viewer.member.zone, viewer.member.language)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1990 <= day.year < 9000 else None
