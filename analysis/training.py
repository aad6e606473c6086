"""Training from corrections: collected, fitted, judged on held-out ones, and activated only where that is better.

Beside what was corrected stand mentions that members saw and left as they were (otherwise a head would learn to doubt
everything), and written posts of the brand's languages are rehearsed. Posts of platforms that forbid training are left out.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from models.capabilities import TRAINING_FORBIDDEN
from models.configuration import Brand, Configuration
from models.errors import Refused
from models.sentiment import LABELS, Reader, Reading
from models.sentiment.head import MIN_EXAMPLES, BrandHead, Examples, Verdict, fit, judge
from models.sentiment.training.datasets import written_posts
from models.tables.mention import Mention, MentionBrand
from models.tables.training_run import TrainingRun
from store import training_runs
from store.engine import Store

REHEARSED: Final = 150
"""Written posts per language."""
REHEARSED_WEIGHT: Final = 0.3
AGREEMENTS_PER_CORRECTION: Final = 4
"""The most mentions that nobody corrected for each corrected one."""
DAYS: Final = 30
NIGHT_HOURS: Final = (3, 4)
ONE_NIGHT: Final = timedelta(hours=12)
NEW_CORRECTIONS: Final = 10
"""How many more than the last run had make another worthwhile."""
LabelledMentions = Sequence[tuple[Mention, MentionBrand]]


@dataclass(frozen=True)
class ChangedMention:
    """A mention that would have been classified differently."""

    mention: Mention
    before: str
    after: str


@dataclass(frozen=True)
class Replay:
    """Counts of mentions by sentiment, as they were classified and as they would have been."""

    mentions: int
    before: dict[str, int]
    after: dict[str, int]
    changed: list[ChangedMention]


async def train(
    store: Store, reader: Reader, brand_id: int, brand: Brand, now: datetime, executor: Executor | None = None
) -> TrainingRun:
    """One run, stored and not activated; Refused where there is too little to learn from."""
    async with store.reading() as session:
        corrected = _trainable(await training_runs.corrected_mentions(session, brand_id))
        agreed = _trainable(await training_runs.agreed_mentions(session, brand_id))
        agreed = agreed[: AGREEMENTS_PER_CORRECTION * len(corrected)]
    if len(corrected) < MIN_EXAMPLES:
        raise Refused(
            "There are {n} corrections to learn from; {needed} are needed.", n=len(corrected), needed=MIN_EXAMPLES
        )
    fit_and_judge = partial(_fit_and_judge, reader, brand, corrected, agreed)
    weights, verdict = await asyncio.get_running_loop().run_in_executor(executor, fit_and_judge)
    run = TrainingRun(
        brand_id=brand_id,
        model=reader.classifier.name,
        weights=weights,
        corrections=len(corrected),
        agreements=len(agreed),
        accuracy_before=verdict.before,
        accuracy_after=verdict.after,
        gain_low=verdict.low,
        gain_high=verdict.high,
        improved=verdict.better,
        trained_at=now,
    )
    async with store.writing() as session:
        session.add(run)
    return run


def _fit_and_judge(
    reader: Reader, brand: Brand, corrected: LabelledMentions, agreed: LabelledMentions
) -> tuple[bytes, Verdict]:
    """The weights of a head trained on everything, and how heads did on examples they had not seen."""
    examples = _examples(reader, corrected)
    if agreed:
        examples = examples.beside(_examples(reader, agreed))
    rehearsed = _rehearsed(reader, brand)
    return fit(examples.beside(rehearsed)).dump(), judge(examples, rehearsed)


async def train_overnight(
    store: Store, reader: Reader, configuration: Configuration, now: datetime, executor: Executor | None = None
) -> list[TrainingRun]:
    """At night in each brand's zone: trains on new corrections and activates the result where it is better.

    Once a night, and only with enough corrections since the last run: whoever deactivated one is not overruled by it.
    """
    runs: list[TrainingRun] = []
    for brand_id, brand in configuration.brands:
        if not await _should_train(store, configuration, brand_id, brand, now):
            continue
        try:
            run = await train(store, reader, brand_id, brand, now, executor)
        except Refused:  # too few that may be learned from, or a model that cannot learn
            continue
        if run.improved:
            await activate(store, run, now)
        runs.append(run)
    return runs


async def _should_train(store: Store, configuration: Configuration, brand_id: int, brand: Brand, now: datetime) -> bool:
    zone = next((queue.zone for _, queue in configuration.queues if brand.slug in queue.brands), "UTC")
    if now.astimezone(ZoneInfo(zone)).hour not in NIGHT_HOURS:
        return False
    async with store.reading() as session:
        last = await training_runs.latest(session, brand_id)
        if last is not None and now - last.trained_at < ONE_NIGHT:
            return False
        corrections = len(_trainable(await training_runs.corrected_mentions(session, brand_id)))
    return corrections >= max(MIN_EXAMPLES, (last.corrections if last else 0) + NEW_CORRECTIONS)


async def activate(store: Store, run: TrainingRun, now: datetime) -> None:
    """From the next mention on. Only what was better on held-out mentions can be activated."""
    if not run.improved:
        raise Refused("The new model does not improve the results on held-out mentions: it will not be used.")
    async with store.writing() as session:
        await training_runs.activate(session, run, now)


async def replay(store: Store, reader: Reader, run: TrainingRun, now: datetime, days: int = DAYS) -> Replay:
    """How the last days would have been classified."""
    async with store.reading() as session:
        mentions = await training_runs.recent_mentions(session, run.brand_id, days, now)
    head = BrandHead.load(run.weights)
    readings = _read(reader, [mention for mention, _ in mentions], head)
    before: dict[str, int] = dict.fromkeys(LABELS, 0)
    after: dict[str, int] = dict.fromkeys(LABELS, 0)
    changed = []
    for (mention, match), reading in zip(mentions, readings, strict=True):
        sentiment = match.sentiment or "neutral"
        before[sentiment] += 1
        after[reading.sentiment] += 1
        if sentiment != reading.sentiment:
            changed.append(ChangedMention(mention, sentiment, reading.sentiment))
    return Replay(len(mentions), before, after, changed)


class ActiveHeads:
    """The active head of each brand, looked up for each batch and loaded once."""

    def __init__(self, model: str, load: Callable[[bytes], BrandHead] = BrandHead.load) -> None:
        self._model = model
        self._load = load
        self._loaded: dict[int, BrandHead] = {}

    async def current(self, store: Store) -> dict[int, BrandHead]:
        """Brand → its head."""
        async with store.reading() as session:
            active = await training_runs.active(session, self._model)
            for number in set(active.values()) - self._loaded.keys():
                self._loaded[number] = self._load((await session.get_one(TrainingRun, number)).weights)
        return {brand: self._loaded[number] for brand, number in active.items()}


def _trainable(mentions: LabelledMentions) -> list[tuple[Mention, MentionBrand]]:
    return [(mention, match) for mention, match in mentions if mention.platform not in TRAINING_FORBIDDEN]


def _examples(reader: Reader, mentions: LabelledMentions, weight: float = 1.0) -> Examples:
    names: tuple[str, ...] = LABELS
    return _with_vectors(
        reader,
        [mention.text for mention, _ in mentions],
        [match.language or "und" for _, match in mentions],
        [names.index(match.effective_sentiment or "neutral") for _, match in mentions],
        weight,
    )


def _rehearsed(reader: Reader, brand: Brand) -> Examples:
    posts = [post for file in written_posts().values() for post in file if post.language in brand.languages]
    chance = np.random.default_rng(0)
    chosen = [posts[n] for n in chance.permutation(len(posts))[: REHEARSED * len(brand.languages)]]
    return _with_vectors(
        reader,
        [post.text for post in chosen],
        [post.language for post in chosen],
        [post.label for post in chosen],
        REHEARSED_WEIGHT,
    )


def _with_vectors(
    reader: Reader, texts: Sequence[str], languages: Sequence[str], labels: Sequence[int], weight: float
) -> Examples:
    classified = reader.classifier.classify(texts, languages, vectors=True)
    if classified.vectors is None:
        raise Refused("This model cannot learn: only the bundled one can.")
    return Examples(
        classified.probabilities,
        classified.vectors,
        np.asarray(labels, dtype=np.intp),
        np.full(len(texts), weight, np.float32),
    )


def _read(reader: Reader, mentions: Sequence[Mention], head: BrandHead) -> list[Reading]:
    return reader.read(
        [mention.text for mention in mentions], [mention.language for mention in mentions], [head] * len(mentions)
    )
