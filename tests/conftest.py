"""The test harness: a real database in a temporary folder, a brand, a queue, a few members, and a clock that is handed in."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import settings
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.capabilities import Capabilities
from models.configuration import (
    EMPTY,
    Brand,
    BrandQuery,
    Configuration,
    ConfigurationFile,
    Member,
    Queue,
    SavedReply,
    Topic,
)
from models.incoming import IncomingAuthor, IncomingPost
from models.sentiment import Reading
from models.tables.case import Case
from publishing.checks import Checker
from publishing.context import ReplyContext
from store.configuration import apply_changes, load_configuration
from store.engine import Store
from store.mentions import BrandMatch, MatchedPost, write_posts
from store.schema import prepare
from triage.classification import Classification

collect_ignore = [
    "ascolto/commands/test_export_for_spreadsheets.py",
    "desk/test_days_and_times.py",
    "desk/test_usual_events.py",
    "publishing/test_answered_mention.py",
    "publishing/test_lengths.py",
    "publishing/test_remarks.py",
    "responders/test_links_and_markdown.py",
    "security/test_approvals.py",
    "security/test_backups.py",
    "security/test_buttons.py",
    "security/test_connections.py",
    "security/test_deletion.py",
    "security/test_forms_and_feeds.py",
    "security/test_health.py",
    "security/test_lock.py",
    "security/test_permalinks.py",
    "security/test_secrets.py",
    "security/test_status.py",
    "security/test_streams.py",
    "security/test_supply_chain.py",
    "security/test_webhooks.py",
    "store/test_search_finds.py",
    "triage/schedule/test_two_spans.py",
    "web/test_days_and_times.py",
    "web/test_search_finds.py",
    "web/test_what_was_seen.py",
]
"""Written from the cases before what they test; each is taken in when all of it holds."""

T = TypeVar("T")

# The first example may load a model, and test machines are shared: no example fails because it is slow.
settings.register_profile("ascolto", deadline=None)
settings.load_profile("ascolto")

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday

CONFIGURATION = ConfigurationFile(
    brands=(
        Brand(
            slug="ferroviola",
            name="Ferroviola",
            queries=(BrandQuery(slug="name", text="ferroviola OR @ferroviola"),),
            topics=(
                Topic(slug="delay", text="ritard* OR intarzi* OR delay* OR soppress*"),
                Topic(slug="refund", text="rimbors* OR ramburs* OR refund*"),
            ),
            own_accounts={"square": ("ferroviola",)},
            link_domains=("ferroviola.example",),
            help_link="https://ferroviola.example/aiuto",
            publish={"square": "square"},
        ),
        Brand(slug="panegrano", name="Panegrano", queries=(BrandQuery(slug="name", text="panegrano"),)),
    ),
    queues=(
        Queue(
            slug="trains",
            name="Trains",
            brands=("ferroviola",),
            first_answer_minutes=60,
            escalation_minutes=30,
            team=("ana", "bruno", "lidia"),
            escalation=("ana", "lidia"),
        ),
        Queue(slug="trains-ro", name="Trains, Romanian", brands=("ferroviola",), languages=("ro",), team=("ana",)),
    ),
    members=(
        Member(slug="ana", name="Ana", identities={"telegram": "11"}),
        Member(slug="bruno", name="Bruno", language="it", identities={"telegram": "12"}),
        Member(slug="lidia", name="Lidia", role="lead"),
        Member(slug="piero", name="Piero", brands=("panegrano",)),
    ),
    saved_replies=(
        SavedReply(
            code="delay",
            brand="ferroviola",
            language="it",
            topics=("delay",),
            intents=("complaint",),
            text="{{ author }} ci scusiamo per il ritardo. Qui trova lo stato dei treni: {{ link }}",
        ),
        SavedReply(code="thanks", brand="ferroviola", language="it", intents=("praise",), text="{{ author }} grazie!"),
    ),
)


def needed(module: str, reason: str) -> Any:
    """A module that some tests need: they are skipped where it is missing, and fail where ASCOLTO_REQUIRED names it."""
    if module in os.environ.get("ASCOLTO_REQUIRED", "").split(","):
        return import_module(module)
    return pytest.importorskip(module, reason=reason)


class MarkReader:
    """Reads the mark in a text: (-) is negative, (+) positive, none neutral."""

    def read(self, texts: Sequence[str], tags: Sequence[str | None], *_: object) -> list[Reading]:
        return [_marked(text, tag or "it") for text, tag in zip(texts, tags, strict=True)]


def _marked(text: str, language: str) -> Reading:
    label = "negative" if "(-)" in text else "positive" if "(+)" in text else "neutral"
    probabilities = {name: 0.9 if name == label else 0.05 for name in ("negative", "neutral", "positive")}
    return Reading(language=language, sentiment=label, **probabilities)


class Harness:
    """What most tests need: a store with a configuration, and shortcuts to act on it."""

    def __init__(self, store: Store, configuration: Configuration) -> None:
        self.store = store
        self.configuration = configuration
        self.now = NOW
        self.checker = Checker(capabilities={"square": Capabilities(max_length=300)})
        self.classification = Classification(store, MarkReader())
        self._posts = 0

    def advance(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now

    def context(self, session: AsyncSession) -> ReplyContext:
        return ReplyContext(session, self.configuration, self.now, self.checker)

    def member(self, slug: str) -> int:
        number = self.configuration.members.id_of(slug)
        assert number is not None
        return number

    def brand(self, slug: str = "ferroviola") -> int:
        number = self.configuration.brands.id_of(slug)
        assert number is not None
        return number

    def post(self, text: str, author: str = "rita", **fields) -> IncomingPost:
        self._posts += 1
        defaults = {
            "platform": "square",
            "native_id": f"p{self._posts}",
            "url": f"http://square.example/posts/p{self._posts}",
            "author": IncomingAuthor(handle=author, followers=fields.pop("followers", None)),
            "text": text,
            "created_at": self.now,
        }
        return IncomingPost(**{**defaults, **fields})

    async def receive(self, *posts: IncomingPost, brand: str = "ferroviola", query: str = "name") -> None:
        match = BrandMatch(brand_id=self.brand(brand), matched_by="query", query=query, words=brand)
        matched = [MatchedPost(post, (match,)) for post in posts]
        async with self.store.writing() as session:
            await write_posts(session, "square", matched, self.now)

    async def analyze(self) -> int:
        """Analyzes all new mentions."""
        total = 0
        while count := await self.classification.analyze_batch(self.configuration, self.now):
            total += count
        return total

    async def case(self, text: str = "Ferroviola in ritardo (-)", author: str = "rita", **fields) -> Case:
        """The case that a post opens when it is received and analyzed."""
        await self.receive(self.post(text, author, **fields))
        await self.analyze()
        cases = await self.cases()
        assert cases
        return cases[-1]

    async def cases(self) -> list[Case]:
        async with self.store.reading() as session:
            return list(await session.scalars(select(Case).order_by(Case.id)))

    async def do(self, action: Callable[..., Awaitable[T]], *arguments: object, **named: object) -> T:
        """Runs an action in a transaction of its own."""
        async with self.store.writing() as session:
            return await action(self.context(session), *arguments, **named)

    async def get(self, table: type[T], key: object) -> T:
        async with self.store.reading() as session:
            return await session.get_one(table, key)

    async def all(self, table: type[T], *where: object) -> list[T]:
        async with self.store.reading() as session:
            return list(await session.scalars(select(table).where(*where).order_by(table.id)))

    async def apply(self, file: ConfigurationFile) -> None:
        async with self.store.writing() as session:
            await apply_changes(session, file, self.now)
        async with self.store.reading() as session:
            self.configuration = await load_configuration(session)

    async def change_queue(self, slug: str, **fields) -> None:
        number = self.configuration.queues.id_of(slug)
        assert number is not None
        queue = msgspec.structs.replace(self.configuration.queues[number], **fields)
        await self.apply(ConfigurationFile(queues=(queue,)))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, created once and copied for each test."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    prepare(path)
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "ascolto.db"
    path.write_bytes(empty_database.read_bytes())
    yield path


@pytest.fixture
async def store(database: Path) -> AsyncIterator[Store]:
    store = Store(database)
    yield store
    await store.close()


@pytest.fixture
async def harness(store: Store) -> Harness:
    harness = Harness(store, EMPTY)
    await harness.apply(CONFIGURATION)
    return harness
