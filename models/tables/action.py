"""Actions as they arrive from chat desks."""

import msgspec
from sqlalchemy import Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Id, Structured, When


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did on a chat desk. `verb` names an action of actions/table.py."""

    native_id: str
    verb: str
    who: str
    """The person's id on that platform, who may not be a member."""
    chat: str
    case: int | None = None
    reply: int | None = None
    revision: int | None = None
    text: str = ""
    respond_to: str = ""
    """The platform's handle for responding to it (a callback id)."""
    message: str = ""


class QueuedAction(Base):
    """An action, stored before it is performed, once however often the platform repeats it."""

    __tablename__ = "queued_action"
    __table_args__ = (UniqueConstraint("desk", "native_id"), Index("ix_queued_action_performed_at", "performed_at"))

    id: Mapped[Id]
    desk: Mapped[str]
    native_id: Mapped[str]
    action: Mapped[Action] = mapped_column(Structured(Action))
    received_at: Mapped[When]
    performed_at: Mapped[When | None]
    outcome: Mapped[str | None] = mapped_column(Text)
