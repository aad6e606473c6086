"""Alerts: what a team must see now, and what it has muted."""

from typing import Literal

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, BigNumber, BrandId, Id, MemberId, Structured, When

AlertKind = Literal["severe", "overdue", "escalated", "approval", "note"]


class Alert(Base):
    """`key` makes each alert be raised once.

    Of a severe case `severity` is the reason and `words` those it was found in; the first of them, folded, is the `keyword`
    by which such alerts can be muted.
    """

    __tablename__ = "alert"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_alert_raised_at", "raised_at"),
        Index("ix_alert_group_id", "group_id"),
    )

    id: Mapped[Id]
    key: Mapped[str]
    kind: Mapped[AlertKind] = mapped_column(String)
    brand_id: Mapped[BrandId]
    queue_id: Mapped[int | None] = mapped_column(ForeignKey("queue.id"))
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id"))
    text: Mapped[str] = mapped_column(Text, default="")
    """What a colleague wrote: the reason for escalating, the note, the reply to approve."""
    severity: Mapped[str | None]
    words: Mapped[tuple[str, ...]] = mapped_column(Structured(tuple[str, ...]), default=())
    keyword: Mapped[str] = mapped_column(default="")
    notified: Mapped[tuple[str, ...]] = mapped_column(Structured(tuple[str, ...]), default=())
    """Slugs of the members who are notified by name."""
    raised_at: Mapped[When]
    group_id: Mapped[int | None] = mapped_column(BigNumber)
    """The alert on whose card this one is counted, when many came at once."""
    muted: Mapped[bool] = mapped_column(default=False)
    revision: Mapped[int] = mapped_column(default=1)


class AlertMute(Base):
    """Alerts of one severity and keyword are muted for a brand until a time; cases are opened as before."""

    __tablename__ = "alert_mute"
    __table_args__ = (Index("ix_alert_mute_brand_id", "brand_id", "severity", "keyword"),)

    id: Mapped[Id]
    brand_id: Mapped[BrandId]
    severity: Mapped[str]
    keyword: Mapped[str]
    muted_by: Mapped[MemberId]
    muted_at: Mapped[When]
    until: Mapped[When]
    muted_count: Mapped[int] = mapped_column(default=0)
    """How many alerts it has muted; the digest reports them."""
