"""The web desk: an aiohttp application on its own port, on this machine unless configured otherwise."""

from typing import Protocol

from aiohttp import web

from connections.limited_server import LimitedSite, Limits, without_software
from connections.safe_fetch import Fetcher
from models.errors import OperatorError
from web.auth.sessions import HTTPS
from web.events import EventStreams
from web.inbox.media import FETCHER
from web.inbox.open_case import FIND_POST
from web.middleware import middlewares
from web.rate_limits import SIGN_IN_SECONDS, SIGN_IN_TRIES, SIGN_INS, TRUSTED_PROXIES, RateLimit
from web.rendering import STATIC
from web.routes import STREAMS, add_routes
from web.viewer import APPLICATION, Application, FindPost

MAX_BODY = 200_000
"""Bytes of a request."""


class Settings(Protocol):
    """What the web desk needs of the settings."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def allowed_hosts(self) -> tuple[str, ...]: ...
    @property
    def public_url(self) -> str: ...
    @property
    def trusted_proxies(self) -> tuple[str, ...]: ...


class WebDesk:
    def __init__(
        self, application: Application, settings: Settings, find_post: FindPost, *, private_images: bool = False
    ) -> None:
        """With `private_images`, images from this machine's network are fetched too: for tests."""
        self._settings = settings
        self._fetcher = Fetcher(private=private_images)
        self._streams = EventStreams(application)
        hosts = {"127.0.0.1", "localhost", "::1", settings.host, *settings.allowed_hosts}
        self._app = web.Application(
            middlewares=middlewares(sorted(hosts), settings.public_url), client_max_size=MAX_BODY
        )
        self._app.on_response_prepare.append(without_software)
        self._app[APPLICATION] = application
        self._app[TRUSTED_PROXIES] = frozenset(settings.trusted_proxies)
        self._app[SIGN_INS] = RateLimit(SIGN_IN_TRIES, SIGN_IN_SECONDS)
        self._app[STREAMS] = self._streams
        self._app[HTTPS] = settings.public_url.startswith("https://")
        self._app[FIND_POST] = find_post
        self._app[FETCHER] = self._fetcher
        add_routes(self._app)
        self._app.router.add_static("/static/", STATIC)
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=3, auto_decompress=False)
        self.port = settings.port

    @property
    def address(self) -> str:
        """Where members reach it."""
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return self._settings.public_url.rstrip("/") or f"http://{host}:{self.port}"

    async def start(self) -> None:
        await self._runner.setup()
        limits = Limits(frozenset(self._settings.trusted_proxies))
        site = LimitedSite(self._runner, self._settings.host, self._settings.port, limits)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise OperatorError(
                f"The web desk cannot listen on {self._settings.host}:{self._settings.port}: {error.strerror or error}",
                "Choose another `port` under [web], or stop the program that uses it.",
            ) from error
        self.port = self._runner.addresses[0][1]
        self._streams.start()

    async def stop(self) -> None:
        await self._streams.stop()
        await self._runner.cleanup()
        await self._fetcher.close()
