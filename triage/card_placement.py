"""Which chats show which cards: one row for each chat that shows a case, an alert, a digest or a handover."""

from sqlalchemy import select

from models.configuration import Queue
from models.tables.card_placement import CardPlacement, Subject
from models.tables.case import OPEN, Case
from store.engine import insert
from triage.context import Context


async def place(context: Context, subject: Subject, subject_id: int, queue: Queue | None) -> None:
    """Places a card in every chat of the queue, keeping existing placements.

    A digest also goes to the queue's digest addresses; a handover only to those who answer by direct contact.
    """
    if queue is None:
        return
    chats = queue.direct_contact if subject == "handover" else queue.chats
    if subject == "digest":
        chats = (*chats, *queue.digests)
    rows = [
        {
            "subject": subject,
            "subject_id": subject_id,
            "desk": chat.desk,
            "chat": chat.chat,
            "shown_revision": 0,
            "tries": 0,
        }
        for chat in chats
    ]
    if rows:
        await context.session.execute(insert(context.session, CardPlacement).on_conflict_do_nothing(), rows)


async def place_case(context: Context, case: Case) -> None:
    """Of a duplicate group only the first open case has a card; when it ends, the next takes its place."""
    first = await first_of_group(context, case)
    if first is not None:
        await place(context, "case", first.id, context.queue(first))


async def first_of_group(context: Context, case: Case) -> Case | None:
    """The first open case of a duplicate group; the case itself where it has none."""
    if case.duplicate_group_id is None:
        return case
    return await context.session.scalar(
        select(Case)
        .where(Case.duplicate_group_id == case.duplicate_group_id, Case.state.in_(OPEN))
        .order_by(Case.id)
        .limit(1)
    )
