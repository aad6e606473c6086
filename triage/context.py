"""The context of every decision: one transaction, the configuration and the time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from models.configuration import Brand, Configuration, Queue
from models.tables.case import Case, CaseEvent, EventDetail, EventKind


@dataclass(frozen=True)
class Context:
    session: AsyncSession
    configuration: Configuration
    now: datetime

    def brand(self, case: Case) -> Brand:
        return self.configuration.brands[case.brand_id]

    def queue(self, case: Case) -> Queue | None:
        return self.configuration.queues.get(case.queue_id)

    def record_event(
        self, case: Case, kind: EventKind, member: int | None = None, text: str = "", **detail: Any
    ) -> None:
        """Stores what happened to a case and increments its revision, so that every card of it is updated.

        `detail` are fields of EventDetail.
        """
        self.session.add(
            CaseEvent(
                case_id=case.id, at=self.now, kind=kind, member_id=member, text=text, detail=EventDetail(**detail)
            )
        )
        case.revision = case.revision + 1
