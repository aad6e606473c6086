"""Who gets in: hosts that are ours, requests that began on our pages, members with a session."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from languages import translator
from models.errors import OperatorError
from store import members
from web.visit import HOUSE, VISIT, Visit, is_fragment

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COOKIE: Final = "ascolto"
OPEN: Final = ("/enter/", "/static/", "/healthz")
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    # Not no-referrer: with that a browser sends `Origin: null` from our own forms, and nothing could be told apart.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def gate(allowed: Sequence[str]) -> list[web.middleware]:  # type: ignore[valid-type]
    """The middlewares, in the order in which a request meets them."""
    hosts = {host.lower() for host in allowed}

    @web.middleware
    async def headers(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as raised:
            _dress(request, raised)
            raise
        if not response.prepared:
            _dress(request, response)
        return response

    @web.middleware
    async def trouble(request: web.Request, handler: Handler) -> web.StreamResponse:
        """What the operator must mend is said to whoever stands before it."""
        try:
            return await handler(request)
        except OperatorError as error:
            raise web.HTTPServiceUnavailable(text=f"{error.problem}\n{error.fix}\n") from error

    @web.middleware
    async def host(request: web.Request, handler: Handler) -> web.StreamResponse:
        """A page of somebody else's, whose name was made to point here, asks under its own name."""
        if (_split(f"//{request.host}").hostname or "").lower() not in hosts:
            raise web.HTTPMisdirectedRequest(text="This host name is not one of Ascolto's (see `allowed_hosts`).\n")
        return await handler(request)

    @web.middleware
    async def origin(request: web.Request, handler: Handler) -> web.StreamResponse:
        """What changes something must have begun on one of our own pages."""
        if request.method not in ("GET", "HEAD"):
            came = request.headers.get("Origin") or request.headers.get("Referer") or ""
            site = request.headers.get("Sec-Fetch-Site", "same-origin")
            if _split(came).netloc.lower() != request.host.lower() or site not in ("same-origin", "none"):
                raise web.HTTPForbidden(text="This request did not begin on Ascolto's own page.\n")
        return await handler(request)

    return [headers, trouble, host, origin, session]


def _split(address: str) -> SplitResult:
    """Its parts; all empty for what cannot be read as an address."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _dress(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    kept = "public, max-age=31536000, immutable" if request.path.startswith("/static/") else "no-store"
    response.headers.setdefault("Cache-Control", kept)


@web.middleware
async def session(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path.startswith(OPEN):
        return await handler(request)
    visit = await visit_of(request)
    if visit is None:
        if is_fragment(request) or request.path == "/events":
            raise web.HTTPUnauthorized(text="Your session has ended.\n", headers={"HX-Redirect": "/"})
        raise web.HTTPUnauthorized(
            text="You are not signed in. Ask for a link:  ascolto invite MEMBER\n", content_type="text/plain"
        )
    request[VISIT] = visit
    return await handler(request)


async def visit_of(request: web.Request) -> Visit | None:
    house = request.app[HOUSE]
    key = request.cookies.get(COOKIE, "")
    if not key:
        return None
    now = house.now()
    async with house.store.reading() as rows:
        found = await members.session_of(rows, key, now)
    if found is None:
        return None
    catalogue = await house.catalogue()
    member = catalogue.members.get(found.member_id)
    if member is None or member.archived:
        return None
    if now - found.seen_at > members.SEEN:
        async with house.store.writing() as rows:
            await members.seen(rows, found, now)
    return Visit(house, found.member_id, member, catalogue, translator(member.language), found.hash, now)


def set_cookie(response: web.Response, key: str, *, secure: bool) -> None:
    """Lax, so that a link in a chat opens the desk; whatever changes something is held to the Origin check."""
    age = int(timedelta(days=30).total_seconds())
    response.set_cookie(COOKIE, key, max_age=age, httponly=True, samesite="Lax", secure=secure, path="/")
