"""Lists of cases, as an inbox shows them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models.tables.case import OPEN, Case, CaseEvent
from models.tables.mention import Author, AuthorMute, Mention, MentionBrand

InboxView = Literal["queue", "mine", "overdue", "snoozed", "done"]
VIEWS: tuple[InboxView, ...] = get_args(InboxView)


class CaseSummary(msgspec.Struct, frozen=True):
    """A case with what one line of a list shows of it; `group` is the size of its duplicate group."""

    case: Case
    author: str
    text: str
    group: int
    key: str = ""
    """Where it stands in its view: the next page begins after it."""


PAGE: Final = 100
MAX_ROWS: Final = 3_000
"""Rows of a list that was opened page by page, when it is refreshed."""


async def list_cases(
    session: AsyncSession,
    view: InboxView,
    brand_ids: Sequence[int],
    member_id: int,
    now: datetime,
    limit: int = PAGE,
    *,
    after: str = "",
    until: str = "",
) -> list[CaseSummary]:
    """The cases of a view, most urgent first; of a duplicate group only the first open one.

    `after` and `until` are keys of cases: those behind the one, and all up to the other.
    """
    statement = select(Case, Author.handle).join(Author, Author.id == Case.author_id)
    statement = statement.where(Case.brand_id.in_(brand_ids), _in_view(view, member_id, now))
    if position := _position(after):
        statement = statement.where(_behind(view, position))
    if position := _position(until):
        statement, limit = statement.where(~_behind(view, position)), MAX_ROWS
    statement = _ordered(statement, view).limit(limit)
    rows = [(case, handle) for case, handle in await session.execute(statement)]
    texts = await _latest_texts(session, [case.id for case, _ in rows])
    sizes = await group_sizes(
        session, [case.duplicate_group_id for case, _ in rows if case.duplicate_group_id is not None]
    )
    return [
        CaseSummary(case, handle, texts.get(case.id, ""), sizes.get(case.duplicate_group_id or 0, 1), _key(view, case))
        for case, handle in rows
    ]


async def counts(
    session: AsyncSession, brand_ids: Sequence[int], member_id: int, now: datetime
) -> dict[InboxView, int]:
    """How many cases each view of open cases holds."""
    sizes: dict[InboxView, int] = {}
    for view in ("queue", "mine", "overdue", "snoozed"):
        count = select(func.count(Case.id)).where(Case.brand_id.in_(brand_ids), _in_view(view, member_id, now))
        sizes[view] = await session.scalar(count) or 0
    return sizes


def _in_view(view: InboxView, member_id: int, now: datetime) -> ColumnElement[bool]:
    if view == "queue":
        return and_(Case.state.in_(("waiting", "claimed", "publishing")), is_first_of_group())
    if view == "mine":
        return and_(Case.claimed_by == member_id, Case.state.in_(OPEN))
    if view == "overdue":
        late = and_(Case.first_answer_due <= now, Case.first_answered_at.is_(None))
        return and_(Case.state.in_(("waiting", "claimed")), late, is_first_of_group())
    if view == "snoozed":
        return Case.state == "snoozed"
    return Case.state.in_(("answered", "dismissed"))


def _ordered(statement: Select[Case, str], view: InboxView) -> Select[Case, str]:
    column = _column(view)
    return statement.order_by(column if view == "snoozed" else column.desc(), Case.id.desc())


def _column(view: InboxView) -> Any:
    return {"snoozed": Case.snoozed_until, "done": Case.ended_at}.get(view, Case.rank)


def _key(view: InboxView, case: Case) -> str:
    value = {"snoozed": case.snoozed_until, "done": case.ended_at}.get(view, case.rank)
    return f"{value.timestamp() if isinstance(value, datetime) else value!r}_{case.id}"


def _position(key: str) -> tuple[float, int] | None:
    value, _, number = key[:60].partition("_")
    try:
        return float(value), int(number)
    except ValueError:
        return None


def _behind(view: InboxView, position: tuple[float, int]) -> ColumnElement[bool]:
    """The cases behind a position, in the order of the view."""
    column, (number, case_id) = _column(view), position
    value = datetime.fromtimestamp(number, UTC) if view in ("snoozed", "done") else number
    beyond = column > value if view == "snoozed" else column < value
    return or_(beyond, and_(column == value, Case.id < case_id))


def is_first_of_group() -> ColumnElement[bool]:
    """The case is in no duplicate group, or is the first open one of its group."""
    other = aliased(Case)
    first = (
        select(func.min(other.id))
        .where(other.duplicate_group_id == Case.duplicate_group_id, other.state.in_(OPEN))
        .correlate(Case)
        .scalar_subquery()
    )
    return or_(Case.duplicate_group_id.is_(None), Case.id == first)


async def group_sizes(session: AsyncSession, group_ids: Sequence[int]) -> dict[int, int]:
    """How many cases each duplicate group has, ended ones too."""
    rows = await session.execute(
        select(Case.duplicate_group_id, func.count())
        .where(Case.duplicate_group_id.in_(group_ids))
        .group_by(Case.duplicate_group_id)
    )
    return {group: count for group, count in rows if group is not None}


async def _latest_texts(session: AsyncSession, case_ids: Sequence[int]) -> dict[int, str]:
    latest = (
        select(func.max(MentionBrand.mention_id))
        .where(MentionBrand.case_id.in_(case_ids))
        .group_by(MentionBrand.case_id)
    )
    rows = await session.execute(
        select(MentionBrand.case_id, Mention.text)
        .join(Mention, Mention.id == MentionBrand.mention_id)
        .where(MentionBrand.case_id.in_(case_ids), Mention.id.in_(latest))
    )
    return {case_id: text for case_id, text in rows if case_id is not None}


async def other_open_cases_of_group(session: AsyncSession, case: Case, limit: int = 30) -> list[tuple[Case, str]]:
    """With their authors' handles."""
    if case.duplicate_group_id is None:
        return []
    rows = await session.execute(
        select(Case, Author.handle)
        .join(Author, Author.id == Case.author_id)
        .where(Case.duplicate_group_id == case.duplicate_group_id, Case.id != case.id, Case.state.in_(OPEN))
        .order_by(Case.id)
        .limit(limit)
    )
    return [(other, handle) for other, handle in rows]


