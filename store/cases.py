"""Lists of cases, as a queue shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, get_args

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models.case import OPEN, Case, CaseEvent
from models.mention import Author, Mention, MentionBrand

View = Literal["queue", "mine", "late", "snoozed", "done"]
VIEWS: tuple[View, ...] = get_args(View)


class Line(msgspec.Struct, frozen=True):
    """A case with what one line of a list shows of it."""

    case: Case
    author: str
    text: str
    storm: int


async def listing(
    session: AsyncSession,
    view: View,
    brand_ids: Sequence[int],
    member_id: int,
    now: datetime,
    limit: int = 100,
) -> list[Line]:
    """What a member sees of a view, the most pressing first; of a storm only the first open case."""
    wanted = select(Case, Author.handle).join(Author, Author.id == Case.author_id)
    wanted = wanted.where(Case.brand_id.in_(brand_ids), _of(view, member_id, now))
    wanted = _ordered(wanted, view).limit(limit)
    found = [(case, handle) for case, handle in await session.execute(wanted)]
    texts = await _last_texts(session, [case.id for case, _ in found])
    storms = await storm_sizes(session, [case.storm_id for case, _ in found if case.storm_id is not None])
    return [Line(case, handle, texts.get(case.id, ""), storms.get(case.storm_id or 0, 1)) for case, handle in found]


async def counts(session: AsyncSession, brand_ids: Sequence[int], member_id: int, now: datetime) -> dict[View, int]:
    """How many cases each view of what is open holds."""
    found: dict[View, int] = {}
    for view in ("queue", "mine", "late", "snoozed"):
        count = select(func.count(Case.id)).where(Case.brand_id.in_(brand_ids), _of(view, member_id, now))
        found[view] = await session.scalar(count) or 0
    return found


def _of(view: View, member_id: int, now: datetime) -> ColumnElement[bool]:
    if view == "queue":
        return and_(Case.state.in_(("waiting", "claimed", "answering")), first_of_storm())
    if view == "mine":
        return and_(Case.claimed_by == member_id, Case.state.in_(OPEN))
    if view == "late":
        late = and_(Case.first_answer_due <= now, Case.first_answered_at.is_(None))
        return and_(Case.state.in_(("waiting", "claimed")), late, first_of_storm())
    if view == "snoozed":
        return Case.state == "snoozed"
    return Case.state.in_(("answered", "dismissed"))


def _ordered(wanted: Select[Case, str], view: View) -> Select[Case, str]:
    if view == "snoozed":
        return wanted.order_by(Case.snoozed_until)
    return wanted.order_by(Case.ended_at.desc()) if view == "done" else wanted.order_by(Case.rank.desc())


def first_of_storm() -> ColumnElement[bool]:
    """The case belongs to no storm, or is the first of its that is open."""
    other = aliased(Case)
    first = (
        select(func.min(other.id))
        .where(other.storm_id == Case.storm_id, other.state.in_(OPEN))
        .correlate(Case)
        .scalar_subquery()
    )
    return or_(Case.storm_id.is_(None), Case.id == first)


async def storm_sizes(session: AsyncSession, storm_ids: Sequence[int]) -> dict[int, int]:
    """How many cases each storm has, answered ones too."""
    rows = await session.execute(
        select(Case.storm_id, func.count()).where(Case.storm_id.in_(storm_ids)).group_by(Case.storm_id)
    )
    return {storm: count for storm, count in rows if storm is not None}


async def _last_texts(session: AsyncSession, case_ids: Sequence[int]) -> dict[int, str]:
    last = (
        select(func.max(MentionBrand.mention_id))
        .where(MentionBrand.case_id.in_(case_ids))
        .group_by(MentionBrand.case_id)
    )
    rows = await session.execute(
        select(MentionBrand.case_id, Mention.text)
        .join(Mention, Mention.id == MentionBrand.mention_id)
        .where(MentionBrand.case_id.in_(case_ids), Mention.id.in_(last))
    )
    return {case_id: text for case_id, text in rows if case_id is not None}


async def same_storm(session: AsyncSession, case: Case, limit: int = 30) -> list[tuple[Case, str]]:
    """The other open cases that say the same, with their authors."""
    if case.storm_id is None:
        return []
    rows = await session.execute(
        select(Case, Author.handle)
        .join(Author, Author.id == Case.author_id)
        .where(Case.storm_id == case.storm_id, Case.id != case.id, Case.state.in_(OPEN))
        .order_by(Case.id)
        .limit(limit)
    )
    return [(other, handle) for other, handle in rows]


async def earlier_of_author(session: AsyncSession, case: Case, limit: int = 5) -> list[Case]:
    """What else this author had with this brand."""
    return list(
        await session.scalars(
            select(Case)
            .where(Case.author_id == case.author_id, Case.brand_id == case.brand_id, Case.id != case.id)
            .order_by(Case.id.desc())
            .limit(limit)
        )
    )


async def next_case(session: AsyncSession, brand_ids: Sequence[int]) -> int | None:
    """The most pressing case that nobody holds."""
    return await session.scalar(
        select(Case.id)
        .where(Case.brand_id.in_(brand_ids), Case.state == "waiting", first_of_storm())
        .order_by(Case.rank.desc())
        .limit(1)
    )


async def changed_since(session: AsyncSession, event_id: int) -> tuple[int, list[int]]:
    """The number of the last event, and the cases that had one after `event_id`."""
    rows = (await session.execute(select(CaseEvent.id, CaseEvent.case_id).where(CaseEvent.id > event_id))).all()
    return max([event_id, *(number for number, _ in rows)]), sorted({case_id for _, case_id in rows})


async def last_event(session: AsyncSession) -> int:
    return await session.scalar(select(func.max(CaseEvent.id))) or 0
