"""Signing in with a link, and out."""

from aiohttp import web

from store import sessions
from web.auth.sessions import delete_cookie, set_cookie
from web.forms import read_form
from web.rate_limits import require_sign_in_rate
from web.rendering import plain_page
from web.viewer import APPLICATION, VIEWER


async def show_link(request: web.Request) -> web.Response:
    """Opening the link uses nothing up: chats open links too, to draw a preview."""
    require_sign_in_rate(request)
    application = request.app[APPLICATION]
    async with application.store.reading() as session:
        valid = await sessions.is_link_valid(session, request.match_info["token"], application.now())
    return plain_page("sign_in.html", valid=valid)


async def sign_in(request: web.Request) -> web.Response:
    require_sign_in_rate(request)
    application = request.app[APPLICATION]
    async with application.store.writing() as session:
        key = await sessions.sign_in(session, request.match_info["token"], application.now())
    if key is None:
        return plain_page("sign_in.html", valid=False)
    response = web.HTTPSeeOther("/")
    set_cookie(request, response, key)
    raise response


async def sign_out(request: web.Request) -> web.Response:
    """Ends this session, or the one named, or with `all` every one of the member."""
    viewer = request[VIEWER]
    form = await read_form(request)
    which = None if form.get("all") else form.get("session") or viewer.session_hash
    async with viewer.application.store.writing() as session:
        await sessions.revoke(session, viewer.member_id, viewer.now, which)
    response = web.HTTPSeeOther("/me")
    if which in (None, viewer.session_hash):
        delete_cookie(request, response)
    raise response
