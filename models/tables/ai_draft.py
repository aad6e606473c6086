"""Replies drafted by a language model for a mention of a case."""

import msgspec
from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, CaseId, Structured, When


class DraftVariant(msgspec.Struct, frozen=True):
    """One tone: `text` with {author} where the author is addressed."""

    tone: str
    text: str


class AiDraft(Base):
    """`variants` are empty where the answer was unusable or contained something no fact supports. `facts` are those it used.

    `cost` is in the currency of the prices in the settings.
    """

    __tablename__ = "ai_draft"
    __table_args__ = (Index("ix_ai_draft_case_id", "case_id"), Index("ix_ai_draft_requested_at", "requested_at"))

    mention_id: Mapped[int] = mapped_column(ForeignKey("mention.id"), primary_key=True)
    case_id: Mapped[CaseId] = mapped_column(primary_key=True)
    model: Mapped[str]
    requested_at: Mapped[When]
    variants: Mapped[tuple[DraftVariant, ...]] = mapped_column(Structured(tuple[DraftVariant, ...]))
    facts: Mapped[tuple[str, ...]] = mapped_column(Structured(tuple[str, ...]))
    tokens_in: Mapped[int] = mapped_column(default=0)
    tokens_out: Mapped[int] = mapped_column(default=0)
    cost: Mapped[float] = mapped_column(default=0.0)
