"""What was learned from a brand's corrections. Every run is kept, at most one is active."""

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, BrandId, Id, When

_ACTIVE = text("activated_at IS NOT NULL AND deactivated_at IS NULL")


class TrainingRun(Base):
    """`weights` fit one `model` only. Accuracies are shares of held-out mentions; the gain is bounded at 90 %."""

    __tablename__ = "training_run"
    __table_args__ = (
        Index("uq_training_run_active", "brand_id", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
        Index("ix_training_run_brand_id", "brand_id", "id"),
    )

    id: Mapped[Id]
    brand_id: Mapped[BrandId]
    model: Mapped[str]
    weights: Mapped[bytes] = mapped_column(LargeBinary)
    corrections: Mapped[int]
    agreements: Mapped[int]
    accuracy_before: Mapped[float]
    accuracy_after: Mapped[float]
    gain_low: Mapped[float]
    gain_high: Mapped[float]
    improved: Mapped[bool]
    trained_at: Mapped[When]
    activated_at: Mapped[When | None]
    deactivated_at: Mapped[When | None]
