"""How well we hear: the state of every ear, voice and desk, and the times when one was away."""

from typing import Literal

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Id, When

Health = Literal["off", "starting", "ok", "degraded", "backing off", "paused", "needs you"]
Kind = Literal["ear", "voice", "desk"]


class Source(Base):
    """The state that everyone sees. Quiet is not healthy: the last event and the last good call are kept apart."""

    __tablename__ = "source"

    kind: Mapped[Kind] = mapped_column(String, primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    platform: Mapped[str]
    health: Mapped[Health] = mapped_column(String)
    reason: Mapped[str] = mapped_column(Text, default="")
    fix: Mapped[str] = mapped_column(Text, default="")
    since: Mapped[When]
    until: Mapped[When | None]
    """When the next try is made."""
    last_event_at: Mapped[When | None]
    last_good_at: Mapped[When | None]
    seen_at: Mapped[When]
    """The last time that the running program spoke of it at all."""


class Outage(Base):
    """A stretch of time in which a source was away."""

    __tablename__ = "outage"
    __table_args__ = (Index("ix_outage_ended_at", "ended_at"),)

    id: Mapped[Id]
    kind: Mapped[Kind] = mapped_column(String)
    name: Mapped[str]
    began_at: Mapped[When]
    ended_at: Mapped[When | None]
    reason: Mapped[str] = mapped_column(Text)
