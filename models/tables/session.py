"""How members sign in to the web desk. Only hashes of secrets are stored."""

from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, MemberId, When


class LoginLink(Base):
    """A link that signs one member in, once, for a quarter of an hour."""

    __tablename__ = "login_link"

    hash: Mapped[str] = mapped_column(primary_key=True)
    member_id: Mapped[MemberId]
    expires_at: Mapped[When]
    used_at: Mapped[When | None]


class WebSession(Base):
    """A browser in which a member is signed in."""

    __tablename__ = "web_session"

    hash: Mapped[str] = mapped_column(primary_key=True)
    member_id: Mapped[MemberId]
    created_at: Mapped[When]
    last_seen_at: Mapped[When]
    expires_at: Mapped[When]
    revoked_at: Mapped[When | None]
