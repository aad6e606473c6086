"""Second opinions: what a larger model said of a text on which the reader was unsure. No text is kept here, only its key."""

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, When


class Opinion(Base):
    """Wanted until `asked_at` is set; then `sentiment` says what was said, or is None where the answer made no sense.

    `key` hashes the model's name and the masked text, so that the same words are asked about once. `cost` is in the
    currency of the prices in the settings.
    """

    __tablename__ = "opinion"
    __table_args__ = (Index("ix_opinion_asked_at", "asked_at"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    wanted_at: Mapped[When]
    asked_at: Mapped[When | None]
    sentiment: Mapped[str | None]
    tokens_in: Mapped[int] = mapped_column(default=0)
    tokens_out: Mapped[int] = mapped_column(default=0)
    cost: Mapped[float] = mapped_column(default=0.0)
