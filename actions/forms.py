"""The arguments of actions."""

from typing import Annotated

import msgspec

from models.tables.mention import Sentiment

Text = Annotated[str, msgspec.Meta(min_length=1)]
Minutes = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
"""Far more than the longest snooze, and within the calendar."""
RowId = Annotated[int, msgspec.Meta(ge=1, lt=10**15)]


class NoForm(msgspec.Struct, frozen=True):
    pass


class AssignForm(msgspec.Struct, frozen=True):
    to: Text
    note: str = ""


class SnoozeForm(msgspec.Struct, frozen=True):
    minutes: Minutes


class DismissForm(msgspec.Struct, frozen=True):
    reason: Text


class ReasonForm(msgspec.Struct, frozen=True):
    reason: str = ""


class NoteForm(msgspec.Struct, frozen=True):
    text: Text


class CorrectForm(msgspec.Struct, frozen=True):
    sentiment: Sentiment
    mention: RowId | None = None


class DraftForm(msgspec.Struct, frozen=True):
    text: str = ""
    suggestion: str | None = None


class SuggestionForm(msgspec.Struct, frozen=True):
    code: str = ""


class AnsweredForm(msgspec.Struct, frozen=True):
    text: str = ""
    url: str = ""


class BulkReplyForm(msgspec.Struct, frozen=True):
    """`seen` is the fingerprint of the texts that were shown."""

    seen: str = ""


class AlertForm(msgspec.Struct, frozen=True):
    alert: RowId


class AvailabilityForm(msgspec.Struct, frozen=True):
    """As typed; empty shows what is set."""

    text: str = ""
