"""Every URL of the web desk, with its handler and who may use it. Whoever may not gets 401, or 404 for another brand's case."""

from collections.abc import Awaitable, Callable
from typing import Final, Literal, NamedTuple

from aiohttp import web

from languages import mark
from models.errors import Refused
from triage.permissions import get_visible_case, may_operate
from web.auth import login
from web.auth.sessions import require_viewer
from web.events import EventStreams
from web.inbox import actions, bulk, media, open_case, pages, replies
from web.mentions import pages as mentions
from web.rendering import MENU
from web.reports import digest
from web.settings import profile
from web.status import pages as status
from web.viewer import Viewer

Access = Literal["anyone", "member", "case", "lead"]
"""`member`: signed in. `case`: signed in, and may see the brand of the case in the URL. `lead`: a lead or an admin."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STREAMS: web.AppKey[EventStreams] = web.AppKey("streams", EventStreams)
CASE: Final = r"/cases/{case:\d{1,15}}"


class Route(NamedTuple):
    """`menu` is the label of a page in the navigation."""

    method: str
    path: str
    handler: Handler
    access: Access
    menu: str = ""


async def event_stream(request: web.Request) -> web.StreamResponse:
    return await request.app[STREAMS].stream(request)


ROUTES: Final = (
    Route("GET", "/", pages.inbox, "member"),
    Route("GET", "/list", pages.case_list, "member"),
    Route("GET", "/list/more", pages.more_cases, "member"),
    Route("GET", "/next", pages.next_case, "member"),
    Route("GET", CASE, pages.case, "case"),
    Route("GET", CASE + "/details", pages.case_details, "case"),
    Route("GET", CASE + "/editor", pages.case_editor, "case"),
    Route("GET", CASE + r"/media/{mention:\d{1,15}}/{position:\d{1,2}}", media.image, "case"),
    Route("POST", CASE + "/actions/{verb:[a-z_]+}", actions.act, "case"),
    Route("POST", CASE + "/draft", replies.save_draft, "case"),
    Route("GET", CASE + "/checks", replies.check_proposal, "case"),
    Route("POST", CASE + "/approve", replies.approve, "case"),
    Route("POST", CASE + "/approve_proposal", replies.approve_proposal, "case"),
    Route("GET", CASE + "/bulk_reply", bulk.show, "case"),
    Route("POST", CASE + "/bulk_reply", bulk.submit, "case"),
    Route("GET", "/mentions", mentions.search, "member", menu=mark("Mentions")),
    Route("GET", "/digest", digest.digest, "member", menu=mark("Digest")),
    Route("GET", "/digest/chart.png", digest.chart, "member"),
    Route("GET", "/status", status.status, "member", menu=mark("Status")),
    Route("POST", r"/status/retry/{item:\d{1,15}}", status.retry, "lead"),
    Route("GET", "/open", open_case.show, "member", menu=mark("New case")),
    Route("POST", "/open", open_case.submit, "member"),
    Route("GET", "/me", profile.show, "member"),
    Route("POST", "/me", profile.submit, "member"),
    Route("GET", "/events", event_stream, "member"),
    Route("GET", "/healthz", status.healthz, "anyone"),
    Route("GET", "/sign_in/{token}", login.show_link, "anyone"),
    Route("POST", "/sign_in/{token}", login.sign_in, "anyone"),
    Route("POST", "/sign_out", login.sign_out, "member"),
)


def add_routes(app: web.Application) -> None:
    app[status.LAST_PROBE] = {}
    app[MENU] = [(route.path, route.menu) for route in ROUTES if route.menu]
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _guarded(route))


def _guarded(route: Route) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        if route.access != "anyone":
            viewer = await require_viewer(request)
            if route.access == "lead" and not may_operate(viewer.member):
                raise web.HTTPForbidden(text=viewer.t(mark("Only a lead can do this.")))
            if route.access == "case":
                await _require_case(viewer, int(request.match_info["case"]))
        return await route.handler(request)

    return handler


async def _require_case(viewer: Viewer, number: int) -> None:
    async with viewer.application.store.reading() as session:
        try:
            await get_visible_case(viewer.context(session), number, viewer.member_id)
        except Refused as refusal:
            raise web.HTTPNotFound(text=refusal.message_for(viewer.t)) from None
