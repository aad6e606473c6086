"""Cases: what needs a person, and everything that happened to each."""

from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, BigNumber, BrandId, CaseId, Id, MemberId, Structured, When

State = Literal["waiting", "claimed", "snoozed", "publishing", "answered", "dismissed"]
OPEN: tuple[State, ...] = ("waiting", "claimed", "snoozed", "publishing")
_IS_OPEN = text("state IN ('waiting', 'claimed', 'snoozed', 'publishing')")

EventKind = Literal[
    "opened", "author replied", "claimed", "released", "claim expired", "assigned", "snoozed", "snooze ended", "dismissed",
    "reopened", "escalated", "overdue", "noted", "approved", "undone", "published", "failed", "unknown",
    "answered manually", "answered externally", "corrected", "author muted", "author unmuted", "edited", "deleted",
    "approval requested", "approval given", "amended", "sent back", "reassigned", "returned",
]  # fmt: skip


class ScorePart(msgspec.Struct, frozen=True):
    """One reason for a case's priority: which, how many points, and the figure behind it."""

    name: str
    points: int
    detail: str = ""


class EventDetail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The facts of an event. Members are slugs."""

    notified: tuple[str, ...] = ()
    unavailable: tuple[str, ...] = ()
    """Members who were skipped because they could not be reached."""
    escalation_level: int | None = None
    to: str = ""
    absent: str = ""
    until: datetime | None = None
    sentiment_before: str = ""
    sentiment: str = ""
    reply: int | None = None
    url: str = ""


class Case(Base):
    """The mentions of one author in one thread about one brand; at most one of them is open at a time.

    `rank` orders a queue: score and waiting time in one number that never changes while nothing happens (triage/priority.py).
    `revision` counts every visible change; a card that shows less is updated.
    """

    __tablename__ = "case"
    __table_args__ = (
        Index(
            "uq_case_one_open",
            "brand_id",
            "author_id",
            "thread",
            unique=True,
            sqlite_where=_IS_OPEN,
            postgresql_where=_IS_OPEN,
        ),
        Index("ix_case_author", "brand_id", "author_id", "thread"),
        Index("ix_case_queue", "queue_id", "state", "rank"),
        Index("ix_case_state", "state", "rank"),
        Index("ix_case_opened_at", "opened_at"),
        Index("ix_case_duplicate_group_id", "duplicate_group_id"),
    )

    id: Mapped[Id]
    brand_id: Mapped[BrandId]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    platform: Mapped[str]
    thread: Mapped[str]
    queue_id: Mapped[int | None] = mapped_column(ForeignKey("queue.id"))
    language: Mapped[str]
    state: Mapped[State] = mapped_column(String)
    intent: Mapped[str]
    sentiment: Mapped[str]
    topics: Mapped[tuple[str, ...]] = mapped_column(Structured(tuple[str, ...]), default=())
    severity: Mapped[str | None]
    risk_lowered_by: Mapped[int | None] = mapped_column(BigNumber)
    """Whose correction made it no longer severe or a crisis: its replies need as many approvals as before."""
    """Why it is severe (legal, safety, …); None where it is not."""
    score: Mapped[int]
    score_parts: Mapped[tuple[ScorePart, ...]] = mapped_column(Structured(tuple[ScorePart, ...]))
    rank: Mapped[float]
    mention_count: Mapped[int]
    opened_at: Mapped[When]
    opened_by: Mapped[MemberId | None]
    received_at: Mapped[When]
    last_received_at: Mapped[When]
    claimed_by: Mapped[MemberId | None]
    claim_until: Mapped[When | None]
    snoozed_until: Mapped[When | None]
    first_answer_due: Mapped[When]
    first_answered_at: Mapped[When | None]
    ended_at: Mapped[When | None]
    ended_reason: Mapped[str | None]
    escalation_level: Mapped[int] = mapped_column(default=0)
    """How many steps of the queue's escalation chain have been taken."""
    next_escalation_at: Mapped[When | None]
    """When the next step is taken if there is no answer."""
    duplicate_group_id: Mapped[int | None] = mapped_column(ForeignKey("case.id"))
    """The first of the cases that say nearly the same; its own id on that one."""
    revision: Mapped[int] = mapped_column(default=1)


class CaseEvent(Base):
    """What happened, in order. `text` is for people: a note, a reason, an error."""

    __tablename__ = "case_event"
    __table_args__ = (Index("ix_case_event_case_id", "case_id", "id"), Index("ix_case_event_at", "at", "kind"))

    id: Mapped[Id]
    case_id: Mapped[CaseId]
    at: Mapped[When]
    kind: Mapped[EventKind] = mapped_column(String)
    member_id: Mapped[MemberId | None]
    text: Mapped[str] = mapped_column(Text, default="")
    detail: Mapped[EventDetail] = mapped_column(Structured(EventDetail), default=EventDetail)


class CaseFingerprint(Base):
    """A piece of the fingerprint of a case's first mention: cases that share one may say nearly the same."""

    __tablename__ = "case_fingerprint"
    __table_args__ = (Index("ix_case_fingerprint", "brand_id", "band", "value"),)

    case_id: Mapped[CaseId] = mapped_column(primary_key=True)
    band: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(BigNumber)
    brand_id: Mapped[BrandId]
