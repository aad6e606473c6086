"""Loading the configuration, caching it, and applying changes to brands, queues, members and saved replies."""

from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.configuration import Configuration, ConfigurationFile
from models.configuration_checks import configuration_errors, duplicate_slugs
from models.errors import OperatorError
from models.tables.configuration import BrandRow, ConfigurationVersion, MemberRow, QueueRow, SavedReplyRow
from store.engine import CONFIGURATION_CHANGED, Store

_KINDS: tuple[tuple[str, str, Any], ...] = (
    ("brand", "brands", BrandRow),
    ("queue", "queues", QueueRow),
    ("member", "members", MemberRow),
    ("saved reply", "saved_replies", SavedReplyRow),
)
MAX_AGE: Final = 0.5
"""Seconds after which the cache looks whether another process has changed the configuration."""


class InvalidConfiguration(OperatorError):
    """Nothing was applied; `errors` are sentences, one for each fault."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__(
            "Nothing was applied:\n" + "\n".join(f"  · {error}" for error in errors), "Fix and apply again."
        )
        self.errors = errors


class Change(msgspec.Struct, frozen=True):
    kind: str
    slug: str
    change: Literal["new", "changed", "archived"]


class ConfigurationCache:
    """The configuration as last read. This process's changes are seen at once, other processes' within MAX_AGE."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: Configuration | None = None
        self._changes = -1
        self._read_at = 0.0

    async def current(self) -> Configuration:
        changes, now = self._store.configuration_changes, monotonic()
        if self._last is not None and self._changes == changes and now - self._read_at < MAX_AGE:
            return self._last
        async with self._store.reading() as session:
            if self._last is None or self._last.version != await _version(session):
                self._last = await load_configuration(session)
        self._changes, self._read_at = changes, now
        return self._last


async def load_configuration(session: AsyncSession) -> Configuration:
    specs = [
        {row.id: row.spec for row in (await session.scalars(select(table).order_by(table.id)))}
        for _, _, table in _KINDS
    ]
    return Configuration(await _version(session), *specs)


async def apply_changes(session: AsyncSession, file: ConfigurationFile, now: datetime) -> list[Change]:
    """Adds what is new and changes what differs; what the file does not contain stays. All or nothing: InvalidConfiguration."""
    current = (await load_configuration(session)).to_file()
    merged = ConfigurationFile(
        **{
            field: tuple({spec.slug: spec for spec in (*getattr(current, field), *getattr(file, field))}.values())
            for _, field, _ in _KINDS
        }
    )
    errors = [*duplicate_slugs(file), *configuration_errors(merged)]
    if errors:
        raise InvalidConfiguration(errors)
    changes: list[Change] = []
    for kind, field, table in _KINDS:
        changes += await _apply_kind(session, kind, table, getattr(file, field), now)
    if changes:
        await _increment_version(session)
        session.info[CONFIGURATION_CHANGED] = True
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
            archived = spec.archived and not row.spec.archived
            changes.append(Change(kind, spec.slug, "archived" if archived else "changed"))
            row.spec, row.changed_at = spec, now
    return changes


async def _version(session: AsyncSession) -> int:
    return await session.scalar(select(ConfigurationVersion.version)) or 0


async def _increment_version(session: AsyncSession) -> None:
    row = await session.get(ConfigurationVersion, 1)
    if row is None:
        session.add(ConfigurationVersion(id=1, version=1))
    else:
        row.version += 1
