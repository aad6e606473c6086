"""The errors that are expected.

    Exception
    ├─ EdgeError                      something beyond the network
    │  ├─ Unavailable(retry_after)       try again later
    │  │  ├─ Uncertain                      later, but look it up first: it may have been done
    │  │  └─ Paused(fix)                    later, because of what it costs
    │  ├─ Unauthorized(fix)              a person must act, and is told the exact step
    │  └─ Rejected(reason)               never
    ├─ Refused(message)               what a member asked for is not possible, in words to show them
    └─ OperatorError(problem, fix)    what the person who runs Ascolto must fix

Everything else is a bug, and is logged as one.
"""

from collections.abc import Callable


class EdgeError(Exception):
    """A platform, a chat or an address did not do what was asked."""


class Unavailable(EdgeError):
    """Not now. `retry_after` is in seconds, or None where the server named no time."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class Uncertain(Unavailable):
    """The call broke off after it was sent: it is not known whether it was carried out."""


class Paused(Unavailable):
    """Stopped because the operator's budget is spent; `fix` is what they can do before `retry_after`."""

    def __init__(self, reason: str, fix: str, retry_after: float | None = None) -> None:
        super().__init__(reason, retry_after)
        self.fix = fix


class Unauthorized(EdgeError):
    """Refused until a person acts; `fix` says which step, in the operator's words."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(f"{reason}. {fix}")
        self.reason = reason
        self.fix = fix


class Rejected(EdgeError):
    """Refused for good: asking again will not help."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(Exception):
    """An action that is not possible now. `message` is the sentence to translate, `values` fill its {placeholders}."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message.format(**values) if values else message)
        self.message = message
        self.values = values

    def message_for(self, translate: Callable[[str], str]) -> str:
        """The sentence in the member's language."""
        message = translate(self.message)
        return message.format(**self.values) if self.values else message


class OperatorError(Exception):
    """The settings, the database or the machine need attention; `fix` is what to do."""

    def __init__(self, problem: str, fix: str = "") -> None:
        super().__init__(f"{problem}\n{fix}" if fix else problem)
        self.problem = problem
        self.fix = fix
