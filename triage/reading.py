"""Unread mentions, in batches: read, weighed, and put into cases, in one transaction a batch."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

import msgspec
from sqlalchemy import Select, select

from models.catalogue import Catalogue
from models.mention import Author, Mention, MentionBrand
from models.opinion import Opinion
from models.query import Matcher, Subject, parse
from models.sentiment.head import BrandHead
from store.engine import Store
from triage import cases, cues
from triage.cases import Intake
from triage.opinions import Opinions
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
    @property
    def intent(self) -> str: ...


class ReaderLike(Protocol):
    """`heads` is what the brand of each text has learned (models.sentiment.head), `among` the languages it is spoken of in."""

    def read(
        self,
        texts: Sequence[str],
        tags: Sequence[str | None],
        heads: Sequence[BrandHead | None],
        among: Sequence[Sequence[str]],
    ) -> Sequence[ReadingLike]: ...


class HeadsLike(Protocol):
    """Brand → what it has learned and uses now (triage.learning.Heads)."""

    async def now(self, store: Store) -> Mapping[int, BrandHead]: ...


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """`backfill_opens`: what is found when catching up opens a case only when it is younger than this."""

    backfill_opens: timedelta = timedelta(hours=24)


DEFAULT: Final = Policy()


class Triage:
    """Holds the reader and the compiled topics; everything else is in the rows."""

    def __init__(
        self,
        store: Store,
        reader: ReaderLike,
        executor: Executor | None = None,
        policy: Policy = DEFAULT,
        heads: HeadsLike | None = None,
        opinions: Opinions | None = None,
    ) -> None:
        self.store = store
        self.reader = reader
        self.executor = executor
        self.policy = policy
        self.heads = heads
        self.opinions = opinions
        self._topics: tuple[int, Matcher[tuple[int, str]]] | None = None

    async def read_batch(self, catalogue: Catalogue, now: datetime) -> int:
        """Reads the next unread mentions, live ones first; returns how many there were."""
        async with self.store.reading() as session:
            unread = list(await session.execute(_unread().limit(BATCH)))
        if not unread:
            return 0
        texts = [mention.text for mention, _, _ in unread]
        learned = await self.heads.now(self.store) if self.heads else {}
        heads = [learned.get(concern.brand_id) for _, _, concern in unread]
        among = [catalogue.brands[concern.brand_id].languages for _, _, concern in unread]
        read = partial(self.reader.read, texts, [mention.language for mention, _, _ in unread], heads, among)
        readings = await asyncio.get_running_loop().run_in_executor(self.executor, read)
        topics = self._topic_matcher(catalogue)
        said = {
            (concern.mention_id, concern.brand_id): text for (_, _, concern), text in zip(unread, texts, strict=True)
        }
        read_as = dict(zip(said, readings, strict=True))
        bar = await self.opinions.bar() if self.opinions else 0.0
        async with self.store.writing() as session:
            turn = Turn(session, catalogue, now)
            fresh = list(await session.execute(_unread().where(MentionBrand.mention_id.in_({key[0] for key in said}))))
            intake = await Intake.of(turn, (author.id for _, author, _ in fresh))
            # Not what was read by another process, nor what was edited or deleted while we read.
            fresh = [row for row in fresh if said.get((row[0].id, row[2].brand_id)) == row[0].text]
            unsure = [(m, c) for m, _, c in fresh if _is_unsure(m, c, read_as[m.id, c.brand_id], bar)]
            second = await self._second(turn, unsure)
            for mention, author, concern in fresh:
                reading = read_as[mention.id, concern.brand_id]
                _note_down(concern, mention.text, reading, second.get(concern.opinion or ""), topics, now)
                await cases.take(turn, intake, mention, author, concern, opens=self._opens(mention))
        return len(unread)

    async def _second(self, turn: Turn, unsure: Sequence[tuple[Mention, MentionBrand]]) -> dict[str, Opinion]:
        """What is known of the texts on which the reader is unsure, by key; what is not known is wanted from now on."""
        if self.opinions is None or not unsure:
            return {}
        known = await self.opinions.known(turn.session, [mention.text for mention, _ in unsure])
        for mention, concern in unsure:
            concern.opinion = key = self.opinions.key(mention.text)
            if key not in known:
                known[key] = self.opinions.want(turn.session, key, turn.now)
        return known

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


def _is_unsure(mention: Mention, concern: MentionBrand, reading: ReadingLike, bar: float) -> bool:
    """Below the bar, or so when it was read before: the bar may have moved while the answer was on its way."""
    if mention.origin != "live":
        return False
    return concern.opinion is not None or max(reading.negative, reading.neutral, reading.positive) < bar


def _note_down(
    concern: MentionBrand,
    text: str,
    reading: ReadingLike,
    second: Opinion | None,
    topics: Matcher[tuple[int, str]],
    now: datetime,
) -> None:
    """What a mention means to a brand, on its row."""
    found = cues.found(text)
    concern.read_at = now
    concern.language, concern.sentiment = reading.language, reading.sentiment
    concern.negative, concern.neutral, concern.positive = reading.negative, reading.neutral, reading.positive
    if second is not None and second.sentiment is not None:
        _weigh_in(concern, second.sentiment)
    concern.moved = None
    concern.intent = cues.intent(text, found, concern.felt or "neutral", reading.intent)
    concern.grave = cues.grave(text, found, concern.felt or "neutral")
    concern.topics = tuple(topic for brand, topic in topics.match(Subject(text)) if brand == concern.brand_id)


def _weigh_in(concern: MentionBrand, said: str) -> None:
    """A second opinion decides, and weighs as much as the reader's own."""
    for label in ("negative", "neutral", "positive"):
        setattr(concern, label, (getattr(concern, label) + float(label == said)) / 2)
    concern.sentiment = said


def _unread() -> Select[Mention, Author, MentionBrand]:
    return (
        select(Mention, Author, MentionBrand)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .join(Author, Author.id == Mention.author_id)
        .where(MentionBrand.read_at.is_(None))
        .order_by(MentionBrand.live.desc(), MentionBrand.mention_id)
    )
