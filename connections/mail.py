"""A mail server that sends our mail: https://aiosmtplib.readthedocs.io"""

from email.message import EmailMessage
from typing import Final, Literal

import aiosmtplib

from models.errors import EdgeError, Rejected, Unauthorized, Unavailable

FIX: Final = "Check `username` in ascolto.toml, and the password in the environment variable that `password_env` names."
TIMEOUT: Final = 30.0
"""Seconds."""
Security = Literal["starttls", "tls", "none"]


class Mail:
    """`security` is how the connection is encrypted; `none` is only for a server on this machine."""

    def __init__(
        self, name: str, host: str, port: int, *, security: Security, username: str, password: str, sender: str
    ) -> None:
        self.name = name
        self.sender = sender
        self._host, self._port, self._security = host, port, security
        self._login = (username, password) if username else None

    async def verify_credentials(self) -> None:
        """Verifies that the server answers and accepts our login."""
        async with self._session() as server:
            await server.ehlo()

    async def send(self, message: EmailMessage) -> None:
        async with self._session() as server:
            try:
                await server.send_message(message)
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                raise _to_edge_error(error) from error

    def _session(self) -> "_Session":
        server = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            timeout=TIMEOUT,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
        )
        return _Session(server, self._login)


class _Session:
    """A logged-in session with the server; raises EdgeError."""

    def __init__(self, server: aiosmtplib.SMTP, login: tuple[str, str] | None) -> None:
        self._server, self._login = server, login

    async def __aenter__(self) -> aiosmtplib.SMTP:
        try:
            await self._server.connect()
            if self._login:
                await self._server.login(*self._login)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            self._server.close()
            raise _to_edge_error(error) from error
        return self._server

    async def __aexit__(self, *_: object) -> None:
        self._server.close()


def _to_edge_error(error: Exception) -> EdgeError:
    if isinstance(error, aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPNotSupported):
        return Unauthorized(f"The mail server refused the login: {error}", FIX)
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        refusal = error.recipients[0]
        return _by_code(refusal.code, refusal.message)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _by_code(error.code, error.message)
    return Unavailable(f"The mail server does not answer: {error}")


def _by_code(code: int, message: str) -> EdgeError:
    if code >= 500:
        return Rejected(f"The mail server refused: {code} {message}")
    return Unavailable(f"{code} {message}")
