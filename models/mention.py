"""Mentions, who wrote them, and which brands they concern."""

from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BrandId, Id, MemberId, Structured, When
from models.post import Media

Sentiment = Literal["negative", "neutral", "positive"]
Intent = Literal["complaint", "question", "praise", "lead", "news", "chatter", "spam", "crisis"]


class MovedBy(msgspec.Struct, frozen=True):
    """A word of a mention, and how much it speaks for the sentiment that was read, in log-odds."""

    word: str
    by: float


class Earlier(msgspec.Struct, frozen=True):
    """What was said before a mention in its thread, by whomever."""

    author: str
    text: str
    at: datetime
    url: str = ""


class Author(Base):
    __tablename__ = "author"
    __table_args__ = (UniqueConstraint("platform", "native_id"),)

    id: Mapped[Id]
    platform: Mapped[str]
    native_id: Mapped[str]
    handle: Mapped[str]
    name: Mapped[str] = mapped_column(default="")
    followers: Mapped[int | None]
    url: Mapped[str] = mapped_column(default="")


class AuthorMute(Base):
    """This author opens no more cases for this brand; what they write is still stored and counted."""

    __tablename__ = "author_mute"

    brand_id: Mapped[BrandId] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), primary_key=True)
    muted_by: Mapped[MemberId]
    muted_at: Mapped[When]


class Mention(Base):
    """`folded` is what the matcher and the search see. A deletion on the platform empties both texts and keeps the row."""

    __tablename__ = "mention"
    __table_args__ = (
        UniqueConstraint("platform", "native_id"),
        Index("ix_mention_author_id_created_at", "author_id", "created_at"),
        Index("ix_mention_heard_at", "heard_at"),
        Index("ix_mention_url", "url"),
    )

    id: Mapped[Id]
    platform: Mapped[str]
    native_id: Mapped[str]
    url: Mapped[str] = mapped_column(default="")
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    text: Mapped[str] = mapped_column(Text)
    folded: Mapped[str] = mapped_column(Text)
    language: Mapped[str | None]
    thread: Mapped[str]
    parent: Mapped[str | None]
    origin: Mapped[str]
    connection: Mapped[str]
    metrics: Mapped[dict[str, int]] = mapped_column(Structured(dict[str, int]), default=dict)
    media: Mapped[tuple[Media, ...]] = mapped_column(Structured(tuple[Media, ...]), default=())
    before: Mapped[tuple[Earlier, ...] | None] = mapped_column(Structured(tuple[Earlier, ...]))
    """What stands above it in its thread, oldest first; None until somebody has a case to look at and it was asked for."""
    created_at: Mapped[When]
    heard_at: Mapped[When]
    edited_at: Mapped[When | None]
    deleted_at: Mapped[When | None]


class MentionVersion(Base):
    """What a mention said before it was edited."""

    __tablename__ = "mention_version"

    id: Mapped[Id]
    mention_id: Mapped[int] = mapped_column(ForeignKey("mention.id"), index=True)
    text: Mapped[str] = mapped_column(Text)
    replaced_at: Mapped[When]


class MentionBrand(Base):
    """That a mention concerns a brand: why, and what it means to that brand. Unread until `read_at` is set."""

    __tablename__ = "mention_brand"
    __table_args__ = (
        Index("ix_mention_brand_brand_id", "brand_id", "mention_id"),
        Index("ix_mention_brand_case_id", "case_id"),
        Index(
            "ix_mention_brand_unread",
            "live",
            "mention_id",
            sqlite_where=text("read_at IS NULL"),
            postgresql_where=text("read_at IS NULL"),
        ),
    )

    mention_id: Mapped[int] = mapped_column(ForeignKey("mention.id"), primary_key=True)
    brand_id: Mapped[BrandId] = mapped_column(primary_key=True)
    query: Mapped[str]
    """The slug of the query that matched; `owned` for a channel of the brand's own, `to us` for what speaks to its account,
    `by hand` where a member said so."""
    why: Mapped[str] = mapped_column(Text)
    live: Mapped[bool]
    """Live ones are read before the rest."""
    read_at: Mapped[When | None]
    language: Mapped[str | None]
    sentiment: Mapped[str | None]
    negative: Mapped[float | None]
    neutral: Mapped[float | None]
    positive: Mapped[float | None]
    intent: Mapped[str | None]
    moved: Mapped[tuple[MovedBy, ...] | None] = mapped_column(Structured(tuple[MovedBy, ...]))
    """The words that moved the reader, the strongest first; None until somebody has a case to look at."""
    opinion: Mapped[str | None] = mapped_column(index=True)
    """The key of the second opinion that was wanted on it."""
    topics: Mapped[tuple[str, ...]] = mapped_column(Structured(tuple[str, ...]), default=())
    grave: Mapped[str | None]
    corrected: Mapped[str | None]
    """The sentiment as a member corrected it; wins over the reader's."""
    corrected_by: Mapped[MemberId | None]
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case.id"))

    @property
    def felt(self) -> str | None:
        """The sentiment that counts."""
        return self.corrected or self.sentiment


class Bookmark(Base):
    """How far a listener has heard."""

    __tablename__ = "bookmark"

    connection: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    saved_at: Mapped[When]
