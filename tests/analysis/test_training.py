"""Training from corrections: collected, fitted, activated and deactivated."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pytest
from conftest import Harness
from sqlalchemy import select

from analysis import training
from analysis.training import ActiveHeads
from insights import digests
from languages import translator
from models.errors import Refused
from models.sentiment import Reader, Reading
from models.sentiment.classifier import LABELS, Classified, Floats
from models.sentiment.language import Identifier
from models.tables.mention import Mention, MentionBrand
from models.tables.training_run import TrainingRun
from publishing import replies
from store import training_runs
from triage import case_actions
from triage.classification import Classification


class WrongClassifier:
    """Classifies (+) as positive and everything else as negative; its vectors tell whether a text is about the sea."""

    name = "wrong"

    def classify(self, texts: Sequence[str], languages: Sequence[str], *, vectors: bool = False) -> Classified:
        probabilities = np.full((len(texts), 3), 0.1, np.float32)
        for n, text in enumerate(texts):
            probabilities[n, 2 if "(+)" in text else 0] = 0.8
        rows = np.array([[5.0 if "mare" in text else -5.0, 1.0, len(text) % 3] for text in texts], np.float32)
        return Classified(probabilities, vectors=rows if vectors else None)

    def influences(self, text: str, language: str, label: int) -> Floats:
        return np.zeros(len(text.split()), np.float32)


@pytest.fixture
def reader() -> Reader:
    return Reader(Identifier(("it", "ro", "en")), WrongClassifier())


async def correct_mentions(harness: Harness, reader: Reader, corrections: int, platform: str = "square") -> None:
    """Posts about the sea, which are praise and classified as negative, are corrected; a few others are answered instead."""
    harness.classification = Classification(harness.store, reader, heads=ActiveHeads(reader.classifier.name))
    for n in range(corrections):
        await harness.receive(harness.post(f"Ferroviola: che mare oggi {n}", f"a{n}", language="it", platform=platform))
    for n in range(12):
        await harness.receive(harness.post(f"Ferroviola in ritardo {n}", f"b{n}", language="it"))
    await harness.analyze()
    ana = harness.member("ana")
    async with harness.store.reading() as session:
        cases_and_texts = select(MentionBrand.case_id, Mention.text).join(
            Mention, Mention.id == MentionBrand.mention_id
        )
        cases = list(await session.execute(cases_and_texts))
    for case_id, text in cases:
        await harness.do(case_actions.claim, case_id, ana)
        if "mare" in text:
            await harness.do(case_actions.correct, case_id, ana, "positive")
        else:
            await harness.do(replies.mark_answered, case_id, ana)


async def classify(harness: Harness, text: str) -> str | None:
    """The sentiment of a new post."""
    await harness.receive(harness.post(text, "later", language="it"))
    await harness.analyze()
    async with harness.store.reading() as session:
        newest = select(MentionBrand.sentiment).order_by(MentionBrand.mention_id.desc()).limit(1)
        return await session.scalar(newest)


async def test_corrections_are_trained_on_replayed_activated_and_deactivated(harness: Harness, reader: Reader):
    await correct_mentions(harness, reader, 24)
    brand_id = harness.brand()
    brand = harness.configuration.brands[brand_id]
    assert await classify(harness, "Ferroviola, un altro mare") == "negative"
    run = await training.train(harness.store, reader, brand_id, brand, harness.now)
    assert (run.corrections, run.improved) == (24, True)
    assert run.accuracy_after > run.accuracy_before
    assert await classify(harness, "Ferroviola, ancora mare") == "negative"  # trained, not activated
    replay = await training.replay(harness.store, reader, run, harness.now)
    assert replay.after["positive"] >= 24 > replay.before["positive"]
    assert all(change.after == "positive" for change in replay.changed)
    await training.activate(harness.store, run, harness.now)
    assert await classify(harness, "Ferroviola, che bel mare") == "positive"
    assert await classify(harness, "Ferroviola in ritardo ancora") == "negative"
    async with harness.store.writing() as session:
        assert await training_runs.deactivate(session, brand_id, harness.now)
    assert await classify(harness, "Ferroviola, il mare") == "negative"
    async with harness.store.writing() as session:
        assert not await training_runs.deactivate(session, brand_id, harness.now)


async def test_too_few_corrections_are_refused(harness: Harness, reader: Reader):
    await correct_mentions(harness, reader, 5)
    with pytest.raises(Refused, match="5 corrections"):
        await training.train(
            harness.store, reader, harness.brand(), harness.configuration.brands[harness.brand()], harness.now
        )


async def test_platforms_that_forbid_training_are_left_out(harness: Harness, reader: Reader):
    await correct_mentions(harness, reader, 24, platform="x")
    with pytest.raises(Refused, match="0 corrections"):
        await training.train(
            harness.store, reader, harness.brand(), harness.configuration.brands[harness.brand()], harness.now
        )


async def test_a_run_that_is_no_improvement_cannot_be_activated(harness: Harness):
    worse = TrainingRun(
        brand_id=harness.brand(), model="m", weights=b"", corrections=30, agreements=0, accuracy_before=0.8,
        accuracy_after=0.7, gain_low=-0.2, gain_high=0.0, improved=False, trained_at=harness.now,
    )  # fmt: skip
    with pytest.raises(Refused, match="does not improve"):
        await training.activate(harness.store, worse, harness.now)


async def test_a_head_is_not_applied_to_another_model(harness: Harness, reader: Reader):
    await correct_mentions(harness, reader, 24)
    brand_id = harness.brand()
    brand = harness.configuration.brands[brand_id]
    run = await training.train(harness.store, reader, brand_id, brand, harness.now)
    await training.activate(harness.store, run, harness.now)
    assert await ActiveHeads("wrong").current(harness.store) != {}
    assert await ActiveHeads("another").current(harness.store) == {}


def test_labels_and_the_fields_of_a_reading_have_the_same_order():
    assert [Reading.__struct_fields__[n] for n in (2, 3, 4)] == list(LABELS)


UNTIL_NIGHT = {"hours": 17}
"""From the start of the test, in the morning, to three o'clock at night in Rome."""


