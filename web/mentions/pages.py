"""Searching mentions."""

from aiohttp import web

from store import mentions
from web.rendering import page
from web.viewer import VIEWER

MAX_QUERY = 200
LIMIT = 50


async def search(request: web.Request) -> web.Response:
    """The newest mentions, or the newest that match the query."""
    viewer = request[VIEWER]
    query = request.query.get("q", "").strip()[:MAX_QUERY]
    async with viewer.application.store.reading() as session:
        if query:
            rows = await mentions.search(session, query, viewer.brands, LIMIT)
        else:
            rows = await mentions.newest(session, viewer.brands, LIMIT)
    return page(request, "mentions.html", query=query, rows=rows, limit=LIMIT, configuration=viewer.configuration)
