"""Mentions, their authors, and the brands they concern."""

from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text, true
from sqlalchemy.orm import Mapped, mapped_column

from models.incoming import Media
from models.tables.base import Base, BrandId, Id, MemberId, Structured, When

Sentiment = Literal["negative", "neutral", "positive"]
Intent = Literal["complaint", "question", "praise", "lead", "news", "chatter", "spam", "crisis"]
MatchedBy = Literal["query", "own channel", "addressed", "member"]
"""Why a mention concerns a brand: a query matched, it stands in the brand's own channel, it addresses the brand's account, or
a member asked for a case."""


KEPT: Final[dict[str, Any]] = {"erased": False}
"""Declares that a field keeps its value when the mention is deleted on its platform."""


def erased_to(value: object) -> dict[str, Any]:
    """Declares that a field is emptied, to this value, when the mention is deleted on its platform."""
    return {"erased": True, "value": value}


def erased_values(table: type[Base]) -> dict[str, Any]:
    """The values of a table's erased fields after a deletion."""
    columns = table.__table__.columns
    return {column.key: column.info["value"] for column in columns if column.info["erased"]}


class InfluentialWord(msgspec.Struct, frozen=True):
    """A word of a mention, and how much it counts for the sentiment, in log-odds."""

    word: str
    weight: float


class EarlierPost(msgspec.Struct, frozen=True):
    """A post above a mention in its thread."""

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
    """The author opens no more cases for the brand; mentions are still stored and counted."""

    __tablename__ = "author_mute"

    brand_id: Mapped[BrandId] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), primary_key=True)
    muted_by: Mapped[MemberId]
    muted_at: Mapped[When]


class Mention(Base):
    """`folded` is the text that queries and search see (models.text.fold).

    A deletion on the platform keeps the row and empties the fields declared as erased.
    """

    __tablename__ = "mention"
    __table_args__ = (
        UniqueConstraint("platform", "native_id"),
        Index("ix_mention_author_id_created_at", "author_id", "created_at"),
        Index("ix_mention_received_at", "received_at"),
        Index("ix_mention_url", "url"),
    )

    id: Mapped[Id] = mapped_column(info=KEPT)
    platform: Mapped[str] = mapped_column(info=KEPT)
    native_id: Mapped[str] = mapped_column(info=KEPT)
    url: Mapped[str] = mapped_column(default="", info=KEPT)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), info=KEPT)
    text: Mapped[str] = mapped_column(Text, info=erased_to(""))
    folded: Mapped[str] = mapped_column(Text, info=erased_to(""))
    language: Mapped[str | None] = mapped_column(info=KEPT)
    thread: Mapped[str] = mapped_column(info=KEPT)
    parent: Mapped[str | None] = mapped_column(info=KEPT)
    origin: Mapped[str] = mapped_column(info=KEPT)
    connection: Mapped[str] = mapped_column(info=KEPT)
    metrics: Mapped[dict[str, int]] = mapped_column(Structured(dict[str, int]), default=dict, info=KEPT)
    media: Mapped[tuple[Media, ...]] = mapped_column(Structured(tuple[Media, ...]), default=(), info=erased_to(()))
    earlier_posts: Mapped[tuple[EarlierPost, ...] | None] = mapped_column(
        Structured(tuple[EarlierPost, ...]), info=erased_to(())
    )
    """The posts above it in its thread, oldest first; None until they were fetched, which happens once a case is open."""
    created_at: Mapped[When] = mapped_column(info=KEPT)
    dated: Mapped[bool] = mapped_column(default=True, server_default=true(), info=KEPT)
    """Whether the platform says when it was posted; where it does not, `created_at` is `received_at`."""
    received_at: Mapped[When] = mapped_column(info=KEPT)
    edited_at: Mapped[When | None] = mapped_column(info=KEPT)
    deleted_at: Mapped[When | None] = mapped_column(info=KEPT)


class MentionVersion(Base):
    """The text of a mention before an edit."""

    __tablename__ = "mention_version"

    id: Mapped[Id]
    mention_id: Mapped[int] = mapped_column(ForeignKey("mention.id"), index=True)
    text: Mapped[str] = mapped_column(Text)
    replaced_at: Mapped[When]


class MentionBrand(Base):
    """A mention concerns a brand: why, and what it means to that brand. Not analyzed until `analyzed_at` is set."""

    __tablename__ = "mention_brand"
    __table_args__ = (
        Index("ix_mention_brand_brand_id", "brand_id", "mention_id"),
        Index("ix_mention_brand_case_id", "case_id"),
        Index(
            "ix_mention_brand_unanalyzed",
            "live",
            "mention_id",
            sqlite_where=text("analyzed_at IS NULL"),
            postgresql_where=text("analyzed_at IS NULL"),
        ),
    )

    mention_id: Mapped[int] = mapped_column(ForeignKey("mention.id"), primary_key=True, info=KEPT)
    brand_id: Mapped[BrandId] = mapped_column(primary_key=True, info=KEPT)
    matched_by: Mapped[MatchedBy] = mapped_column(String, info=KEPT)
    query: Mapped[str] = mapped_column(info=KEPT)
    """The slug of the query that matched; empty where none did."""
    matched_words: Mapped[str] = mapped_column(Text, info=erased_to(""))
    """The words the query matched, else the connection or the member that it is here for."""
    live: Mapped[bool] = mapped_column(info=KEPT)
    """Live mentions are analyzed before backfilled and imported ones."""
    analyzed_at: Mapped[When | None] = mapped_column(info=KEPT)
    language: Mapped[str | None] = mapped_column(info=KEPT)
    sentiment: Mapped[str | None] = mapped_column(info=KEPT)
    negative: Mapped[float | None] = mapped_column(info=KEPT)
    neutral: Mapped[float | None] = mapped_column(info=KEPT)
    positive: Mapped[float | None] = mapped_column(info=KEPT)
    intent: Mapped[str | None] = mapped_column(info=KEPT)
    influential_words: Mapped[tuple[InfluentialWord, ...] | None] = mapped_column(
        Structured(tuple[InfluentialWord, ...]), info=erased_to(())
    )
    """The words that influenced the sentiment, strongest first; None until a case is open and they were computed."""
    second_opinion_key: Mapped[str | None] = mapped_column(index=True, info=KEPT)
    """The second opinion that was requested for it."""
    topics: Mapped[tuple[str, ...]] = mapped_column(Structured(tuple[str, ...]), default=(), info=KEPT)
    severity: Mapped[str | None] = mapped_column(info=KEPT)
    """Why it is severe (legal, safety, …); None where it is not."""
    corrected_sentiment: Mapped[str | None] = mapped_column(info=KEPT)
    """The sentiment a member corrected it to; overrides the classifier's."""
    corrected_by: Mapped[MemberId | None] = mapped_column(info=KEPT)
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case.id"), info=KEPT)

    @property
    def effective_sentiment(self) -> str | None:
        return self.corrected_sentiment or self.sentiment
