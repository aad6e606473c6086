"""How members sign in to the web desk: links that work once, sessions that can be revoked. Only hashes are stored."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.tables.session import LoginLink, WebSession

LINK_LIFETIME: Final = timedelta(minutes=15)
SESSION_LIFETIME: Final = timedelta(days=30)
"""From the last use."""
ABSOLUTE_LIFETIME: Final = timedelta(days=90)
"""From signing in, however often it is used."""
SEEN_INTERVAL: Final = timedelta(minutes=5)
"""How stale `last_seen_at` may be: the row is not written at every click."""


async def create_link(session: AsyncSession, member_id: int, now: datetime) -> str:
    """The secret part of a new login link."""
    token = secrets.token_urlsafe(32)
    session.add(LoginLink(hash=_hash(token), member_id=member_id, expires_at=now + LINK_LIFETIME))
    return token


async def is_link_valid(session: AsyncSession, token: str, now: datetime) -> bool:
    link = await session.get(LoginLink, _hash(token))
    return link is not None and link.used_at is None and now < link.expires_at <= now + LINK_LIFETIME


async def sign_in(session: AsyncSession, token: str, now: datetime) -> str | None:
    """Uses up a link and returns the secret of a new session; None for a link that is used, expired or unknown."""
    used = await session.execute(
        update(LoginLink)
        .where(
            LoginLink.hash == _hash(token),
            LoginLink.used_at.is_(None),
            LoginLink.expires_at > now,
            LoginLink.expires_at <= now + LINK_LIFETIME,  # a clock that jumped back makes no link live longer
        )
        .values(used_at=now)
        .returning(LoginLink.member_id)
    )
    member_id = used.scalar()
    if member_id is None:
        return None
    key = secrets.token_urlsafe(32)
    session.add(
        WebSession(
            hash=_hash(key),
            member_id=member_id,
            created_at=now,
            last_seen_at=now,
            expires_at=now + SESSION_LIFETIME,
        )
    )
    return key


async def find_session(session: AsyncSession, key: str, now: datetime) -> WebSession | None:
    """The session of a cookie, if it is still valid."""
    row = await session.get(WebSession, _hash(key))
    if row is None or row.revoked_at is not None or row.expires_at <= now:
        return None
    return row if now < row.created_at + ABSOLUTE_LIFETIME else None


async def mark_seen(session: AsyncSession, row: WebSession, now: datetime) -> None:
    await session.execute(
        update(WebSession)
        .where(WebSession.hash == row.hash)
        .values(last_seen_at=now, expires_at=now + SESSION_LIFETIME)
    )


async def active_sessions(session: AsyncSession, member_id: int, now: datetime) -> Sequence[WebSession]:
    return (
        await session.scalars(
            select(WebSession)
            .where(WebSession.member_id == member_id, WebSession.revoked_at.is_(None), WebSession.expires_at > now)
            .order_by(WebSession.last_seen_at.desc())
        )
    ).all()


async def revoke(session: AsyncSession, member_id: int, now: datetime, hash_: str | None = None) -> None:
    """Ends one session of a member, or all of them."""
    ended = update(WebSession).where(WebSession.member_id == member_id, WebSession.revoked_at.is_(None))
    if hash_ is not None:
        ended = ended.where(WebSession.hash == hash_)
    await session.execute(ended.values(revoked_at=now))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
