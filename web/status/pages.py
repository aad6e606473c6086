"""The status page, and the health check for monitoring."""

from datetime import datetime, timedelta
from typing import Final

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from models.errors import OperatorError
from store import cursors, failed_items
from store.connection_status import all_connections
from triage.permissions import may_operate
from web.rendering import page
from web.viewer import APPLICATION, VIEWER, Viewer

PROBE_INTERVAL: Final = timedelta(seconds=5)
"""How often the health check writes at most, however often it is asked."""
LAST_PROBE: web.AppKey[dict[str, object]] = web.AppKey("last_probe", dict)


async def status(request: web.Request) -> web.Response:
    """The connections of the brands that a member may see; what a server said, and what was set aside, is for leads."""
    viewer = request[VIEWER]
    async with viewer.application.store.reading() as session:
        connections = await all_connections(session)
        items = await failed_items.list_set_aside(session) if may_operate(viewer.member) else []
    visible = [connection for connection in connections if _may_see(viewer, connection.name)]
    return page(request, "status.html", connections=visible, items=items, detailed=may_operate(viewer.member))


async def retry(request: web.Request) -> web.Response:
    viewer = request[VIEWER]
    async with viewer.application.store.writing() as session:
        await failed_items.retry(session, int(request.match_info["item"]))
    raise web.HTTPSeeOther("/status")


def _may_see(viewer: Viewer, connection: str) -> bool:
    brands = (viewer.configuration.brands[number].slug for number in viewer.brands)
    return any(viewer.application.may_concern(connection, slug) for slug in brands)


async def healthz(request: web.Request) -> web.Response:
    """200 while the database can be written; names no brand and no member."""
    application = request.app[APPLICATION]
    try:
        await _probe(request, application.now())
        async with application.store.reading() as session:
            connections = await all_connections(session)
    except (OperatorError, SQLAlchemyError, OSError):
        return web.json_response({"ok": False, "reason": "the database cannot be written"}, status=503)
    down = sum(connection.health != "connected" for connection in connections)
    return web.json_response({"ok": True, "connections": len(connections), "down": down})


async def _probe(request: web.Request, now: datetime) -> None:
    """Writes a row: with a full disk or a locked database, reading works, and nothing else does."""
    last = request.app[LAST_PROBE].get("at")
    if isinstance(last, datetime) and timedelta(0) <= now - last < PROBE_INTERVAL:
        return
    async with request.app[APPLICATION].store.writing(notify=False) as session:
        await cursors.save(session, "health", "", now.isoformat(), now)
    request.app[LAST_PROBE]["at"] = now
