"""Which chats show which cards, and how much of each is shown."""

from typing import Literal

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Id, When

Subject = Literal["case", "alert", "digest", "backlog", "handover"]


class CardPlacement(Base):
    """One chat that shows one subject. A placement whose revision is behind its subject's is updated."""

    __tablename__ = "card_placement"
    __table_args__ = (
        UniqueConstraint("subject", "subject_id", "desk", "chat"),
        Index("ix_card_placement_desk_shown_revision", "desk", "subject", "shown_revision"),
        Index("ix_card_placement_message_id", "desk", "chat", "message_id"),
    )

    id: Mapped[Id]
    subject: Mapped[Subject] = mapped_column(String)
    subject_id: Mapped[int]
    desk: Mapped[str]
    chat: Mapped[str]
    message_id: Mapped[str | None]
    """The chat's own id of the message; None until it was sent."""
    shown_revision: Mapped[int] = mapped_column(default=0)
    """The subject's revision that is shown; of a backlog, how many cases are still to be shown."""
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[When | None]
    error: Mapped[str | None] = mapped_column(Text)
