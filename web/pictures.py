"""Pictures beside a mention, fetched by us so that no stranger's server learns who looks at what, and when."""

from typing import Final

from aiohttp import web
from sqlalchemy import select

from connections.guard import Fetcher
from models.errors import EdgeError
from models.mention import Mention, MentionBrand
from web.visit import VISIT, Visit

routes = web.RouteTableDef()
FETCHER: web.AppKey[Fetcher] = web.AppKey("fetcher", Fetcher)

MAX_PICTURE: Final = 8_000_000
"""Bytes."""
SHOWN: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"})
"""Kinds that hold nothing but a picture: no SVG, which may hold a script."""
KEPT: Final = {"Cache-Control": "private, max-age=86400", "Content-Disposition": "inline"}


@routes.get("/cases/{case:\\d{1,15}}/media/{mention:\\d{1,15}}/{place:\\d{1,2}}")
async def picture(request: web.Request) -> web.Response:
    """One picture of a mention in a case that the member may see."""
    address = await _address(request[VISIT], *(int(request.match_info[key]) for key in ("case", "mention", "place")))
    if not address:
        raise web.HTTPNotFound(text="There is no such picture.\n")
    try:
        answer = await request.app[FETCHER].get(address, limit=MAX_PICTURE)
    except EdgeError as error:
        raise web.HTTPBadGateway(text="The picture cannot be fetched.\n") from error
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status != 200 or kind not in SHOWN:
        raise web.HTTPBadGateway(text="There is no picture at that address.\n")
    return web.Response(body=answer.body, content_type=kind, headers=KEPT)


async def _address(visit: Visit, case: int, mention: int, place: int) -> str:
    """Where the picture stands; empty for what the member may not see, and for what was deleted."""
    async with visit.house.store.reading() as session:
        media = await session.scalar(
            select(Mention.media)
            .join(MentionBrand, MentionBrand.mention_id == Mention.id)
            .where(Mention.id == mention, MentionBrand.case_id == case, MentionBrand.brand_id.in_(visit.brands))
            .limit(1)
        )
    if not media or place >= len(media):
        return ""
    return media[place].preview or (media[place].url if media[place].kind == "image" else "")
