"""Items that a step could not process. After three tries one is set aside: shown on the status page, retried by hand.

What is wrong with everything (the database, a connection) is no item's fault and is raised.
"""

import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, String, cast, delete, literal, or_, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import EdgeError, OperatorError, Unavailable
from models.tables.action import QueuedAction
from models.tables.card_placement import CardPlacement
from models.tables.failed_item import FailedItem
from store.engine import Store, insert

MAX_TRIES: Final = 3
ACTION_ON: Final = "action on "
CARD_ON: Final = "card on "
MENTION_STEPS: Final = ("analysis", "explanation", "context")
SHARED_ERRORS: Final = (EdgeError, OperatorError, OperationalError, InterfaceError, MemoryError)
"""Errors of the database or of a connection, which all items share."""
_ROOT: Final = Path(__file__).parent.parent
log = structlog.get_logger("ascolto")


class ItemFailed(Exception):
    """One item cannot be processed; `error` is why."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def isolated() -> Iterator[None]:
    """Raises ItemFailed for whatever is wrong with one item, and as it is what is wrong with everything."""
    try:
        yield
    except (*SHARED_ERRORS, ItemFailed):
        raise
    except Exception as error:
        raise ItemFailed(error) from error


async def process_each(
    store: Store, step: str, now: datetime, work: Sequence[tuple[str, Callable[[], Awaitable[object]]]]
) -> int:
    """Works on each (item, work); one that fails stops no other. Returns how many there were.

    Where a connection is unavailable for one item and available for another, that is the item's fault too.
    """
    unavailable: list[tuple[str, Exception]] = []
    failed: list[tuple[str, Exception]] = []
    succeeded = 0
    for item, process in work:
        try:
            with isolated():
                await process()
            succeeded += 1
        except Unavailable as error:
            unavailable.append((item, error))
            if not succeeded and len(unavailable) > 1:
                break
        except ItemFailed as failure:
            failed.append((item, failure.error))
    if failed or (unavailable and succeeded):
        async with store.writing(notify=False) as session:
            for item, cause in (*failed, *(unavailable if succeeded else ())):
                await record_failure(session, step, item, cause, now)
    if unavailable and not succeeded:
        raise unavailable[0][1]
    return len(work)


async def record_failure(
    session: AsyncSession, step: str, item: str, error: Exception, now: datetime, *, tries: int = 1
) -> bool:
    """Counts a try, or as many as `tries`; returns whether the item is set aside now."""
    log.error("item failed", step=step, item=item, exc_info=error)
    values = {"error": describe(error), "failed_at": now}
    statement = insert(session, FailedItem).values(step=step, item=item, tries=tries, **values)
    counted = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=["step", "item"], set_={"tries": FailedItem.tries + tries, **values}
        ).returning(FailedItem.tries)
    )
    return (counted or 0) >= MAX_TRIES


def describe(error: Exception) -> str:
    """`ValueError in triage/priority.py:34`; its words may be somebody else's."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _ROOT in Path(frame.filename).parents and ".venv" not in frame.filename]
    if isinstance(error, EdgeError):
        return f"{type(error).__name__}: {error}"[:300]
    place = f" in {Path(ours[-1].filename).relative_to(_ROOT)}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}"


def not_set_aside(step: str, *key: Any) -> ColumnElement[bool]:
    """A condition that leaves out items set aside; `key` are the columns that make an item's name, joined by colons."""
    name: ColumnElement[str] = cast(key[0], String)
    for column in key[1:]:
        name = name + literal(":") + cast(column, String)
    aside = select(FailedItem.id).where(FailedItem.step == step, FailedItem.item == name, FailedItem.tries >= MAX_TRIES)
    return ~aside.exists()


async def set_aside(session: AsyncSession, step: str) -> set[str]:
    rows = await session.scalars(select(FailedItem.item).where(FailedItem.step == step, FailedItem.tries >= MAX_TRIES))
    return set(rows)


async def list_set_aside(session: AsyncSession, limit: int = 100) -> list[FailedItem]:
    """The latest first."""
    rows = select(FailedItem).where(FailedItem.tries >= MAX_TRIES).order_by(FailedItem.failed_at.desc()).limit(limit)
    return list(await session.scalars(rows))


async def retry(session: AsyncSession, item_id: int) -> None:
    """Gives an item another three tries."""
    item = await session.get(FailedItem, item_id)
    if item is None:
        return
    if item.step.startswith(ACTION_ON):
        again = update(QueuedAction).where(QueuedAction.id == int(item.item))
        await session.execute(again.values(performed_at=None, outcome=None))
    if item.step.startswith(CARD_ON):
        again = update(CardPlacement).where(CardPlacement.id == int(item.item))
        await session.execute(again.values(next_try_at=None))
    await session.delete(item)


async def forget_mention(session: AsyncSession, mention_id: int) -> None:
    """A mention that was deleted is not tried again."""
    name = str(mention_id)
    await session.execute(
        delete(FailedItem).where(
            FailedItem.step.in_(MENTION_STEPS), or_(FailedItem.item == name, FailedItem.item.startswith(f"{name}:"))
        )
    )
