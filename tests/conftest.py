"""A house for tests: a real database in a temporary folder, a brand, a queue, a few members, and time in hand."""

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
from models.case import Case
from models.catalogue import Brand, BrandQuery, Catalogue, Contents, Member, Queue, SavedReply, Topic
from models.post import Post, PostAuthor
from models.sentiment import Reading
from store import catalogue as catalogues
from store.engine import Store
from store.mentions import Concern, Kept, write_posts
from store.schema import prepare
from triage.checks import Checker
from triage.reading import Triage
from triage.turn import Turn

T = TypeVar("T")

# The first example may load a model, and these machines are shared: no example is judged by its time.
settings.register_profile("ascolto", deadline=None)
settings.load_profile("ascolto")

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday

CONTENTS = Contents(
    brands=(
        Brand(
            slug="ferroviola",
            name="Ferroviola",
            queries=(BrandQuery(slug="name", text="ferroviola OR @ferroviola"),),
            topics=(
                Topic(slug="delay", text="ritard* OR intarzi* OR delay* OR soppress*"),
                Topic(slug="refund", text="rimbors* OR ramburs* OR refund*"),
            ),
            own={"square": ("ferroviola",)},
            links=("ferroviola.example",),
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
            step_minutes=30,
            team=("ana", "bruno", "lidia"),
            chain=("ana", "lidia"),
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
    """A module that some tests need: skipped aloud where it is missing, failed where ASCOLTO_REQUIRED names it."""
    if module in os.environ.get("ASCOLTO_REQUIRED", "").split(","):
        return import_module(module)
    return pytest.importorskip(module, reason=reason)


class MarkReader:
    """Reads what a test wrote at the end of a text: (-) is negative, (+) positive, nothing neutral."""

    def read(self, texts: Sequence[str], tags: Sequence[str | None], *_: object) -> list[Reading]:
        return [_marked(text, tag or "it") for text, tag in zip(texts, tags, strict=True)]


def _marked(text: str, language: str) -> Reading:
    label = "negative" if "(-)" in text else "positive" if "(+)" in text else "neutral"
    shares = {name: 0.9 if name == label else 0.05 for name in ("negative", "neutral", "positive")}
    return Reading(language=language, sentiment=label, **shares)


class House:
    """What most tests of triage need at hand."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self.store = store
        self.catalogue = catalogue
        self.now = NOW
        self.checker = Checker(capabilities={"square": Capabilities(reply=True, longest=300, find=True)})
        self.triage = Triage(store, MarkReader())
        self._posts = 0

    def later(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now

    def turn(self, session: AsyncSession) -> Turn:
        return Turn(session, self.catalogue, self.now, self.checker)

    def member(self, slug: str) -> int:
        number = self.catalogue.members.id_of(slug)
        assert number is not None
        return number

    def brand(self, slug: str = "ferroviola") -> int:
        number = self.catalogue.brands.id_of(slug)
        assert number is not None
        return number

    def post(self, text: str, author: str = "rita", **fields) -> Post:
        self._posts += 1
        known = {
            "platform": "square",
            "native_id": f"p{self._posts}",
            "url": f"http://square.example/posts/p{self._posts}",
            "author": PostAuthor(handle=author, followers=fields.pop("followers", None)),
            "text": text,
            "created_at": self.now,
        }
        return Post(**{**known, **fields})

    async def hear(self, *posts: Post, brand: str = "ferroviola", query: str = "name") -> None:
        kept = [Kept(post, (Concern(self.brand(brand), query, brand),)) for post in posts]
        async with self.store.writing() as session:
            await write_posts(session, "square", kept, self.now)

    async def read(self) -> int:
        """Triage reads all that is unread."""
        total = 0
        while count := await self.triage.read_batch(self.catalogue, self.now):
            total += count
        return total

    async def case(self, text: str = "Ferroviola in ritardo (-)", author: str = "rita", **fields) -> Case:
        """Hears one post, reads it, and gives the case that it opened."""
        await self.hear(self.post(text, author, **fields))
        await self.read()
        cases = await self.cases()
        assert cases
        return cases[-1]

    async def cases(self) -> list[Case]:
        async with self.store.reading() as session:
            return list(await session.scalars(select(Case).order_by(Case.id)))

    async def do(self, action: Callable[..., Awaitable[T]], *arguments: object, **named: object) -> T:
        """One action in one turn."""
        async with self.store.writing() as session:
            return await action(self.turn(session), *arguments, **named)

    async def get(self, table: type[T], key: object) -> T:
        async with self.store.reading() as session:
            return await session.get_one(table, key)

    async def all(self, table: type[T], *where: object) -> list[T]:
        async with self.store.reading() as session:
            return list(await session.scalars(select(table).where(*where).order_by(table.id)))

    async def apply(self, contents: Contents) -> None:
        async with self.store.writing() as session:
            await catalogues.apply(session, contents, self.now)
        async with self.store.reading() as session:
            self.catalogue = await catalogues.load(session)

    async def change_queue(self, slug: str, **fields) -> None:
        number = self.catalogue.queues.id_of(slug)
        assert number is not None
        queue = msgspec.structs.replace(self.catalogue.queues[number], **fields)
        await self.apply(Contents(queues=(queue,)))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database at the newest migration, made once and copied for each test."""
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
async def house(store: Store) -> House:
    house = House(store, Catalogue(0, {}, {}, {}, {}))
    await house.apply(CONTENTS)
    return house
