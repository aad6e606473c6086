"""Second opinions: how a larger model rated a text the classifier was unsure about. Only a hash of the text is stored."""

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, When


class SecondOpinion(Base):
    """Requested until `answered_at` is set; then `sentiment` is the answer, or None where it was unusable.

    `key` hashes the model's name and the masked text, so that the same words are asked about once. `cost` is in the
    currency of the prices in the settings.
    """

    __tablename__ = "second_opinion"
    __table_args__ = (Index("ix_second_opinion_answered_at", "answered_at"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    requested_at: Mapped[When]
    answered_at: Mapped[When | None]
    sentiment: Mapped[str | None]
    tokens_in: Mapped[int] = mapped_column(default=0)
    tokens_out: Mapped[int] = mapped_column(default=0)
    cost: Mapped[float] = mapped_column(default=0.0)
