"""Digests that are due: written when a queue's hour has come, and placed in its chats."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from insights.digests import chart, digest
from insights.periods import Period, containing
from languages import translator
from models.configuration import Configuration, Queue
from models.tables.digest import Digest
from models.weekly_hours import clock_time
from store.failed_items import ItemFailed, isolated, record_failure, set_aside
from triage import card_placement
from triage.context import Context

STEP: Final = "digest"
TOO_LATE: Final = timedelta(hours=6)
"""A digest that could not be written for this long is not written any more."""


async def is_any_due(session: AsyncSession, configuration: Configuration, now: datetime) -> bool:
    """Whether `write_due` would write one."""
    return bool(await _missing(session, configuration, now))


async def write_due(context: Context) -> int:
    """Writes the due digests of all queues; returns how many."""
    missing = await _missing(context.session, context.configuration, context.now)
    for number, period in missing:
        try:
            with isolated():
                async with context.session.begin_nested():
                    await _write(context, number, period)
        except ItemFailed as failure:
            await record_failure(context.session, STEP, _item(number, period), failure.error, context.now)
    return len(missing)


async def _write(context: Context, number: int, period: Period) -> None:
    queue = context.configuration.queues[number]
    t = translator(queue.language)
    row = Digest(
        queue_id=number,
        period=period.kind,
        first_day=period.first.isoformat(),
        lines=tuple(await digest(context, queue, period, t)),
        chart=await chart(context, queue, period, t),
        created_at=context.now,
    )
    context.session.add(row)
    await context.session.flush()
    await card_placement.place(context, "digest", row.id, queue)


def _item(number: int, period: Period) -> str:
    return f"{number}:{period.kind}:{period.first.isoformat()}"


async def _missing(session: AsyncSession, configuration: Configuration, now: datetime) -> list[tuple[int, Period]]:
    """(queue, period) of the digests that are due and not written."""
    due = [(number, period) for number, queue in configuration.queues for period in _due_periods(queue, now)]
    if not due:
        return []
    first_days = {period.first.isoformat() for _, period in due}
    rows = await session.execute(
        select(Digest.queue_id, Digest.period, Digest.first_day).where(Digest.first_day.in_(first_days))
    )
    done = {f"{number}:{kind}:{day}" for number, kind, day in rows.all()} | await set_aside(session, STEP)
    return [(number, period) for number, period in due if _item(number, period) not in done]


def _due_periods(queue: Queue, now: datetime) -> list[Period]:
    """At the queue's digest time: yesterday, on Mondays the week before, on the first the month before.

    The longest last, so that it is the latest message in the chat; nothing for a queue without a chat.
    """
    local = now.astimezone(ZoneInfo(queue.zone))
    at = datetime.combine(local.date(), clock_time(queue.digest_at), local.tzinfo)
    if not (queue.chats or queue.digests) or not at <= local < at + TOO_LATE:
        return []
    periods = [Period("day", local.date() - timedelta(days=1), queue.zone)]
    if local.weekday() == 0:
        periods.append(containing("week", local.date(), queue.zone).before())
    if local.day == 1:
        periods.append(containing("month", local.date(), queue.zone).before())
    return periods
