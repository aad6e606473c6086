"""What the house remembers of its desks: where each card stands, and what members did there."""

from typing import Literal

import msgspec
from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Id, MemberId, Structured, When

Subject = Literal["case", "alert", "digest", "backlog", "handed"]


class CardPost(Base):
    """One place where a card stands. What lags behind its subject's revision is drawn again."""

    __tablename__ = "card_post"
    __table_args__ = (
        UniqueConstraint("subject", "subject_id", "desk", "chat"),
        Index("ix_card_post_desk_shown", "desk", "subject", "shown"),
        Index("ix_card_post_address", "desk", "chat", "address"),
    )

    id: Mapped[Id]
    subject: Mapped[Subject] = mapped_column(String)
    subject_id: Mapped[int]
    desk: Mapped[str]
    chat: Mapped[str]
    address: Mapped[str | None]
    """The chat's own id of the message; none while it was never shown."""
    shown: Mapped[int] = mapped_column(default=0)
    """The subject's revision that stands there now; of a backlog, how many cases are still to be shown."""
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[When | None]
    error: Mapped[str | None] = mapped_column(Text)


Verb = Literal[
    "claim", "release", "snooze", "dismiss", "escalate", "assign", "note", "edit", "suggest", "draft", "approve", "undo",
    "correct", "mute", "reopen", "retry", "published_by_hand", "not_published", "help", "review", "send_back", "mute_alert",
    "unmute_alert", "answer_storm", "mine",
    "next", "quiet", "away",
]  # fmt: skip


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did on a desk, in our words. `at` is the platform's handle for answering it (a callback id)."""

    native_id: str
    verb: Verb
    who: str
    """The person's id on that platform, who may be a stranger."""
    chat: str
    case: int | None = None
    reply: int | None = None
    revision: int | None = None
    text: str = ""
    at: str = ""
    message: str = ""


class DeskEvent(Base):
    """An action as it arrived, written down before it is acted on, once however often the platform repeats it."""

    __tablename__ = "desk_event"
    __table_args__ = (UniqueConstraint("desk", "native_id"), Index("ix_desk_event_acted_at", "acted_at"))

    id: Mapped[Id]
    desk: Mapped[str]
    native_id: Mapped[str]
    action: Mapped[Action] = mapped_column(Structured(Action))
    received_at: Mapped[When]
    acted_at: Mapped[When | None]
    outcome: Mapped[str | None] = mapped_column(Text)


class Point(msgspec.Struct, frozen=True):
    """A day or a week: what it is called on the chart, and how much was said in it."""

    label: str
    mentions: int
    negative: int


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """The share of negative mentions by day or week. The last `period` points are what the digest is about."""

    title: str
    points: tuple[Point, ...]
    period: int
    usual: float | None
    """The share that is usual."""


class Digest(Base):
    """A period on one card, made once per queue."""

    __tablename__ = "digest"
    __table_args__ = (UniqueConstraint("queue_id", "period", "day"),)

    id: Mapped[Id]
    queue_id: Mapped[int]
    period: Mapped[str]
    day: Mapped[str]
    """The first day of the period, as a date in the queue's zone."""
    lines: Mapped[tuple[str, ...]] = mapped_column(Structured(tuple[str, ...]))
    chart: Mapped[Chart | None] = mapped_column(Structured(Chart))
    """None where nothing was said."""
    made_at: Mapped[When]


class LoginLink(Base):
    """A link that lets one member in, once, for a quarter of an hour; only its hash is kept."""

    __tablename__ = "login_link"

    hash: Mapped[str] = mapped_column(primary_key=True)
    member_id: Mapped[MemberId]
    expires_at: Mapped[When]
    used_at: Mapped[When | None]


class WebSession(Base):
    """A browser that a member has entered with; only the hash of its cookie is kept."""

    __tablename__ = "web_session"

    hash: Mapped[str] = mapped_column(primary_key=True)
    member_id: Mapped[MemberId]
    created_at: Mapped[When]
    seen_at: Mapped[When]
    expires_at: Mapped[When]
    revoked_at: Mapped[When | None]
