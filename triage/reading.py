"""Unread mentions, in batches: read, weighed, and put into cases, in one transaction a batch."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

import msgspec
from sqlalchemy import Select, select

from models.catalogue import Catalogue
from models.mention import Author, Mention, MentionBrand
from models.query import Matcher, Subject, parse
from store.engine import Store
from triage import cases, cues
from triage.cases import Intake
from triage.turn import Turn

BATCH: Final = 256


class ReadingLike(Protocol):
    """What the reader says of one text (models.sentiment.Reading)."""

    @property
    def language(self) -> str: ...
    @property
    def sentiment(self) -> str: ...
    @property
    def negative(self) -> float: ...
    @property
    def neutral(self) -> float: ...
    @property
    def positive(self) -> float: ...


class ReaderLike(Protocol):
    def read(self, texts: Sequence[str], tags: Sequence[str | None]) -> Sequence[ReadingLike]: ...


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """`backfill_opens`: what is found when catching up opens a case only when it is younger than this."""

    backfill_opens: timedelta = timedelta(hours=24)


DEFAULT: Final = Policy()


class Triage:
    """Holds the reader and the compiled topics; everything else is in the rows."""

    def __init__(
        self, store: Store, reader: ReaderLike, executor: Executor | None = None, policy: Policy = DEFAULT
    ) -> None:
        self.store = store
        self.reader = reader
        self.executor = executor
        self.policy = policy
        self._topics: tuple[int, Matcher[tuple[int, str]]] | None = None

    async def read_batch(self, catalogue: Catalogue, now: datetime) -> int:
        """Reads the next unread mentions, live ones first; returns how many there were."""
        async with self.store.reading() as session:
            unread = list(await session.execute(_unread().limit(BATCH)))
        if not unread:
            return 0
        texts = [mention.text for mention, _, _ in unread]
        read = partial(self.reader.read, texts, [mention.language for mention, _, _ in unread])
        readings = await asyncio.get_running_loop().run_in_executor(self.executor, read)
        topics = self._topic_matcher(catalogue)
        said = {
            (concern.mention_id, concern.brand_id): text for (_, _, concern), text in zip(unread, texts, strict=True)
        }
        read_as = dict(zip(said, readings, strict=True))
        async with self.store.writing() as session:
            turn = Turn(session, catalogue, now)
            fresh = list(await session.execute(_unread().where(MentionBrand.mention_id.in_({key[0] for key in said}))))
            intake = await Intake.of(turn, (author.id for _, author, _ in fresh))
            for mention, author, concern in fresh:
                key = (mention.id, concern.brand_id)
                # Not what was read by another process, nor what was edited or deleted while we read.
                if said.get(key) == mention.text:
                    _note_down(concern, mention.text, read_as[key], topics, now)
                    await cases.take(turn, intake, mention, author, concern, opens=self._opens(mention))
        return len(unread)

    def _opens(self, mention: Mention) -> bool:
        if mention.origin == "backfill":
            return mention.heard_at - mention.created_at <= self.policy.backfill_opens
        return mention.origin == "live"

    def _topic_matcher(self, catalogue: Catalogue) -> Matcher[tuple[int, str]]:
        if self._topics is None or self._topics[0] != catalogue.version:
            pairs = [
                ((number, topic.slug), parse(topic.text))
                for number, brand in catalogue.brands
                for topic in brand.topics
            ]
            self._topics = (catalogue.version, Matcher(pairs))
        return self._topics[1]


def _note_down(
    concern: MentionBrand, text: str, reading: ReadingLike, topics: Matcher[tuple[int, str]], now: datetime
) -> None:
    """What a mention means to a brand, on its row."""
    found = cues.found(text)
    concern.read_at = now
    concern.language, concern.sentiment = reading.language, reading.sentiment
    concern.negative, concern.neutral, concern.positive = reading.negative, reading.neutral, reading.positive
    concern.intent = cues.intent(text, found, concern.felt or "neutral")
    concern.grave = cues.grave(found, concern.felt or "neutral")
    concern.topics = tuple(topic for brand, topic in topics.match(Subject(text)) if brand == concern.brand_id)


def _unread() -> Select[Mention, Author, MentionBrand]:
    return (
        select(Mention, Author, MentionBrand)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .join(Author, Author.id == Mention.author_id)
        .where(MentionBrand.read_at.is_(None))
        .order_by(MentionBrand.live.desc(), MentionBrand.mention_id)
    )
