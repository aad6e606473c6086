"""Unanalyzed mentions, in batches: classified, checked by the rules, and attached to cases, one transaction a batch."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

import msgspec
from sqlalchemy import Select, select

from analysis import intent_rules, severity_rules
from analysis.second_opinion import SecondOpinions
from models.configuration import Configuration
from models.query import Matcher, Subject, parse
from models.sentiment.head import BrandHead
from models.tables.mention import Author, Mention, MentionBrand
from models.tables.second_opinion import SecondOpinion
from store.engine import Store
from store.failed_items import ItemFailed, isolated, not_set_aside, process_each
from triage.context import Context
from triage.intake import AuthorHistory, attach_mention

BATCH: Final = 256
STEP: Final = "analysis"
SEVERE_WORDS: Final = "*severe words*"
"""Among a brand's topics, which have slugs, the query of its severe words."""


class ReadingLike(Protocol):
    """The classification of one text (models.sentiment.Reading)."""

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
    """`heads` are what each text's brand has learned (models.sentiment.head), `candidates` the languages it may be in."""

    def read(
        self,
        texts: Sequence[str],
        tags: Sequence[str | None],
        heads: Sequence[BrandHead | None],
        candidates: Sequence[Sequence[str]],
    ) -> Sequence[ReadingLike]: ...


