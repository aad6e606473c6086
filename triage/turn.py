"""One turn: a transaction, the catalogue as it stands, the time and the checks, handed together to whatever decides something."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from models.case import Case, CaseEvent, EventKind
from models.catalogue import Brand, Catalogue, Queue
from triage.checks import Checker


@dataclass(frozen=True)
class Turn:
    session: AsyncSession
    catalogue: Catalogue
    now: datetime
    checker: Checker = field(default_factory=Checker)

    def brand(self, case: Case) -> Brand:
        return self.catalogue.brands[case.brand_id]

    def queue(self, case: Case) -> Queue | None:
        return self.catalogue.queues.get(case.queue_id)

    def note(self, case: Case, kind: EventKind, member: int | None = None, text: str = "", **detail: str) -> None:
        """Writes down what happened to a case and counts its revision up, so that every card of it is drawn again."""
        self.session.add(CaseEvent(case_id=case.id, at=self.now, kind=kind, member_id=member, text=text, detail=detail))
        case.revision = case.revision + 1
