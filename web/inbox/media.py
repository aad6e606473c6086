"""Images of mentions, fetched by our server, so that others do not learn who looks at what, and when."""

from typing import Final

from aiohttp import web

from connections.safe_fetch import Fetcher
from models.errors import EdgeError
from store import mentions
from web.viewer import VIEWER

FETCHER: web.AppKey[Fetcher] = web.AppKey("fetcher", Fetcher)

MAX_IMAGE: Final = 8_000_000
"""Bytes."""
IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"})
"""No SVG, which may contain a script."""
CACHING: Final = {"Cache-Control": "private, max-age=86400", "Content-Disposition": "inline"}


async def image(request: web.Request) -> web.Response:
    """One image of a mention in a case; 404 for one that was deleted."""
    viewer = request[VIEWER]
    case, mention, position = (int(request.match_info[key]) for key in ("case", "mention", "position"))
    async with viewer.application.store.reading() as session:
        media = await mentions.media_of(session, case, mention, viewer.brands)
    address = ""
    if position < len(media):
        address = media[position].preview or (media[position].url if media[position].kind == "image" else "")
    if not address:
        raise web.HTTPNotFound(text="There is no such image.\n")
    try:
        response = await request.app[FETCHER].get(address, limit=MAX_IMAGE)
    except EdgeError as error:
        raise web.HTTPBadGateway(text="The image cannot be fetched.\n") from error
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status != 200 or kind not in IMAGE_TYPES:
        raise web.HTTPBadGateway(text="There is no image at that address.\n")
    return web.Response(body=response.body, content_type=kind, headers=CACHING)
