"""Where cards stand: one row for each chat that shows a case, an alert or a digest."""

from sqlalchemy import select

from models.case import OPEN, Case
from models.catalogue import Queue
from models.desk import CardPost, Subject
from store.sql import insert
from triage.turn import Turn


async def place(turn: Turn, subject: Subject, subject_id: int, queue: Queue | None) -> None:
    """In every home chat of the queue, and a digest also where it alone goes; what stands there already stays.

    What is handed to somebody who answers in person goes to them alone.
    """
    if queue is None:
        return
    chats = queue.in_person if subject == "handed" else (*queue.chats, *(queue.digests if subject == "digest" else ()))
    rows = [
        {"subject": subject, "subject_id": subject_id, "desk": chat.desk, "chat": chat.chat, "shown": 0, "tries": 0}
        for chat in chats
    ]
    if rows:
        await turn.session.execute(insert(turn.session, CardPost).on_conflict_do_nothing(), rows)


async def place_case(turn: Turn, case: Case) -> None:
    """Of a storm only the first open case stands on the desks; the next takes its place when it ends."""
    first = await first_of_storm(turn, case)
    if first is not None:
        await place(turn, "case", first.id, turn.queue(first))


async def first_of_storm(turn: Turn, case: Case) -> Case | None:
    """The case that stands for a storm: its first open one; the case itself where there is no storm."""
    if case.storm_id is None:
        return case
    return await turn.session.scalar(
        select(Case).where(Case.storm_id == case.storm_id, Case.state.in_(OPEN)).order_by(Case.id).limit(1)
    )
