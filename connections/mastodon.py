"""One account on one Mastodon server, or on a server with the same API.

https://docs.joinmastodon.org/client/token/, https://docs.joinmastodon.org/api/rate-limits/
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec
import structlog

from connections.http import HttpResponse, call, http_error
from models.errors import Rejected, Unavailable

T = TypeVar("T")
log = structlog.get_logger("ascolto")

FIX: Final = (
    "Create an application under Preferences → Development with the scopes read and write:statuses, and put its access token"
    " in the environment variable that `token_env` names."
)
MAX_LENGTH: Final = 500
LINK_LENGTH: Final = 23
"""Of servers that do not say."""


class Account(msgspec.Struct):
    """https://docs.joinmastodon.org/entities/Account/"""

    id: str
    acct: str
    display_name: str = ""
    url: str | None = None
    followers_count: int = 0


class _Statuses(msgspec.Struct):
    max_characters: int = MAX_LENGTH
    characters_reserved_per_url: int = LINK_LENGTH


class _Urls(msgspec.Struct):
    streaming: str = ""


class _Configuration(msgspec.Struct):
    statuses: _Statuses = msgspec.field(default_factory=_Statuses)
    urls: _Urls = msgspec.field(default_factory=_Urls)


class Instance(msgspec.Struct):
    """https://docs.joinmastodon.org/entities/Instance/"""

    configuration: _Configuration = msgspec.field(default_factory=_Configuration)


class Mastodon:
    """`server` is the instance's base URL."""

    platform = "mastodon"

    def __init__(self, name: str, server: str, token: str, http: aiohttp.ClientSession) -> None:
        self.name = name
        self.host = urlsplit(server).netloc
        self.http = http
        self.account: Account | None = None
        self.instance = Instance()
        self._server = server.rstrip("/")
        self._token = token

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    @property
    def streaming(self) -> str:
        """The URL of its WebSocket; over HTTP, its event streams are below the same one."""
        base = self.instance.configuration.urls.streaming or "ws" + self._server.removeprefix("http")
        return f"{base.rstrip('/')}/api/v1/streaming"

    async def open(self) -> Account:
        """Our account; fetched at the first call, with the server's limits. Raises Unauthorized where the token is wrong."""
        return self.account or await self.verify_credentials()

    async def verify_credentials(self) -> Account:
        account = await self.get("/api/v1/accounts/verify_credentials", Account)
        try:
            self.instance = await self.get("/api/v2/instance", Instance)
        except (Unavailable, Rejected):  # its limits stay those of a plain server
            log.info("Mastodon does not tell its limits", connection=self.name)
        self.account = account
        return account

    async def get(self, path: str, kind: type[T], parameters: Mapping[str, str] | None = None) -> T:
        query = f"?{urlencode(parameters)}" if parameters else ""
        return _decode(checked(await call(self.http, "GET", self._server + path + query, headers=self.headers)), kind)

    async def post(self, path: str, body: Any, kind: type[T], key: str) -> T:
        """`key` is an idempotency key, valid for an hour; raises Uncertain when the call broke off after it was sent."""
        headers = {**self.headers, "Idempotency-Key": key}
        response = await call(self.http, "POST", self._server + path, json=body, headers=headers, writes=True)
        return _decode(checked(response, writes=True), kind)

    async def close(self) -> None:
        """Nothing to close: the HTTP session is shared."""


def checked(response: HttpResponse, *, writes: bool = False) -> HttpResponse:
    """Raises the EdgeError of an error response."""
    if response.status == 429:
        raise Unavailable("Mastodon's rate limit is reached", _until_reset(response))
    if error := http_error(response, FIX, writes=writes):
        raise error
    return response


def _until_reset(response: HttpResponse) -> float | None:
    """Seconds, from X-RateLimit-Reset, which is a time."""
    try:
        reset = datetime.fromisoformat(response.headers.get("x-ratelimit-reset", ""))
    except ValueError:
        return None
    return max(1.0, (reset - datetime.now(UTC)).total_seconds()) if reset.tzinfo else None


def _decode(response: HttpResponse, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(response.body, type=kind)
    except msgspec.DecodeError as error:
        raise Unavailable(f"Mastodon returned an unexpected response: {error}") from error
