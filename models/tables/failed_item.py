"""What a step could not process: tried a few times, then set aside so that it does not stop the others."""

from sqlalchemy import Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Id, When


class FailedItem(Base):
    """`item` names a row of a step, like a mention's id; it is set aside from `store.failed_items.MAX_TRIES` on."""

    __tablename__ = "failed_item"
    __table_args__ = (UniqueConstraint("step", "item"),)

    id: Mapped[Id]
    step: Mapped[str]
    item: Mapped[str]
    tries: Mapped[int]
    error: Mapped[str] = mapped_column(Text)
    """Of ours: what it was and where, without what anybody wrote."""
    failed_at: Mapped[When]
