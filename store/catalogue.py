"""Loading the catalogue, and applying a file of brands, queues, members and saved replies to it."""

from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.catalogue import (
    BrandRow,
    Catalogue,
    CatalogueVersion,
    Contents,
    MemberRow,
    QueueRow,
    SavedReplyRow,
    doubles,
    problems,
)
from models.errors import OperatorError
from store.engine import CATALOGUE, Store

_KINDS: tuple[tuple[str, str, Any], ...] = (
    ("brand", "brands", BrandRow),
    ("queue", "queues", QueueRow),
    ("member", "members", MemberRow),
    ("saved reply", "saved_replies", SavedReplyRow),
)


LOOK: Final = 0.5
"""Seconds."""


class Change(msgspec.Struct, frozen=True):
    kind: str
    slug: str
    what: str
    """new, changed or archived."""


class Shown:
    """The catalogue as last read. What this process changes is seen at once, what another changes within LOOK seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: Catalogue | None = None
        self._changes = -1
        self._looked = 0.0

    async def now(self) -> Catalogue:
        changes, clock = self._store.catalogue_changes, monotonic()
        if self._last is not None and self._changes == changes and clock - self._looked < LOOK:
            return self._last
        async with self._store.reading() as session:
            if self._last is None or self._last.version != await _version(session):
                self._last = await load(session)
        self._changes, self._looked = changes, clock
        return self._last


async def load(session: AsyncSession) -> Catalogue:
    shelves = [
        {row.id: row.spec for row in (await session.scalars(select(table).order_by(table.id)))}
        for _, _, table in _KINDS
    ]
    return Catalogue(await _version(session), *shelves)


async def apply(session: AsyncSession, contents: Contents, now: datetime) -> list[Change]:
    """Adds what is new and changes what differs; what the file does not name stays. Validated whole, so all or nothing."""
    known = (await load(session)).contents()
    together = Contents(
        **{
            field: tuple({s.slug: s for s in (*getattr(known, field), *getattr(contents, field))}.values())
            for _, field, _ in _KINDS
        }
    )
    wrong = [*doubles(contents), *problems(together)]
    if wrong:
        raise OperatorError(
            "Nothing was applied:\n" + "\n".join(f"  · {line}" for line in wrong), "Mend these and apply again."
        )
    changes: list[Change] = []
    for kind, field, table in _KINDS:
        changes += await _apply_kind(session, kind, table, getattr(contents, field), now)
    if changes:
        await _bump(session)
        session.info[CATALOGUE] = True
    return changes


async def _apply_kind(
    session: AsyncSession, kind: str, table: Any, specs: Sequence[Any], now: datetime
) -> list[Change]:
    rows = {row.slug: row for row in (await session.scalars(select(table))).all()}
    changes = []
    for spec in specs:
        row = rows.get(spec.slug)
        if row is None:
            session.add(table(slug=spec.slug, spec=spec, changed_at=now))
            changes.append(Change(kind, spec.slug, "new"))
        elif row.spec != spec:
            changes.append(
                Change(kind, spec.slug, "archived" if spec.archived and not row.spec.archived else "changed")
            )
            row.spec, row.changed_at = spec, now
    return changes


async def _version(session: AsyncSession) -> int:
    return await session.scalar(select(CatalogueVersion.version)) or 0


async def _bump(session: AsyncSession) -> None:
    row = await session.get(CatalogueVersion, 1)
    if row is None:
        session.add(CatalogueVersion(id=1, version=1))
    else:
        row.version += 1
