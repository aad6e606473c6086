"""Learning from corrections: gathered, fitted, judged on what was held out, and used only when somebody says so.

Beside what was corrected stands what managers saw and let be (else a head would learn to doubt everything), and written
posts of the brand's languages are rehearsed. Posts of platforms that forbid training are left out.
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

from models.capabilities import NOT_TO_TRAIN_ON
from models.catalogue import Brand, Catalogue
from models.errors import Refused
from models.learned import Learned
from models.mention import Mention, MentionBrand
from models.sentiment import LABELS, Reader, Reading
from models.sentiment.head import FEWEST, BrandHead, Lessons, Verdict, fit, judge
from models.sentiment.training.sets import written
from store import learned as rows
from store.engine import Store

REHEARSED: Final = 150
"""Written posts a language."""
REHEARSED_WEIGHT: Final = 0.3
AGREED_A_CORRECTION: Final = 4
"""At most so many mentions that were let be for each that was corrected."""
DAYS: Final = 30
SMALL_HOURS: Final = (3, 4)
A_NIGHT: Final = timedelta(hours=12)
NEW_CORRECTIONS: Final = 10
"""So many more than the last trial had make another worth its while."""
Read = Sequence[tuple[Mention, MentionBrand]]


@dataclass(frozen=True)
class Changed:
    """A mention that would have been read otherwise."""

    mention: Mention
    was: str
    now: str


@dataclass(frozen=True)
class Replay:
    """Counts of mentions by sentiment, as they were read and as they would have been."""

    mentions: int
    was: dict[str, int]
    now: dict[str, int]
    changed: list[Changed]


async def learn(
    store: Store, reader: Reader, brand_id: int, brand: Brand, now: datetime, executor: Executor | None = None
) -> Learned:
    """One trial, written down and not used; Refused where there is too little to learn from."""
    async with store.reading() as session:
        corrected = _trainable(await rows.corrected(session, brand_id))
        agreed = _trainable(await rows.agreed(session, brand_id))[: AGREED_A_CORRECTION * len(corrected)]
    if len(corrected) < FEWEST:
        raise Refused(
            "There are {n} corrections to learn from, and {needed} are needed.", n=len(corrected), needed=FEWEST
        )
    trial = partial(_tried, reader, brand, corrected, agreed)
    weights, verdict = await asyncio.get_running_loop().run_in_executor(executor, trial)
    learned = Learned(
        brand_id=brand_id,
        model=reader.classifier.name,
        weights=weights,
        corrections=len(corrected),
        agreed=len(agreed),
        before=verdict.before,
        after=verdict.after,
        low=verdict.low,
        high=verdict.high,
        better=verdict.better,
        learned_at=now,
    )
    async with store.writing() as session:
        session.add(learned)
    return learned


def _tried(reader: Reader, brand: Brand, corrected: Read, agreed: Read) -> tuple[bytes, Verdict]:
    """The weights of a head that knows all there is to know, and how one did that did not know what it was asked."""
    lessons = _lessons(reader, corrected).beside(_lessons(reader, agreed)) if agreed else _lessons(reader, corrected)
    rehearsed = _rehearsed(reader, brand)
    return fit(lessons.beside(rehearsed)).dump(), judge(lessons, rehearsed)


async def overnight(
    store: Store, reader: Reader, catalogue: Catalogue, now: datetime, executor: Executor | None = None
) -> list[Learned]:
    """In the small hours of a brand's own wall: what it has learned from new corrections is used where it is better.

    Once a night, and only where enough was corrected since the last trial: who went back from one is not overruled by it.
    """
    found: list[Learned] = []
    for brand_id, brand in catalogue.brands:
        if not await _wants_to_learn(store, catalogue, brand_id, brand, now):
            continue
        try:
            learned = await learn(store, reader, brand_id, brand, now, executor)
        except Refused:  # too few that may be learned from, or a reader that cannot learn
            continue
        if learned.better:
            await use(store, learned, now)
        found.append(learned)
    return found


async def _wants_to_learn(store: Store, catalogue: Catalogue, brand_id: int, brand: Brand, now: datetime) -> bool:
    zone = next((queue.zone for _, queue in catalogue.queues if brand.slug in queue.brands), "UTC")
    if now.astimezone(ZoneInfo(zone)).hour not in SMALL_HOURS:
        return False
    async with store.reading() as session:
        last = await rows.last(session, brand_id)
        if last is not None and now - last.learned_at < A_NIGHT:
            return False
        corrections = len(_trainable(await rows.corrected(session, brand_id)))
    return corrections >= max(FEWEST, (last.corrections if last else 0) + NEW_CORRECTIONS)


async def use(store: Store, learned: Learned, now: datetime) -> None:
    """From the next mention on; only what was better on held-out mentions is ever used."""
    if not learned.better:
        raise Refused("What was learned is not better on held-out mentions: it is not used.")
    async with store.writing() as session:
        await rows.use(session, learned, now)


async def replay(store: Store, reader: Reader, learned: Learned, now: datetime, days: int = DAYS) -> Replay:
    """What the last days would have looked like."""
    async with store.reading() as session:
        found = await rows.since(session, learned.brand_id, days, now)
    head = BrandHead.load(learned.weights)
    readings = _read(reader, [mention for mention, _ in found], head)
    was: dict[str, int] = dict.fromkeys(LABELS, 0)
    then: dict[str, int] = dict.fromkeys(LABELS, 0)
    changed = []
    for (mention, read), reading in zip(found, readings, strict=True):
        before = read.sentiment or "neutral"
        was[before] += 1
        then[reading.sentiment] += 1
        if before != reading.sentiment:
            changed.append(Changed(mention, before, reading.sentiment))
    return Replay(len(found), was, then, changed)


class Heads:
    """What is in use by brand, looked up anew for each batch and loaded once."""

    def __init__(self, model: str, load: Callable[[bytes], BrandHead] = BrandHead.load) -> None:
        self._model = model
        self._load = load
        self._loaded: dict[int, BrandHead] = {}

    async def now(self, store: Store) -> dict[int, BrandHead]:
        """Brand → its head."""
        async with store.reading() as session:
            wanted = await rows.in_use(session, self._model)
            for number in set(wanted.values()) - self._loaded.keys():
                self._loaded[number] = self._load((await session.get_one(Learned, number)).weights)
        return {brand: self._loaded[number] for brand, number in wanted.items()}


def _trainable(found: Sequence[tuple[Mention, MentionBrand]]) -> list[tuple[Mention, MentionBrand]]:
    return [(mention, read) for mention, read in found if mention.platform not in NOT_TO_TRAIN_ON]


def _lessons(reader: Reader, found: Sequence[tuple[Mention, MentionBrand]], weight: float = 1.0) -> Lessons:
    names: tuple[str, ...] = LABELS
    labels = [names.index(read.felt or "neutral") for _, read in found]
    return _taught(
        reader, [mention.text for mention, _ in found], [read.language or "und" for _, read in found], labels, weight
    )


def _rehearsed(reader: Reader, brand: Brand) -> Lessons:
    examples = [e for posts in written().values() for e in posts if e.language in brand.languages]
    chance = np.random.default_rng(0)
    chosen = [examples[n] for n in chance.permutation(len(examples))[: REHEARSED * len(brand.languages)]]
    return _taught(
        reader,
        [e.text for e in chosen],
        [e.language for e in chosen],
        [e.label for e in chosen],
        REHEARSED_WEIGHT,
    )


def _taught(
    reader: Reader, texts: Sequence[str], languages: Sequence[str], labels: Sequence[int], weight: float
) -> Lessons:
    found = reader.classifier.classify(texts, languages, vectors=True)
    if found.vectors is None:
        raise Refused("This reader cannot learn: only the bundled one can.")
    return Lessons(
        found.probabilities,
        found.vectors,
        np.asarray(labels, dtype=np.intp),
        np.full(len(texts), weight, np.float32),
    )


def _read(reader: Reader, mentions: Sequence[Mention], head: BrandHead) -> list[Reading]:
    return reader.read(
        [mention.text for mention in mentions], [mention.language for mention in mentions], [head] * len(mentions)
    )
