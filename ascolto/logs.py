"""Logging: pretty for people, JSON for machines; never a secret, an address that is one, or what somebody wrote."""

import logging
import re
import sys
from collections.abc import Iterable
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN: Final = "•••"

_SECRET_PARAMETERS: Final = (
    "api_key",
    "apikey",
    "key",
    "token",
    "access_token",
    "auth",
    "secret",
    "sig",
    "signature",
    "password",
)
"""The names of secrets in addresses."""
_SECRETS: Final = re.compile(
    r"(?:bot)?\d{6,12}:[A-Za-z0-9_-]{30,}"  # Telegram
    r"|xox[a-z]-[A-Za-z0-9-]+|xapp-[A-Za-z0-9-]+"  # Slack
    r"|[MNO][A-Za-z\d_-]{23,}\.[\w-]{6}\.[\w-]{27,}"  # Discord
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+"  # JSON web tokens
    r"|(?<=[Bb]earer )[^\s'\"]+"
    r"|v1=[0-9a-f]{64}"
    r"|(?<=/sign_in/)[\w-]{16,}"  # login links
    r"|(?<=://)[^/@\s]+:[^/@\s]+(?=@)"  # user names and passwords in addresses
    + "".join(rf"|(?<=[?&]{name}=)[^&\s'\"]+" for name in _SECRET_PARAMETERS)
)
_KEYS: Final = frozenset({"text", "body", "token", "password", "secret", "authorization", "cookie", "message_text"})


class Redaction:
    """Hides what looks like a secret, known secrets, and the values of keys that hold texts."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = {value for value in known if len(value) >= 6}

    def add_secret(self, value: str) -> None:
        """From now on this value is hidden wherever it appears."""
        if len(value) >= 6:
            self._known.add(value)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: HIDDEN if key in _KEYS else self._hide(value) for key, value in event.items()}

    def _hide(self, value: object) -> object:
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, dict):
            return {k: self._hide(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._hide(v) for v in value]
        return value

    def hide(self, text: str) -> str:
        for value in self._known:
            text = text.replace(value, HIDDEN)
        return _SECRETS.sub(HIDDEN, text)


redaction = Redaction()


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        """Redacts the finished line: a traceback is added only at the end."""
        return redaction.hide(super().format(record))


def configure(level: str = "info", style: str = "auto") -> None:
    """Everything that logs, libraries too, goes through one formatter and the redaction."""
    machine = style == "json" or (style == "auto" and not sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redaction,
    ]
    # Plain: a traceback with local variables would contain what somebody wrote.
    pretty = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    last: Processor = structlog.processors.JSONRenderer() if machine else pretty
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redaction, last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "telegram", "aiosqlite", "sqlalchemy", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