async def test_overnight_training_activates_an_improvement_and_is_in_the_digest(harness: Harness, reader: Reader):
    await correct_mentions(harness, reader, 30)
    assert await training.train_overnight(harness.store, reader, harness.configuration, harness.now) == []  # by day
    harness.advance(**UNTIL_NIGHT)
    [run] = await training.train_overnight(harness.store, reader, harness.configuration, harness.now)
    assert run.improved
    stored = await harness.get(TrainingRun, run.id)
    assert stored.activated_at == harness.now
    harness.advance(minutes=30)
    assert await training.train_overnight(harness.store, reader, harness.configuration, harness.now) == []
    harness.advance(days=1)
    async with harness.store.reading() as session:
        queue = harness.configuration.queues[harness.configuration.queues.id_of("trains")]
        period = digests.period_of("day", date(2026, 11, 24), harness.now, queue.zone)
        lines = await digests.digest(harness.context(session), queue, period, translator("en"))
    assert [line for line in lines if line.startswith("Learned from 30 corrections:")]


async def test_a_deactivated_run_is_not_replaced_without_new_corrections(harness: Harness, reader: Reader):
    await correct_mentions(harness, reader, 30)
    harness.advance(**UNTIL_NIGHT)
    await training.train_overnight(harness.store, reader, harness.configuration, harness.now)
    async with harness.store.writing() as session:
        await training_runs.deactivate(session, harness.brand(), harness.now)
    harness.advance(days=1)
    assert await training.train_overnight(harness.store, reader, harness.configuration, harness.now) == []


async def test_overnight_training_leaves_out_platforms_that_forbid_it(harness: Harness, reader: Reader):
    await correct_mentions(harness, reader, 30, platform="x")
    harness.advance(**UNTIL_NIGHT)
    assert await training.train_overnight(harness.store, reader, harness.configuration, harness.now) == []
