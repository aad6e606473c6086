"""What the desks did, and where their cards stand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.case import Alert, Case
from models.desk import Action, CardPost, DeskEvent, Digest, Verb
from models.mention import Author, Mention, MentionBrand
from store.sql import insert

A_THREAD_EACH: Final = "/*"
"""Ends the name of a chat in which each card has a thread of its own, whose id is the card's address."""
ABOUT_ONESELF: Final[frozenset[Verb]] = frozenset({"help", "mine", "next", "quiet", "away"})
"""Done on no card."""


def bookmark_name(desk: str) -> str:
    """A desk's bookmark stands beside those of the ears, under a name of its own."""
    return f"desk:{desk}"


async def write_actions(session: AsyncSession, desk: str, actions: Sequence[Action], now: datetime) -> None:
    """Writes actions down; one that was told before is the same action."""
    rows = [{"desk": desk, "native_id": a.native_id, "action": a, "received_at": now} for a in actions]
    if rows:
        await session.execute(insert(session, DeskEvent).on_conflict_do_nothing(), rows)


async def waiting_actions(session: AsyncSession, desk: str, limit: int) -> list[DeskEvent]:
    return list(
        await session.scalars(
            select(DeskEvent)
            .where(DeskEvent.desk == desk, DeskEvent.acted_at.is_(None))
            .order_by(DeskEvent.id)
            .limit(limit)
        )
    )


async def on_a_card(session: AsyncSession, desk: str, action: Action) -> Action | None:
    """The action with the case of the card that it was done on; None where that message is no card of ours."""
    if action.case is not None or action.verb in ABOUT_ONESELF:
        return action
    case_id = await session.scalar(
        select(CardPost.subject_id).where(
            CardPost.desk == desk,
            or_(
                and_(CardPost.chat == action.chat, CardPost.address == action.message),
                and_(CardPost.chat.endswith(A_THREAD_EACH), CardPost.address == action.chat),
            ),
            CardPost.subject == "case",
        )
    )
    return None if case_id is None else msgspec.structs.replace(action, case=case_id)


async def lagging(
    session: AsyncSession, desk: str, now: datetime, limit: int, full: Sequence[str] = ()
) -> list[CardPost]:
    """Cards that show less than there is, outside the chats that are `full`.

    Alerts before open cases before digests before what has ended, the worst case first.
    """
    behind = or_(
        and_(CardPost.subject == "case", CardPost.shown < Case.revision),
        and_(CardPost.subject == "alert", CardPost.shown < Alert.revision, Alert.case_id.is_not(None)),
        and_(CardPost.subject == "digest", CardPost.shown == 0, Digest.id.is_not(None)),
        and_(CardPost.subject == "handed", CardPost.shown == 0),
    )
    turn = case(
        (CardPost.subject == "alert", 0), (Case.ended_at.is_not(None), 3), (CardPost.subject == "case", 1), else_=2
    )
    return list(
        await session.scalars(
            select(CardPost)
            .outerjoin(Case, and_(CardPost.subject == "case", Case.id == CardPost.subject_id))
            .outerjoin(Alert, and_(CardPost.subject == "alert", Alert.id == CardPost.subject_id))
            .outerjoin(Digest, and_(CardPost.subject == "digest", Digest.id == CardPost.subject_id))
            .where(CardPost.desk == desk, CardPost.chat.not_in(full), behind)
            .where(or_(CardPost.next_try_at.is_(None), CardPost.next_try_at <= now))
            .order_by(turn, Case.rank.desc(), CardPost.id)
            .limit(limit)
        )
    )


async def shown(session: AsyncSession, post_id: int, address: str, revision: int) -> None:
    """The card stands at an address, and shows a revision."""
    standing = {"address": address, "shown": revision, "tries": 0, "next_try_at": None, "error": None}
    await session.execute(update(CardPost).where(CardPost.id == post_id).values(standing))


async def unseen(session: AsyncSession, desk: str) -> dict[str, int]:
    """In each chat, how many open cases have never been shown."""
    rows = await session.execute(
        select(CardPost.chat, func.count())
        .join(Case, Case.id == CardPost.subject_id)
        .where(*_unseen(desk))
        .group_by(CardPost.chat)
    )
    return {chat: count for chat, count in rows.all()}  # noqa: C416 - rows are not pairs to a type checker


async def worst_unseen(
    session: AsyncSession, desk: str, chat: str, skip: int, limit: int
) -> list[tuple[int, str, str]]:
    """(case, author, what was last said) of those that come after the `skip` first ones, the worst first."""
    latest = (
        select(Mention.text)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.case_id == Case.id)
        .order_by(Mention.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = await session.execute(
        select(Case.id, Author.handle, func.coalesce(latest, ""))
        .join(CardPost, Case.id == CardPost.subject_id)
        .join(Author, Author.id == Case.author_id)
        .where(*_unseen(desk), CardPost.chat == chat)
        .order_by(Case.rank.desc(), CardPost.id)
        .offset(skip)
        .limit(limit)
    )
    return [(number, handle, text) for number, handle, text in rows.all()]


def _unseen(desk: str) -> tuple[ColumnElement[bool], ...]:
    return CardPost.desk == desk, CardPost.subject == "case", CardPost.shown == 0, Case.ended_at.is_(None)


async def backlogs(session: AsyncSession, desk: str) -> dict[str, CardPost]:
    """The card of each chat that says how much is still to be shown there."""
    rows = await session.scalars(select(CardPost).where(CardPost.desk == desk, CardPost.subject == "backlog"))
    return {row.chat: row for row in rows}


async def save_backlog(session: AsyncSession, desk: str, chat: str, address: str | None, shown: int) -> None:
    row = {
        "subject": "backlog",
        "subject_id": 0,
        "desk": desk,
        "chat": chat,
        "address": address,
        "shown": shown,
        "tries": 0,
    }
    await session.execute(
        insert(session, CardPost)
        .values(row)
        .on_conflict_do_update(
            index_elements=["subject", "subject_id", "desk", "chat"], set_={"address": address, "shown": shown}
        )
    )
