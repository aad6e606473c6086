"""What every request goes through: security headers, known hosts, and requests that write only from our own pages."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from models.errors import OperatorError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

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


def middlewares(allowed_hosts: Sequence[str], public_url: str = "") -> list[web.middleware]:  # type: ignore[valid-type]
    """In the order in which a request meets them."""
    hosts = {host.lower() for host in allowed_hosts}
    public = _split(public_url)

    @web.middleware
    async def security_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as raised:
            _add_security_headers(request, raised)
            raise
        if not response.prepared:
            _add_security_headers(request, response)
        return response

    @web.middleware
    async def operator_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        """What the operator must fix is shown to whoever meets it."""
        try:
            return await handler(request)
        except OperatorError as error:
            raise web.HTTPServiceUnavailable(text=f"{error.problem}\n{error.fix}\n") from error

    @web.middleware
    async def known_host(request: web.Request, handler: Handler) -> web.StreamResponse:
        """DNS rebinding: a foreign page whose name was made to resolve to this machine asks under its own name."""
        if (_split(f"//{request.host}").hostname or "").lower() not in hosts:
            raise web.HTTPMisdirectedRequest(text="This host name is not one of Ascolto's (see `allowed_hosts`).\n")
        return await handler(request)

    @web.middleware
    async def same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Cross-site request forgery: a request that writes must come from one of our own pages."""
        if request.method not in ("GET", "HEAD"):
            origin = request.headers.get("Origin") or request.headers.get("Referer") or ""
            site = request.headers.get("Sec-Fetch-Site", "same-origin")
            scheme = public.scheme if public.netloc.lower() == request.host.lower() else request.scheme
            came_from = _split(origin)
            own = (came_from.scheme, came_from.netloc.lower()) == (scheme, request.host.lower())
            if not own or site not in ("same-origin", "none"):
                raise web.HTTPForbidden(text="This request did not come from Ascolto's own page.\n")
        return await handler(request)

    return [security_headers, operator_errors, known_host, same_origin]


def _split(address: str) -> SplitResult:
    """Its parts; all empty for what is no address."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    caching = "public, max-age=31536000, immutable" if request.path.startswith("/static/") else "no-store"
    response.headers.setdefault("Cache-Control", caching)
