"""The status page, and the health check for monitoring."""

from aiohttp import web

from store.connection_status import all_connections
from web.rendering import page
from web.viewer import APPLICATION, VIEWER


async def status(request: web.Request) -> web.Response:
    viewer = request[VIEWER]
    async with viewer.application.store.reading() as session:
        connections = await all_connections(session)
    return page(request, "status.html", connections=connections)


async def healthz(request: web.Request) -> web.Response:
    """200 while the database answers; names no brand and no member."""
    async with request.app[APPLICATION].store.reading() as session:
        connections = await all_connections(session)
    down = sum(connection.health != "connected" for connection in connections)
    return web.json_response({"ok": True, "connections": len(connections), "down": down})
