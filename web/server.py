"""The web desk: an aiohttp application on its own port, on this machine unless asked otherwise."""

from typing import Protocol

from aiohttp import web

from connections.guard import Fetcher
from models.errors import OperatorError
from web import acting, looking, pictures
from web.access import gate
from web.live import Live
from web.pages import STATIC
from web.visit import HOUSE, Find, House


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


class WebDesk:
    def __init__(self, house: House, settings: Settings, find: Find, *, private_pictures: bool = False) -> None:
        self._settings = settings
        self._fetcher = Fetcher(private=private_pictures)
        self._live = Live(house)
        hosts = {"127.0.0.1", "localhost", "::1", settings.host, *settings.allowed_hosts}
        self._app = web.Application(middlewares=gate(sorted(hosts)), client_max_size=200_000)
        self._app[HOUSE] = house
        self._app[looking.LIVE] = self._live
        self._app[looking.HTTPS] = settings.public_url.startswith("https://")
        self._app[acting.FIND] = find
        self._app.add_routes(looking.routes)
        self._app[pictures.FETCHER] = self._fetcher
        self._app.add_routes(acting.routes)
        self._app.add_routes(pictures.routes)
        self._app.router.add_static("/static/", STATIC)
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=3, auto_decompress=False)
        self.port = settings.port

    @property
    def address(self) -> str:
        """Where managers reach it."""
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return self._settings.public_url.rstrip("/") or f"http://{host}:{self.port}"

    async def start(self) -> None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.host, self._settings.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise OperatorError(
                f"The web desk cannot listen on {self._settings.host}:{self._settings.port}: {error.strerror or error}",
                "Choose another `port` under [web], or end the program that holds it.",
            ) from error
        self.port = self._runner.addresses[0][1]
        self._live.start()

    async def stop(self) -> None:
        await self._live.stop()
        await self._runner.cleanup()
        await self._fetcher.close()
