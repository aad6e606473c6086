"""The configuration's rows: brands, queues, members and saved replies."""

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from models.configuration import Brand, Member, Queue, SavedReply
from models.tables.base import Base, Id, Structured, When


class Row:
    """A spec with its slug and the id that other rows refer to."""

    id: Mapped[Id]
    slug: Mapped[str]
    changed_at: Mapped[When]

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[UniqueConstraint]:
        return (UniqueConstraint("slug"),)


class BrandRow(Row, Base):
    __tablename__ = "brand"
    spec: Mapped[Brand] = mapped_column(Structured(Brand))


class QueueRow(Row, Base):
    __tablename__ = "queue"
    spec: Mapped[Queue] = mapped_column(Structured(Queue))


class MemberRow(Row, Base):
    __tablename__ = "member"
    spec: Mapped[Member] = mapped_column(Structured(Member))


class SavedReplyRow(Row, Base):
    __tablename__ = "saved_reply"
    spec: Mapped[SavedReply] = mapped_column(Structured(SavedReply))


class ConfigurationVersion(Base):
    """One row, incremented by every change, so that a Configuration in memory can tell when it is stale."""

    __tablename__ = "configuration_version"

    id: Mapped[Id]
    version: Mapped[int]
