"""What a brand has learned from its managers' corrections, as rows: every trial is kept, at most one is in use."""

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BrandId, Id, When

_IN_USE = text("used_at IS NOT NULL AND ended_at IS NULL")


class Learned(Base):
    """`weights` belong to one `model` and mean nothing to another. Shares and their bounds are of held-out mentions."""

    __tablename__ = "learned"
    __table_args__ = (
        Index("uq_learned_in_use", "brand_id", unique=True, sqlite_where=_IN_USE, postgresql_where=_IN_USE),
        Index("ix_learned_brand_id", "brand_id", "id"),
    )

    id: Mapped[Id]
    brand_id: Mapped[BrandId]
    model: Mapped[str]
    weights: Mapped[bytes] = mapped_column(LargeBinary)
    corrections: Mapped[int]
    agreed: Mapped[int]
    before: Mapped[float]
    after: Mapped[float]
    low: Mapped[float]
    high: Mapped[float]
    better: Mapped[bool]
    learned_at: Mapped[When]
    used_at: Mapped[When | None]
    ended_at: Mapped[When | None]
