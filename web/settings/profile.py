"""A member's own page: quiet hours, absences, and where they are signed in."""

from aiohttp import web

from models.errors import Refused
from store import sessions
from triage.schedule import quiet_hours
from web.forms import read_form
from web.rendering import page
from web.viewer import VIEWER


async def show(request: web.Request) -> web.Response:
    return await _page(request)


async def submit(request: web.Request) -> web.Response:
    """Sets quiet hours or adds an absence; an empty field changes nothing."""
    viewer, form = request[VIEWER], await read_form(request)
    try:
        async with viewer.application.store.writing() as session:
            context = viewer.context(session)
            if form.get("quiet_hours"):
                await quiet_hours.set_quiet_hours(context, viewer.member_id, form["quiet_hours"])
            if form.get("absence"):
                await quiet_hours.add_absence(context, viewer.member_id, form["absence"])
    except Refused as refusal:
        return await _page(request, refusal.message_for(viewer.t))
    raise web.HTTPSeeOther("/me")


async def _page(request: web.Request, problem: str = "") -> web.Response:
    viewer = request[VIEWER]
    async with viewer.application.store.reading() as session:
        active = await sessions.active_sessions(session, viewer.member_id, viewer.now)
    return page(request, "profile.html", sessions=active, problem=problem)
