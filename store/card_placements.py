"""Cards in chats: which are outdated, which were never shown, and what was shown where."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.tables.alert import Alert
from models.tables.card_placement import CardPlacement
from models.tables.case import Case
from models.tables.digest import Digest
from models.tables.mention import Author, Mention, MentionBrand
from store.engine import insert

THREAD_PER_CARD: Final = "/*"
"""Ends the name of a chat in which each card has a thread of its own, whose id is the card's message id."""
RETRY: Final = timedelta(minutes=10)
"""A card that a chat rejects is tried again after this, doubling each time."""
MAX_DOUBLINGS: Final = 8


async def case_of_card(session: AsyncSession, desk: str, chat: str, message: str) -> int | None:
    """The case whose card a message is, or whose thread a chat is; None where it is no card."""
    return await session.scalar(
        select(CardPlacement.subject_id).where(
            CardPlacement.desk == desk,
            or_(
                and_(CardPlacement.chat == chat, CardPlacement.message_id == message),
                and_(CardPlacement.chat.endswith(THREAD_PER_CARD), CardPlacement.message_id == chat),
            ),
            CardPlacement.subject == "case",
        )
    )


async def outdated(
    session: AsyncSession, desk: str, now: datetime, limit: int, full: Sequence[str] = ()
) -> list[CardPlacement]:
    """Placements that show less than there is, outside the chats that are `full`.

    Alerts before open cases before digests before ended cases, the most urgent case first.
    """
    behind = or_(
        and_(CardPlacement.subject == "case", CardPlacement.shown_revision < Case.revision),
        and_(CardPlacement.subject == "alert", CardPlacement.shown_revision < Alert.revision),
        and_(CardPlacement.subject == "digest", CardPlacement.shown_revision == 0, Digest.id.is_not(None)),
        and_(CardPlacement.subject == "handover", CardPlacement.shown_revision == 0),
    )
    order = case(
        (CardPlacement.subject == "alert", 0),
        (Case.ended_at.is_not(None), 3),
        (CardPlacement.subject == "case", 1),
        else_=2,
    )
    return list(
        await session.scalars(
            select(CardPlacement)
            .outerjoin(Case, and_(CardPlacement.subject == "case", Case.id == CardPlacement.subject_id))
            .outerjoin(Alert, and_(CardPlacement.subject == "alert", Alert.id == CardPlacement.subject_id))
            .outerjoin(Digest, and_(CardPlacement.subject == "digest", Digest.id == CardPlacement.subject_id))
            .where(CardPlacement.desk == desk, CardPlacement.chat.not_in(full), behind)
            .where(or_(CardPlacement.next_try_at.is_(None), CardPlacement.next_try_at <= now))
            .order_by(order, Case.rank.desc(), CardPlacement.id)
            .limit(limit)
        )
    )


async def mark_shown(session: AsyncSession, placement_id: int, message_id: str, revision: int) -> None:
    shown = {
        "message_id": message_id,
        "shown_revision": revision,
        "tries": 0,
        "next_try_at": None,
        "error": None,
    }
    await session.execute(update(CardPlacement).where(CardPlacement.id == placement_id).values(shown))


async def mark_rejected(session: AsyncSession, placement_id: int, reason: str, now: datetime) -> None:
    placement = await session.get_one(CardPlacement, placement_id)
    placement.tries += 1
    placement.next_try_at = now + RETRY * 2 ** min(placement.tries - 1, MAX_DOUBLINGS)
    placement.error = reason


async def count_unshown(session: AsyncSession, desk: str) -> dict[str, int]:
    """Chat → how many open cases were never shown there."""
    rows = await session.execute(
        select(CardPlacement.chat, func.count())
        .join(Case, Case.id == CardPlacement.subject_id)
        .where(*_unshown(desk))
        .group_by(CardPlacement.chat)
    )
    return {chat: count for chat, count in rows.all()}  # noqa: C416 - rows are not pairs to a type checker


async def most_urgent_unshown(
    session: AsyncSession, desk: str, chat: str, skip: int, limit: int
) -> list[tuple[int, str, str]]:
    """(case, author, latest text) of the unshown cases after the first `skip`, most urgent first."""
    latest = (
        select(Mention.text)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.case_id == Case.id)
        .order_by(Mention.id.desc())
        .limit(1)
        .correlate(Case)
        .scalar_subquery()
    )
    rows = await session.execute(
        select(Case.id, Author.handle, func.coalesce(latest, ""))
        .join(CardPlacement, Case.id == CardPlacement.subject_id)
        .join(Author, Author.id == Case.author_id)
        .where(*_unshown(desk), CardPlacement.chat == chat)
        .order_by(Case.rank.desc(), CardPlacement.id)
        .offset(skip)
        .limit(limit)
    )
    return [(number, handle, text) for number, handle, text in rows.all()]


def _unshown(desk: str) -> tuple[ColumnElement[bool], ...]:
    return (
        CardPlacement.desk == desk,
        CardPlacement.subject == "case",
        CardPlacement.shown_revision == 0,
        Case.ended_at.is_(None),
    )


async def backlog_cards(session: AsyncSession, desk: str) -> dict[str, CardPlacement]:
    """Chat → the card there that counts the cases still to be shown."""
    rows = await session.scalars(
        select(CardPlacement).where(CardPlacement.desk == desk, CardPlacement.subject == "backlog")
    )
    return {row.chat: row for row in rows}


async def save_backlog(session: AsyncSession, desk: str, chat: str, message_id: str | None, unshown: int) -> None:
    row = {
        "subject": "backlog",
        "subject_id": 0,
        "desk": desk,
        "chat": chat,
        "message_id": message_id,
        "shown_revision": unshown,
        "tries": 0,
    }
    await session.execute(
        insert(session, CardPlacement)
        .values(row)
        .on_conflict_do_update(
            index_elements=["subject", "subject_id", "desk", "chat"],
            set_={"message_id": message_id, "shown_revision": unshown},
        )
    )
