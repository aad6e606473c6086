"""One account on one Mastodon server, or on one that speaks as Mastodon does.

https://docs.joinmastodon.org/client/token/, https://docs.joinmastodon.org/api/rate-limits/
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec

from connections.http import Answer, call, refused
from models.errors import Unavailable

T = TypeVar("T")

FIX: Final = (
    "Make an application under Preferences → Development with the scopes read and write:statuses, and put its access token"
    " in the environment variable that `token_env` names."
)
LONGEST: Final = 500
LINK: Final = 23


class Account(msgspec.Struct):
    """https://docs.joinmastodon.org/entities/Account/"""

    id: str
    acct: str
    display_name: str = ""
    url: str | None = None
    followers_count: int = 0


class _Statuses(msgspec.Struct):
    max_characters: int = LONGEST
    characters_reserved_per_url: int = LINK


class _Urls(msgspec.Struct):
    streaming: str = ""


class _Configuration(msgspec.Struct):
    statuses: _Statuses = msgspec.field(default_factory=_Statuses)
    urls: _Urls = msgspec.field(default_factory=_Urls)


class Instance(msgspec.Struct):
    """https://docs.joinmastodon.org/entities/Instance/"""

    configuration: _Configuration = msgspec.field(default_factory=_Configuration)


class Mastodon:
    """`server` is the instance's base address; where it streams is asked of it."""

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
        """Where its WebSocket is, and under the same address over HTTP its event streams."""
        base = self.instance.configuration.urls.streaming or "ws" + self._server.removeprefix("http")
        return f"{base.rstrip('/')}/api/v1/streaming"

    async def open(self) -> Account:
        """Who we are, asked once: proves the token, and learns the server's limits; raises Unauthorized where it is wrong."""
        return self.account or await self.prove()

    async def prove(self) -> Account:
        account = await self.get("/api/v1/accounts/verify_credentials", Account)
        self.instance = await self.get("/api/v2/instance", Instance)
        self.account = account
        return account

    async def get(self, path: str, kind: type[T], parameters: Mapping[str, str] | None = None) -> T:
        query = f"?{urlencode(parameters)}" if parameters else ""
        return _decode(checked(await call(self.http, "GET", self._server + path + query, headers=self.headers)), kind)

    async def post(self, path: str, body: Any, kind: type[T], key: str) -> T:
        """With the key, asking twice within the hour does it once; Uncertain when it broke off on the way."""
        headers = {**self.headers, "Idempotency-Key": key}
        answer = await call(self.http, "POST", self._server + path, json=body, headers=headers, changes=True)
        return _decode(checked(answer, changes=True), kind)

    async def close(self) -> None:
        """Nothing is held: the HTTP session is shared."""


def checked(answer: Answer, *, changes: bool = False) -> Answer:
    """The answer, or what its status means."""
    if answer.status == 429:
        raise Unavailable("Mastodon asks to wait", _until_reset(answer))
    if error := refused(answer, FIX, changes=changes):
        raise error
    return answer


def _until_reset(answer: Answer) -> float | None:
    """Seconds, from X-RateLimit-Reset, which is a time."""
    try:
        reset = datetime.fromisoformat(answer.headers.get("x-ratelimit-reset", ""))
    except ValueError:
        return None
    return max(1.0, (reset - datetime.now(UTC)).total_seconds()) if reset.tzinfo else None


def _decode(answer: Answer, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.DecodeError as error:
        raise Unavailable(f"Mastodon answered something else than expected: {error}") from error
