"""What the desks did, and where their cards stand."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import and_, case, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.case import Alert, Case
from models.desk import Action, CardPost, DeskEvent, Digest
from store.sql import insert


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
    if action.case is not None or action.verb == "help":
        return action
    case_id = await session.scalar(
        select(CardPost.subject_id).where(
            CardPost.desk == desk,
            CardPost.chat == action.chat,
            CardPost.address == action.message,
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
        and_(CardPost.subject == "alert", CardPost.shown < Alert.revision),
        and_(CardPost.subject == "digest", CardPost.shown == 0, Digest.id.is_not(None)),
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
