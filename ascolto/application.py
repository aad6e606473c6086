"""The running program: the store, the clock, and what is compiled from the configuration. Workers are handed this."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from analysis.brand_matching import BrandMatcher
from analysis.explanations import Explainer
from analysis.second_opinion import SecondOpinions, Terms
from analysis.training import ActiveHeads, train_overnight
from models.capabilities import Capabilities
from models.configuration import Configuration
from models.sentiment import Reader
from models.tables.training_run import TrainingRun
from publishing.checks import Checker
from publishing.context import ReplyContext
from publishing.grammar import GrammarChecker
from publishing.spelling import SpellChecker
from store.configuration import ConfigurationCache
from store.engine import Store
from triage.classification import Classification, Policy


def utc_now() -> datetime:
    return datetime.now(UTC)


class Application:
    """`now` can be handed in, so that a day can be played in a second. `owners` maps a connection to its brand's slug."""

    def __init__(
        self,
        path: Path,
        reader: Reader,
        *,
        now: Callable[[], datetime] = utc_now,
        executor: Executor | None = None,
        backfill_max_age: timedelta = timedelta(hours=24),
        owners: Mapping[str, str] | None = None,
        second_opinion: Terms | None = None,
        spelling: SpellChecker | None = None,
        web: str = "",
    ) -> None:
        self.store = Store(path)
        self.web = web
        """The web desk's address where others reach it; empty where only this machine does."""
        self.now = now
        self.monotonic = time.monotonic if now is utc_now else None
        """The second clock by which approved replies wait; None where the time is handed in."""
        self.reader = reader
        self._executor = executor
        policy = Policy(backfill_max_age=backfill_max_age)
        self.second_opinions = SecondOpinions(self.store, second_opinion) if second_opinion else None
        heads = ActiveHeads(reader.classifier.name)
        self.classification = Classification(self.store, reader, executor, policy, heads, self.second_opinions)
        self.explainer = Explainer(self.store, reader, executor)
        self.capabilities: dict[str, Capabilities] = {}
        optional = {"misspelled": spelling} if spelling else {}
        self.checker = Checker(self.capabilities, reader.identifier.language, **optional)
        self.grammar: GrammarChecker | None = None
        self._owners = dict(owners or {})
        self._configuration = ConfigurationCache(self.store)
        self._matcher: BrandMatcher | None = None

    async def configuration(self) -> Configuration:
        """Brands, queues, members and saved replies as they are now."""
        return await self._configuration.current()

    async def matcher(self) -> BrandMatcher:
        """The compiled queries; compiled again only when the configuration has changed."""
        configuration = await self.configuration()
        if self._matcher is None or self._matcher.configuration.version != configuration.version:
            self._matcher = BrandMatcher(configuration, self.reader.identifier.language)
        return self._matcher

    async def owner(self, connection: str) -> int | None:
        """The brand whose own channel a connection is."""
        slug = self._owners.get(connection)
        return (await self.configuration()).brands.id_of(slug) if slug else None

    def may_concern(self, connection: str, brand: str) -> bool:
        """Whether posts of a connection may concern a brand: those in another brand's own channel may not."""
        return self._owners.get(connection, brand) == brand

    def context(self, session: AsyncSession, configuration: Configuration) -> ReplyContext:
        return ReplyContext(session, configuration, self.now(), self.checker)

    async def train_overnight(self) -> list[TrainingRun]:
        """The runs that were made, if it is night and there was something to learn from."""
        return await train_overnight(self.store, self.reader, await self.configuration(), self.now(), self._executor)

    async def wait_for_change(self, seen: int, seconds: float, stopping: asyncio.Event) -> None:
        """Until something changed since version `seen`, the time is up, or the program is asked to stop."""
        change = asyncio.ensure_future(self.store.notifier.wait(seen, seconds))
        stop = asyncio.ensure_future(stopping.wait())
        await asyncio.wait({change, stop}, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (change, stop):
            waiting.cancel()

    async def close(self) -> None:
        await self.store.close()
