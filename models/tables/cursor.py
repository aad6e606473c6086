"""How far each listener, desk, deletion check and import has read."""

from typing import Literal

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, When

CursorKind = Literal["listener", "desk", "deletion check", "import", "health", "erasure"]


class Cursor(Base):
    """`value` is opaque here: only who saved it reads it."""

    __tablename__ = "cursor"

    kind: Mapped[CursorKind] = mapped_column(String, primary_key=True)
    connection: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    saved_at: Mapped[When]
