"""The state of every listener, responder and desk, and the times one was down."""

from typing import Literal

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Id, When

Health = Literal["off", "starting", "connected", "degraded", "backing off", "paused", "needs you"]
Role = Literal["listener", "responder", "desk"]


class ConnectionStatus(Base):
    """What the status page shows. No news is not good news: the last event and the last successful call are kept apart."""

    __tablename__ = "connection_status"

    role: Mapped[Role] = mapped_column(String, primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    platform: Mapped[str]
    health: Mapped[Health] = mapped_column(String)
    reason: Mapped[str] = mapped_column(Text, default="")
    fix: Mapped[str] = mapped_column(Text, default="")
    since: Mapped[When]
    until: Mapped[When | None]
    """When the next attempt is made."""
    last_event_at: Mapped[When | None]
    last_success_at: Mapped[When | None]
    reported_at: Mapped[When]
    """When the running program last reported on it."""


class Outage(Base):
    """A period during which a connection was down."""

    __tablename__ = "outage"
    __table_args__ = (Index("ix_outage_ended_at", "ended_at"),)

    id: Mapped[Id]
    role: Mapped[Role] = mapped_column(String)
    name: Mapped[str]
    began_at: Mapped[When]
    ended_at: Mapped[When | None]
    reason: Mapped[str] = mapped_column(Text)