async def other_cases_of_author(session: AsyncSession, case: Case, limit: int = 5) -> list[Case]:
    """The author's other cases with this brand, newest first."""
    return list(
        await session.scalars(
            select(Case)
            .where(Case.author_id == case.author_id, Case.brand_id == case.brand_id, Case.id != case.id)
            .order_by(Case.id.desc())
            .limit(limit)
        )
    )


async def is_author_muted(session: AsyncSession, case: Case) -> bool:
    return await session.get(AuthorMute, (case.brand_id, case.author_id)) is not None


async def next_case(session: AsyncSession, brand_ids: Sequence[int]) -> int | None:
    """The most urgent unclaimed case."""
    return await session.scalar(
        select(Case.id)
        .where(Case.brand_id.in_(brand_ids), Case.state == "waiting", is_first_of_group())
        .order_by(Case.rank.desc())
        .limit(1)
    )


async def changed_since(session: AsyncSession, event_id: int) -> tuple[int, list[tuple[int, int]]]:
    """The id of the last event, and (case, brand) of the cases that had one after `event_id`."""
    last = await last_event(session)
    rows = await session.execute(
        select(Case.id, Case.brand_id)
        .where(Case.id.in_(select(CaseEvent.case_id).where(CaseEvent.id > event_id)))
        .order_by(Case.id)
    )
    return max(event_id, last), [(case_id, brand_id) for case_id, brand_id in rows]


async def last_event(session: AsyncSession) -> int:
    return await session.scalar(select(func.max(CaseEvent.id))) or 0
