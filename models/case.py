"""Cases: what needs a human, and everything that happened to each."""

from typing import Literal

import msgspec
from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigNumber, BrandId, CaseId, Id, MemberId, Structured, When

State = Literal["waiting", "claimed", "snoozed", "answering", "answered", "dismissed"]
OPEN: tuple[State, ...] = ("waiting", "claimed", "snoozed", "answering")
_IS_OPEN = text("state IN ('waiting', 'claimed', 'snoozed', 'answering')")

EventKind = Literal[
    "opened", "heard", "claimed", "released", "expired", "assigned", "snoozed", "woke", "dismissed", "reopened",
    "escalated", "late", "noted", "approved", "undone", "published", "failed", "unknown", "copied", "corrected", "muted",
    "edited", "deleted", "answered there", "proposed", "seconded", "amended", "sent back",
    "handed over",
]  # fmt: skip


class Part(msgspec.Struct, frozen=True):
    """One reason for a case's priority: which, how many points, and the figure behind it."""

    name: str
    points: int
    detail: str = ""


class Case(Base):
    """The mentions of one author in one thread about one brand; at most one of them is open at a time.

    `rank` orders a queue: points and waiting time in one number that never changes while nothing happens (see
    triage/priority.py). `revision` counts every visible change; a card that shows less is redrawn.
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
        Index("ix_case_storm_id", "storm_id"),
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
    grave: Mapped[str | None]
    points: Mapped[int]
    parts: Mapped[tuple[Part, ...]] = mapped_column(Structured(tuple[Part, ...]))
    rank: Mapped[float]
    mentions: Mapped[int]
    opened_at: Mapped[When]
    opened_by: Mapped[MemberId | None]
    heard_at: Mapped[When]
    last_heard_at: Mapped[When]
    claimed_by: Mapped[MemberId | None]
    claim_until: Mapped[When | None]
    snoozed_until: Mapped[When | None]
    first_answer_due: Mapped[When]
    resolution_due: Mapped[When]
    first_answered_at: Mapped[When | None]
    ended_at: Mapped[When | None]
    ended_reason: Mapped[str | None]
    level: Mapped[int] = mapped_column(default=0)
    """How many steps of the queue's chain have been called."""
    step_due: Mapped[When | None]
    """When the next step is called if nobody has answered."""
    storm_id: Mapped[int | None] = mapped_column(ForeignKey("case.id"))
    """The first of the cases that say nearly the same; its own id on that one."""
    revision: Mapped[int] = mapped_column(default=1)


class CaseEvent(Base):
    """What happened, in order. `text` is for people: a note, a reason, an error; `detail` for the arithmetic."""

    __tablename__ = "case_event"
    __table_args__ = (Index("ix_case_event_case_id", "case_id", "id"), Index("ix_case_event_at", "at", "kind"))

    id: Mapped[Id]
    case_id: Mapped[CaseId]
    at: Mapped[When]
    kind: Mapped[EventKind] = mapped_column(String)
    member_id: Mapped[MemberId | None]
    text: Mapped[str] = mapped_column(Text, default="")
    detail: Mapped[dict[str, str]] = mapped_column(Structured(dict[str, str]), default=dict)


class CaseBand(Base):
    """A piece of the fingerprint of a case's first mention: cases that share one may say nearly the same."""

    __tablename__ = "case_band"
    __table_args__ = (Index("ix_case_band", "brand_id", "band", "value"),)

    case_id: Mapped[CaseId] = mapped_column(primary_key=True)
    band: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(BigNumber)
    brand_id: Mapped[BrandId]


ReplyState = Literal["draft", "proposed", "approved", "sending", "published", "failed", "unknown", "withdrawn"]
IN_FLIGHT: tuple[ReplyState, ...] = ("approved", "sending", "unknown")
_IN_FLIGHT = text("state IN ('approved', 'sending', 'unknown')")
_DRAFT = text("state = 'draft'")


