"""Replies: drafts, approvals, versions, and what became of them."""

from typing import Literal

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, CaseId, Id, MemberId, When

ReplyState = Literal["draft", "proposed", "approved", "sending", "published", "failed", "unknown", "withdrawn"]
IN_FLIGHT: tuple[ReplyState, ...] = ("approved", "sending", "unknown")
_IN_FLIGHT = text("state IN ('approved', 'sending', 'unknown')")
_DRAFT = text("state = 'draft'")


class Reply(Base):
    """A draft until a member approves the revision shown; then due, sending, and published or failed.

    Where its queue requires more approvals, its author's approval makes it `proposed`, and the last required one `approved`.

    `key` is the idempotency key that the platform is given, where it takes one.
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
    """The mention that it answers."""
    platform: Mapped[str]
    connection: Mapped[str]
    state: Mapped[ReplyState] = mapped_column(String)
    text: Mapped[str] = mapped_column(Text)
    language: Mapped[str]
    revision: Mapped[int] = mapped_column(default=1)
    suggestion_code: Mapped[str | None]
    """The suggestion that it started from."""
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
    """A member's approval of one revision of a proposed reply."""

    __tablename__ = "approval"

    reply_id: Mapped[int] = mapped_column(ForeignKey("reply.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    at: Mapped[When]


class ReplyVersion(Base):
    """The text of a reply when it was proposed, and each time an approver changed it."""

    __tablename__ = "reply_version"

    reply_id: Mapped[int] = mapped_column(ForeignKey("reply.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[MemberId]
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[When]
