"""What a language model has drafted for a mention of a case."""

import msgspec
from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CaseId, Structured, When


class Variant(msgspec.Struct, frozen=True):
    """One tone: `text` with {author} where the author is addressed."""

    tone: str
    text: str


class Drafted(Base):
    """`variants` are empty where the answer made no sense, or held what no fact says. `facts` are those it went by."""

    __tablename__ = "drafted"
    __table_args__ = (Index("ix_drafted_case_id", "case_id"), Index("ix_drafted_asked_at", "asked_at"))

    mention_id: Mapped[int] = mapped_column(ForeignKey("mention.id"), primary_key=True)
    case_id: Mapped[CaseId] = mapped_column(primary_key=True)
    model: Mapped[str]
    asked_at: Mapped[When]
    variants: Mapped[tuple[Variant, ...]] = mapped_column(Structured(tuple[Variant, ...]))
    facts: Mapped[tuple[str, ...]] = mapped_column(Structured(tuple[str, ...]))
    tokens_in: Mapped[int] = mapped_column(default=0)
    tokens_out: Mapped[int] = mapped_column(default=0)
    cost: Mapped[float] = mapped_column(default=0.0)
