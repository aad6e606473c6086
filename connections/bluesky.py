"""One login on Bluesky: the session, its tokens, and XRPC calls.

https://docs.bsky.app/docs/api/com-atproto-server-create-session, https://atproto.com/specs/xrpc
"""

import asyncio
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec

from connections.http import Answer, call, refused
from models.errors import Unauthorized, Unavailable

T = TypeVar("T")

FIX: Final = (
    "Make an app password at Settings → Privacy and security → App passwords, and put it in the environment variable that"
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
    """`service` is the account's server (PDS), `appview` where public posts are read; both are base addresses."""

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
        """Ours, since we first logged in."""
        return self._did

    @property
    def reads_publicly(self) -> bool:
        return bool(self._appview)

    async def open(self) -> None:
        """Logs in; raises Unauthorized where the handle or the app password is wrong."""
        async with self._lock:
            if self._login is None:
                body = {"identifier": self.handle, "password": self._password}
                url = f"{self._service}/xrpc/com.atproto.server.createSession"
                self._login = _decode(_checked(await call(self._http, "POST", url, json=body)), Login)
                self._did = self._login.did

    async def prove(self) -> None:
        """That the login is still good, or a new one."""
        if self._login is None:
            await self.open()
        else:
            await self._with_login("GET", "com.atproto.server.getSession", None)

    async def query(self, method: str, kind: type[T], **parameters: str) -> T:
        """A GET with our login, at the account's own server."""
        return _decode(await self._with_login("GET", f"{method}?{urlencode(parameters)}", None), kind)

    async def public(self, method: str, kind: type[T], **parameters: str) -> T:
        """A GET that needs no login, at the app view."""
        url = f"{self._appview}/xrpc/{method}?{urlencode(parameters)}"
        return _decode(_checked(await call(self._http, "GET", url)), kind)

    async def procedure(self, method: str, body: Any, kind: type[T]) -> T:
        """A POST with our login; Uncertain when it broke off on the way."""
        return _decode(await self._with_login("POST", method, body), kind)

    async def _with_login(self, verb: str, path: str, body: Any) -> Answer:
        await self.open()
        answer = await self._send(verb, path, body)
        if _code(answer) in ("ExpiredToken", "InvalidToken") or answer.status == 401:
            await self._refresh()
            answer = await self._send(verb, path, body)
        return _checked(answer, changes=verb == "POST")

    async def _send(self, verb: str, path: str, body: Any) -> Answer:
        login = self._login
        if login is None:
            raise Unavailable("The login was lost.")
        headers = {"Authorization": f"Bearer {login.access_jwt}"}
        url = f"{self._service}/xrpc/{path}"
        return await call(self._http, verb, url, json=body, headers=headers, changes=verb == "POST")

    async def _refresh(self) -> None:
        """Access tokens live for minutes; when the refresh token is gone too, the password is used again."""
        async with self._lock:
            old, self._login = self._login, None
            if old is not None:
                url = f"{self._service}/xrpc/com.atproto.server.refreshSession"
                answer = await call(self._http, "POST", url, headers={"Authorization": f"Bearer {old.refresh_jwt}"})
                if answer.status < 400:
                    self._login = _decode(answer, Login)
        await self.open()

    async def close(self) -> None:
        """Nothing is held: the HTTP session is shared."""


def _checked(answer: Answer, *, changes: bool = False) -> Answer:
    if _code(answer) in ("AccountTakedown", "AccountDeactivated", "AuthFactorTokenRequired"):
        raise Unauthorized(f"Bluesky says {_code(answer)}", FIX)
    if _code(answer) == "ExpiredToken":
        raise Unavailable("The login has expired.")
    if error := refused(answer, FIX, changes=changes):
        raise error
    return answer


def _code(answer: Answer) -> str:
    if answer.status < 400:
        return ""
    try:
        return msgspec.json.decode(answer.body, type=_Error).error
    except msgspec.DecodeError:
        return ""


def _decode(answer: Answer, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.DecodeError as error:
        raise Unavailable(f"Bluesky answered something else than expected: {error}") from error
