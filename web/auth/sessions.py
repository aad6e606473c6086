"""Who is signed in: the session cookie."""

from datetime import timedelta
from typing import Final

from aiohttp import web

from languages import translator
from store import sessions
from web.viewer import APPLICATION, VIEWER, Viewer, is_fragment

COOKIE: Final = "ascolto"
SECURE_COOKIE: Final = "__Host-ascolto"
"""Over HTTPS: no other host and no plain page can set it."""
COOKIE_AGE: Final = timedelta(days=30)
HTTPS: web.AppKey[bool] = web.AppKey("https", bool)
"""Whether members reach the web desk over HTTPS, through a proxy."""


async def require_viewer(request: web.Request) -> Viewer:
    """The signed-in member, also stored on the request; 401 where there is none."""
    viewer = await find_viewer(request)
    if viewer is None:
        if is_fragment(request) or request.path == "/events":
            raise web.HTTPUnauthorized(text="You are signed out.\n")
        raise web.HTTPUnauthorized(
            text="You are not signed in. Ask for a link:  ascolto invite MEMBER\n", content_type="text/plain"
        )
    request[VIEWER] = viewer
    return viewer


async def find_viewer(request: web.Request) -> Viewer | None:
    application = request.app[APPLICATION]
    key = request.cookies.get(_cookie_name(request), "")
    if not key:
        return None
    now = application.now()
    async with application.store.reading() as session:
        row = await sessions.find_session(session, key, now)
    if row is None:
        return None
    configuration = await application.configuration()
    member = configuration.members.get(row.member_id)
    if member is None or member.archived:
        return None
    if now - row.last_seen_at > sessions.SEEN_INTERVAL:
        async with application.store.writing() as session:
            await sessions.mark_seen(session, row, now)
    return Viewer(application, row.member_id, member, configuration, translator(member.language), row.hash, now)


def set_cookie(request: web.Request, response: web.Response, key: str) -> None:
    """Lax, so that a link in a chat opens the desk; requests that write are held to the Origin check."""
    age = int(COOKIE_AGE.total_seconds())
    name = _cookie_name(request)
    response.set_cookie(name, key, max_age=age, httponly=True, samesite="Lax", secure=name == SECURE_COOKIE, path="/")


def delete_cookie(request: web.Request, response: web.Response) -> None:
    name = _cookie_name(request)
    response.del_cookie(name, path="/", secure=name == SECURE_COOKIE, httponly=True, samesite="Lax")


def _cookie_name(request: web.Request) -> str:
    return SECURE_COOKIE if request.secure or request.app[HTTPS] else COOKIE
