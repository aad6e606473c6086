"""One login on Bluesky: the session, its tokens, and XRPC calls.

https://docs.bsky.app/docs/api/com-atproto-server-create-session, https://atproto.com/specs/xrpc
"""

import asyncio
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec

from connections.http import HttpResponse, call, http_error
from models.errors import Unauthorized, Unavailable

T = TypeVar("T")

FIX: Final = (
    "Create an app password at Settings → Privacy and security → App passwords, and put it in the environment variable that"
    " `password_env` names."
)


class Login(msgspec.Struct, rename="camel"):
    """com.atproto.server.createSession and refreshSession."""

    did: str
    handle: str
    access_jwt: str
    refresh_jwt: str


class _Error(msgspec.Struct):
    error: str = ""
    message: str = ""


class Bluesky:
    """`service` is the account's server (PDS), `appview` where public posts are read; both are base URLs."""

    platform = "bluesky"

    def __init__(
        self,
        name: str,
        http: aiohttp.ClientSession,
        *,
        service: str,
        appview: str,
        handle: str = "",
        password: str = "",
    ) -> None:
        self.name = name
        self.handle = handle
        self._http = http
        self._service = service.rstrip("/")
        self._appview = appview.rstrip("/")
        self._password = password
        self._login: Login | None = None
        self._did = ""
        self._lock = asyncio.Lock()

    @property
    def did(self) -> str:
        """Our account's, from the first login on."""
        return self._did

    @property
    def has_appview(self) -> bool:
        return bool(self._appview)

    async def open(self) -> None:
        """Logs in, unless logged in already; raises Unauthorized where the handle or the app password is wrong."""
        async with self._lock:
            if self._login is None:
                body = {"identifier": self.handle, "password": self._password}
                url = f"{self._service}/xrpc/com.atproto.server.createSession"
                self._login = _decode(_checked(await call(self._http, "POST", url, json=body)), Login)
                self._did = self._login.did

    async def verify_credentials(self) -> None:
        """Checks by a call that the login is valid; logs in where there is none."""
        if self._login is None:
            await self.open()
        else:
            await self._call("GET", "com.atproto.server.getSession", None)

    async def query(self, method: str, kind: type[T], **parameters: str) -> T:
        """A GET with our login, at the account's own server."""
        return _decode(await self._call("GET", f"{method}?{urlencode(parameters)}", None), kind)

    async def query_public(self, method: str, kind: type[T], **parameters: str) -> T:
        """A GET without a login, at the app view."""
        url = f"{self._appview}/xrpc/{method}?{urlencode(parameters)}"
        return _decode(_checked(await call(self._http, "GET", url)), kind)

    async def procedure(self, method: str, body: Any, kind: type[T]) -> T:
        """A POST with our login; raises Uncertain when it broke off after it was sent."""
        return _decode(await self._call("POST", method, body), kind)

    async def _call(self, verb: str, path: str, body: Any) -> HttpResponse:
        await self.open()
        response = await self._send(verb, path, body)
        if _error_code(response) in ("ExpiredToken", "InvalidToken") or response.status == 401:
            await self._refresh()
            response = await self._send(verb, path, body)
        return _checked(response, writes=verb == "POST")

    async def _send(self, verb: str, path: str, body: Any) -> HttpResponse:
        login = self._login
        if login is None:
            raise Unavailable("The login was lost.")
        headers = {"Authorization": f"Bearer {login.access_jwt}"}
        url = f"{self._service}/xrpc/{path}"
        return await call(self._http, verb, url, json=body, headers=headers, writes=verb == "POST")

    async def _refresh(self) -> None:
        """Access tokens are valid for minutes; where the refresh token has expired too, the password is used again."""
        async with self._lock:
            old, self._login = self._login, None
            if old is not None:
                url = f"{self._service}/xrpc/com.atproto.server.refreshSession"
                response = await call(self._http, "POST", url, headers={"Authorization": f"Bearer {old.refresh_jwt}"})
                if response.status < 400:
                    self._login = _decode(response, Login)
        await self.open()

    async def close(self) -> None:
        """Nothing to close: the HTTP session is shared."""


def _checked(response: HttpResponse, *, writes: bool = False) -> HttpResponse:
    """Raises the EdgeError of an error response."""
    if _error_code(response) in ("AccountTakedown", "AccountDeactivated", "AuthFactorTokenRequired"):
        raise Unauthorized(f"Bluesky returned {_error_code(response)}", FIX)
    if _error_code(response) == "ExpiredToken":
        raise Unavailable("The login has expired.")
    if error := http_error(response, FIX, writes=writes):
        raise error
    return response


def _error_code(response: HttpResponse) -> str:
    if response.status < 400:
        return ""
    try:
        return msgspec.json.decode(response.body, type=_Error).error
    except msgspec.DecodeError:
        return ""


def _decode(response: HttpResponse, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(response.body, type=kind)
    except msgspec.DecodeError as error:
        raise Unavailable(f"Bluesky returned an unexpected response: {error}") from error
