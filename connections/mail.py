"""A mail server that takes what we send: https://aiosmtplib.readthedocs.io"""

from email.message import EmailMessage
from typing import Final, Literal

import aiosmtplib

from models.errors import EdgeError, Rejected, Unauthorized, Unavailable

FIX: Final = "Check `username` in ascolto.toml, and the password in the environment variable that `password_env` names."
TIMEOUT: Final = 30.0
"""Seconds."""
Security = Literal["starttls", "tls", "none"]


class Mail:
    """`security` is how the password and the mail are kept from others on the way; `none` is for this machine alone."""

    def __init__(
        self, name: str, host: str, port: int, *, security: Security, username: str, password: str, sender: str
    ) -> None:
        self.name = name
        self.sender = sender
        self._host, self._port, self._security = host, port, security
        self._login = (username, password) if username else None

    async def prove(self) -> None:
        """That it answers, and knows us."""
        async with self._talking() as server:
            await server.ehlo()

    async def send(self, message: EmailMessage) -> None:
        async with self._talking() as server:
            try:
                await server.send_message(message)
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                raise _ours(error) from error

    def _talking(self) -> "_Talking":
        server = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            timeout=TIMEOUT,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
        )
        return _Talking(server, self._login)


class _Talking:
    """A conversation with the server, logged in, its failures as ours."""

    def __init__(self, server: aiosmtplib.SMTP, login: tuple[str, str] | None) -> None:
        self._server, self._login = server, login

    async def __aenter__(self) -> aiosmtplib.SMTP:
        try:
            await self._server.connect()
            if self._login:
                await self._server.login(*self._login)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            self._server.close()
            raise _ours(error) from error
        return self._server

    async def __aexit__(self, *_: object) -> None:
        self._server.close()


def _ours(error: Exception) -> EdgeError:
    if isinstance(error, aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPNotSupported):
        return Unauthorized(f"The mail server does not let us in: {error}", FIX)
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        refused = error.recipients[0]
        return _by_code(refused.code, refused.message)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _by_code(error.code, error.message)
    return Unavailable(f"The mail server does not answer: {error}")


def _by_code(code: int, said: str) -> EdgeError:
    return Rejected(f"The mail server refuses: {code} {said}") if code >= 500 else Unavailable(f"{code} {said}")
