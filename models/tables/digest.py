"""Digests: a period in a dozen lines, with its chart."""

import msgspec
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Id, Structured, When


class ChartPoint(msgspec.Struct, frozen=True):
    """A day or a week: its label on the chart, and its mentions."""

    label: str
    mentions: int
    negative: int


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """The share of negative mentions by day or week. The last `period` points are those the digest is about."""

    title: str
    points: tuple[ChartPoint, ...]
    period: int
    usual: float | None
    """The usual share."""


class Digest(Base):
    """One per queue and period."""

    __tablename__ = "digest"
    __table_args__ = (UniqueConstraint("queue_id", "period", "first_day"),)

    id: Mapped[Id]
    queue_id: Mapped[int]
    period: Mapped[str]
    first_day: Mapped[str]
    """The first day of the period, as an ISO date in the queue's zone."""
    lines: Mapped[tuple[str, ...]] = mapped_column(Structured(tuple[str, ...]))
    chart: Mapped[Chart | None] = mapped_column(Structured(Chart))
    """None where there were no mentions."""
    created_at: Mapped[When]