class HeadsLike(Protocol):
    """Brand → what it has learned (analysis.training.ActiveHeads)."""

    async def current(self, store: Store) -> Mapping[int, BrandHead]: ...


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A mention opens a case only if it was posted less than `backfill_max_age` before it was received."""

    backfill_max_age: timedelta = timedelta(hours=24)


DEFAULT: Final = Policy()


class Classification:
    """Holds the reader and the compiled topics; everything else is in the rows."""

    def __init__(
        self,
        store: Store,
        reader: ReaderLike,
        executor: Executor | None = None,
        policy: Policy = DEFAULT,
        heads: HeadsLike | None = None,
        second_opinions: SecondOpinions | None = None,
    ) -> None:
        self.store = store
        self.reader = reader
        self.executor = executor
        self.policy = policy
        self.heads = heads
        self.second_opinions = second_opinions
        self._topics: tuple[int, Matcher[tuple[int, str]]] | None = None

    async def analyze_batch(self, configuration: Configuration, now: datetime) -> int:
        """Analyzes the next mentions, live ones first; returns how many there were."""
        async with self.store.reading() as session:
            rows = list(await session.execute(_unanalyzed().limit(BATCH)))
        if not rows:
            return 0
        try:
            with isolated():
                await self._analyze(configuration, now, rows)
        except ItemFailed:  # one of them fails: each alone, so that the others are read
            work = [(_item(row), partial(self._analyze, configuration, now, [row])) for row in rows]
            await process_each(self.store, STEP, now, work)
        return len(rows)

    async def _analyze(
        self, configuration: Configuration, now: datetime, rows: Sequence[tuple[Mention, Author, MentionBrand]]
    ) -> None:
        """One transaction: all of them, or none."""
        texts = {(match.mention_id, match.brand_id): mention.text for mention, _, match in rows}
        readings = dict(zip(texts, await self._read(configuration, rows), strict=True))
        topics = self._topic_matcher(configuration)
        threshold = await self.second_opinions.threshold() if self.second_opinions else 0.0
        async with self.store.writing() as session:
            context = Context(session, configuration, now)
            fresh = list(
                await session.execute(_unanalyzed().where(MentionBrand.mention_id.in_({key[0] for key in texts})))
            )
            history = await AuthorHistory.load(context, (author.id for _, author, _ in fresh))
            # Not what another process analyzed, nor what was edited or deleted meanwhile.
            fresh = [row for row in fresh if texts.get((row[0].id, row[2].brand_id)) == row[0].text]
            unsure = [(m, c) for m, _, c in fresh if _is_unsure(m, c, readings[m.id, c.brand_id], threshold)]
            opinions = await self._second_opinions_on(context, unsure)
            for mention, author, match in fresh:
                reading = readings[mention.id, match.brand_id]
                _store_reading(match, mention.text, reading, opinions.get(match.second_opinion_key or ""), topics, now)
                may_open = self._may_open(mention) or match.matched_by == "member"
                await attach_mention(context, history, mention, author, match, may_open=may_open)

    async def _read(
        self, configuration: Configuration, rows: Sequence[tuple[Mention, Author, MentionBrand]]
    ) -> Sequence[ReadingLike]:
        active = await self.heads.current(self.store) if self.heads else {}
        read = partial(
            self.reader.read,
            [mention.text for mention, _, _ in rows],
            [mention.language for mention, _, _ in rows],
            [active.get(match.brand_id) for _, _, match in rows],
            [configuration.brands[match.brand_id].languages for _, _, match in rows],
        )
        return await asyncio.get_running_loop().run_in_executor(self.executor, read)

    async def _second_opinions_on(
        self, context: Context, unsure: Sequence[tuple[Mention, MentionBrand]]
    ) -> dict[str, SecondOpinion]:
        """The second opinions on unsure texts, by key; those that do not exist yet are requested."""
        if self.second_opinions is None or not unsure:
            return {}
        opinions = await self.second_opinions.existing(context.session, [mention.text for mention, _ in unsure])
        for mention, match in unsure:
            match.second_opinion_key = key = self.second_opinions.key(mention.text)
            if key not in opinions:
                opinions[key] = self.second_opinions.request(context.session, key, context.now)
        return opinions

    def _may_open(self, mention: Mention) -> bool:
        """However it was received, what is old is no news; of what has no date, only what was received live."""
        if mention.origin == "import" or not mention.dated:
            return mention.origin == "live"
        return mention.received_at - mention.created_at <= self.policy.backfill_max_age

    def _topic_matcher(self, configuration: Configuration) -> Matcher[tuple[int, str]]:
        if self._topics is None or self._topics[0] != configuration.version:
            pairs = [
                ((number, topic.slug), parse(topic.text))
                for number, brand in configuration.brands
                for topic in brand.topics
            ]
            pairs += [
                ((number, SEVERE_WORDS), parse(brand.severe_words))
                for number, brand in configuration.brands
                if brand.severe_words
            ]
            self._topics = (configuration.version, Matcher(pairs))
        return self._topics[1]


def _item(row: tuple[Mention, Author, MentionBrand]) -> str:
    return f"{row[2].mention_id}:{row[2].brand_id}"


def _is_unsure(mention: Mention, match: MentionBrand, reading: ReadingLike, threshold: float) -> bool:
    """Below the threshold, now or when it was first read: it may have moved while the answer was on its way."""
    if mention.origin != "live":
        return False
    return match.second_opinion_key is not None or max(reading.negative, reading.neutral, reading.positive) < threshold


def _store_reading(
    match: MentionBrand,
    text: str,
    reading: ReadingLike,
    opinion: SecondOpinion | None,
    topics: Matcher[tuple[int, str]],
    now: datetime,
) -> None:
    match.analyzed_at = now
    match.language, match.sentiment = reading.language, reading.sentiment
    match.negative, match.neutral, match.positive = reading.negative, reading.neutral, reading.positive
    if opinion is not None and opinion.sentiment is not None:
        _apply_second_opinion(match, opinion.sentiment)
    match.influential_words = None
    sentiment = match.effective_sentiment or "neutral"
    match.intent = intent_rules.intent(text, sentiment, reading.intent)
    own = [name for brand, name in topics.match(Subject(text)) if brand == match.brand_id]
    match.severity = severity_rules.severity(text) or (severity_rules.BRAND_WORDS if SEVERE_WORDS in own else None)
    match.topics = tuple(name for name in own if name != SEVERE_WORDS)


def _apply_second_opinion(match: MentionBrand, sentiment: str) -> None:
    """It decides the sentiment, and weighs as much as the classifier in the probabilities."""
    for label in ("negative", "neutral", "positive"):
        setattr(match, label, (getattr(match, label) + float(label == sentiment)) / 2)
    match.sentiment = sentiment


def _unanalyzed() -> Select[Mention, Author, MentionBrand]:
    return (
        select(Mention, Author, MentionBrand)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .join(Author, Author.id == Mention.author_id)
        .where(MentionBrand.analyzed_at.is_(None), not_set_aside(STEP, MentionBrand.mention_id, MentionBrand.brand_id))
        .order_by(MentionBrand.live.desc(), MentionBrand.mention_id)
    )