class Reply(Base):
    """What we say: a draft until a member approves the revision shown, then due, sending, and published or not.

    Where its queue wants more eyes, its author's yes makes it `proposed`, and theirs `approved`.

    `key` is what the platform is told so that asking twice publishes once, where it has such a thing.
    """

    __tablename__ = "reply"
    __table_args__ = (
        Index("uq_reply_in_flight", "case_id", unique=True, sqlite_where=_IN_FLIGHT, postgresql_where=_IN_FLIGHT),
        Index("uq_reply_draft", "case_id", "author_id", unique=True, sqlite_where=_DRAFT, postgresql_where=_DRAFT),
        Index("ix_reply_state_due_at", "state", "due_at"),
        Index("ix_reply_case_id", "case_id"),
        Index("ix_reply_native_id", "native_id"),
        UniqueConstraint("key"),
    )

    id: Mapped[Id]
    case_id: Mapped[CaseId]
    mention_id: Mapped[int] = mapped_column(ForeignKey("mention.id"))
    """The mention under which it is said."""
    platform: Mapped[str]
    connection: Mapped[str]
    state: Mapped[ReplyState] = mapped_column(String)
    text: Mapped[str] = mapped_column(Text)
    language: Mapped[str]
    revision: Mapped[int] = mapped_column(default=1)
    suggestion: Mapped[str | None]
    """The code of the saved reply that it began from."""
    author_id: Mapped[MemberId]
    drafted_at: Mapped[When]
    approved_by: Mapped[MemberId | None]
    approved_at: Mapped[When | None]
    due_at: Mapped[When | None]
    key: Mapped[str]
    tries: Mapped[int] = mapped_column(default=0)
    native_id: Mapped[str | None]
    url: Mapped[str | None]
    published_at: Mapped[When | None]
    error: Mapped[str | None] = mapped_column(Text)


class Approval(Base):
    """A member's yes to one revision of a reply that waits for it."""

    __tablename__ = "approval"

    reply_id: Mapped[int] = mapped_column(ForeignKey("reply.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    at: Mapped[When]


class ReplyVersion(Base):
    """What a reply said when it was proposed, and each time an approver changed it."""

    __tablename__ = "reply_version"

    reply_id: Mapped[int] = mapped_column(ForeignKey("reply.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[MemberId]
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[When]


class Alert(Base):
    """Something a team must see now. `key` makes each one be raised once."""

    __tablename__ = "alert"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_alert_raised_at", "raised_at"),
        Index("ix_alert_grouped_in", "grouped_in"),
    )

    id: Mapped[Id]
    key: Mapped[str]
    kind: Mapped[str]
    brand_id: Mapped[BrandId | None]
    queue_id: Mapped[int | None] = mapped_column(ForeignKey("queue.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case.id"))
    reason: Mapped[str] = mapped_column(Text)
    called: Mapped[str] = mapped_column(default="")
    """The members called by name, comma separated slugs."""
    raised_at: Mapped[When]
    pattern: Mapped[str] = mapped_column(default="", server_default="")
    """What can be muted: `legal:avvocato`; empty for what cannot."""
    grouped_in: Mapped[int | None] = mapped_column(BigNumber)
    """The alert that stands for this one too, when many came at once."""
    revision: Mapped[int] = mapped_column(default=1, server_default="1")


class AlertMute(Base):
    """A pattern that raises no alerts for a brand until a day; its cases are opened and weighed as before."""

    __tablename__ = "alert_mute"
    __table_args__ = (Index("ix_alert_mute_brand_id", "brand_id", "pattern"),)

    id: Mapped[Id]
    brand_id: Mapped[BrandId]
    pattern: Mapped[str]
    muted_by: Mapped[MemberId]
    muted_at: Mapped[When]
    until: Mapped[When]
    silenced: Mapped[int] = mapped_column(default=0)
    """How many alerts it has kept quiet: nothing is silent without a count."""
