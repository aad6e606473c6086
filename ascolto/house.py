"""The house while it runs: the rows, the clock, and what is compiled from the catalogue. Steps are handed this."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from models.capabilities import Capabilities
from models.catalogue import Catalogue
from models.learned import Learned
from models.sentiment import Reader
from store.catalogue import Shown
from store.engine import Store
from triage.checks import Checker
from triage.explaining import Explainer
from triage.learning import Heads, overnight
from triage.matching import Matching
from triage.opinions import Opinions, Terms
from triage.proofreading import Proofreader
from triage.reading import Policy, Triage
from triage.spelling import Speller
from triage.turn import Turn


def utc_now() -> datetime:
    return datetime.now(UTC)


class House:
    """`now` can be handed in, so that a day can be played in a second. `owners` maps a connection to its brand's slug."""

    def __init__(
        self,
        path: Path,
        reader: Reader,
        *,
        now: Callable[[], datetime] = utc_now,
        executor: Executor | None = None,
        backfill_opens: timedelta = timedelta(hours=24),
        owners: Mapping[str, str] | None = None,
        second: Terms | None = None,
        speller: Speller | None = None,
        web: str = "",
    ) -> None:
        self.store = Store(path)
        self.web = web
        """The web desk's address where others reach it; empty where only this machine does."""
        self.now = now
        self.reader = reader
        self._executor = executor
        policy = Policy(backfill_opens=backfill_opens)
        self.opinions = Opinions(self.store, second) if second else None
        heads = Heads(reader.classifier.name)
        self.triage = Triage(self.store, reader, executor, policy, heads, self.opinions)
        self.explainer = Explainer(self.store, reader, executor)
        self.capabilities: dict[str, Capabilities] = {}
        found = {"misspelt": speller} if speller else {}
        self.checker = Checker(self.capabilities, reader.identifier.language, **found)
        self.proofreader: Proofreader | None = None
        self._owners = dict(owners or {})
        self._shown = Shown(self.store)
        self._matching: Matching | None = None

    async def catalogue(self) -> Catalogue:
        """Brands, queues, members and saved replies as they stand now."""
        return await self._shown.now()

    async def matching(self) -> Matching:
        """The queries, compiled; anew only when the catalogue has changed."""
        catalogue = await self.catalogue()
        if self._matching is None or self._matching.catalogue.version != catalogue.version:
            self._matching = Matching(catalogue, self.reader.identifier.language)
        return self._matching

    async def owner(self, connection: str) -> int | None:
        """The brand whose own channel a connection is."""
        slug = self._owners.get(connection)
        return (await self.catalogue()).brands.id_of(slug) if slug else None

    def hears_for(self, connection: str, brand: str) -> bool:
        """Whether what a connection hears may be a brand's: another's own channel is not."""
        return self._owners.get(connection, brand) == brand

    def turn(self, session: AsyncSession, catalogue: Catalogue) -> Turn:
        return Turn(session, catalogue, self.now(), self.checker)

    async def learn_overnight(self) -> list[Learned]:
        """What was tried, where it is night and there was something to learn from."""
        return await overnight(self.store, self.reader, await self.catalogue(), self.now(), self._executor)

    async def wait(self, seen: int, seconds: float, stopping: asyncio.Event) -> None:
        """Until somebody rings, the time is up, or the house is asked to stop."""
        bell = asyncio.ensure_future(self.store.doorbell.wait(seen, seconds))
        asked = asyncio.ensure_future(stopping.wait())
        await asyncio.wait({bell, asked}, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (bell, asked):
            waiting.cancel()

    async def close(self) -> None:
        await self.store.close()
