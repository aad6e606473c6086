"""Corrections, from the desk to the reader and back."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pytest
from conftest import House
from sqlalchemy import select

from insights import digests
from languages import translator
from models.errors import Refused
from models.learned import Learned
from models.mention import Mention, MentionBrand
from models.sentiment import Reader, Reading
from models.sentiment.classifier import LABELS, Classified, Floats
from models.sentiment.language import Identifier
from store import learned as rows
from triage import actions, learning, replying
from triage.learning import Heads
from triage.reading import Triage


class Fooled:
    """Reads (+) as positive and everything else as negative; its vectors tell whether a text speaks of the sea."""

    name = "fooled"

    def classify(self, texts: Sequence[str], languages: Sequence[str], *, vectors: bool = False) -> Classified:
        shares = np.full((len(texts), 3), 0.1, np.float32)
        for n, text in enumerate(texts):
            shares[n, 2 if "(+)" in text else 0] = 0.8
        seen = np.array([[5.0 if "mare" in text else -5.0, 1.0, len(text) % 3] for text in texts], np.float32)
        return Classified(shares, vectors=seen if vectors else None)

    def moved(self, text: str, language: str, label: int) -> Floats:
        return np.zeros(len(text.split()), np.float32)


@pytest.fixture
def reader() -> Reader:
    return Reader(Identifier(("it", "ro", "en")), Fooled())


async def taught(house: House, reader: Reader, corrections: int, platform: str = "square") -> None:
    """Posts about the sea are praise that the reader took for complaints; a few others were answered as they were."""
    house.triage = Triage(house.store, reader, heads=Heads(reader.classifier.name))
    for n in range(corrections):
        await house.hear(house.post(f"Ferroviola: che mare oggi {n}", f"a{n}", language="it", platform=platform))
    for n in range(12):
        await house.hear(house.post(f"Ferroviola in ritardo {n}", f"b{n}", language="it"))
    await house.read()
    ana = house.member("ana")
    async with house.store.reading() as session:
        found = select(MentionBrand.case_id, Mention.text).join(Mention, Mention.id == MentionBrand.mention_id)
        cases = list(await session.execute(found))
    for case_id, text in cases:
        await house.do(actions.claim, case_id, ana)
        if "mare" in text:
            await house.do(actions.correct, case_id, ana, "positive")
        else:
            await house.do(replying.answered_by_hand, case_id, ana)


async def read_as(house: House, text: str) -> str | None:
    await house.hear(house.post(text, "later", language="it"))
    await house.read()
    async with house.store.reading() as session:
        newest = select(MentionBrand.sentiment).order_by(MentionBrand.mention_id.desc()).limit(1)
        return await session.scalar(newest)


async def test_what_managers_correct_is_learned_shown_used_and_taken_back(house: House, reader: Reader):
    await taught(house, reader, 24)
    brand = house.brand()
    known = house.catalogue.brands[brand]
    assert await read_as(house, "Ferroviola, un altro mare") == "negative"
    trial = await learning.learn(house.store, reader, brand, known, house.now)
    assert (trial.corrections, trial.better) == (24, True)
    assert trial.after > trial.before
    assert await read_as(house, "Ferroviola, ancora mare") == "negative"  # tried, not used
    replay = await learning.replay(house.store, reader, trial, house.now)
    assert replay.now["positive"] >= 24 > replay.was["positive"]
    assert all(change.now == "positive" for change in replay.changed)
    await learning.use(house.store, trial, house.now)
    assert await read_as(house, "Ferroviola, che bel mare") == "positive"
    assert await read_as(house, "Ferroviola in ritardo ancora") == "negative"
    async with house.store.writing() as session:
        assert await rows.back(session, brand, house.now)
    assert await read_as(house, "Ferroviola, il mare") == "negative"
    async with house.store.writing() as session:
        assert not await rows.back(session, brand, house.now)


async def test_too_few_corrections_teach_nothing(house: House, reader: Reader):
    await taught(house, reader, 5)
    with pytest.raises(Refused, match="5 corrections"):
        await learning.learn(house.store, reader, house.brand(), house.catalogue.brands[house.brand()], house.now)


async def test_platforms_that_forbid_training_are_left_out(house: House, reader: Reader):
    await taught(house, reader, 24, platform="x")
    with pytest.raises(Refused, match="0 corrections"):
        await learning.learn(house.store, reader, house.brand(), house.catalogue.brands[house.brand()], house.now)


async def test_what_is_not_better_is_never_used(house: House):
    worse = Learned(
        brand_id=house.brand(), model="m", weights=b"", corrections=30, agreed=0, before=0.8, after=0.7, low=-0.2,
        high=0.0, better=False, learned_at=house.now,
    )  # fmt: skip
    with pytest.raises(Refused, match="not better"):
        await learning.use(house.store, worse, house.now)


async def test_what_was_learned_over_another_model_is_not_applied(house: House, reader: Reader):
    await taught(house, reader, 24)
    brand = house.brand()
    trial = await learning.learn(house.store, reader, brand, house.catalogue.brands[brand], house.now)
    await learning.use(house.store, trial, house.now)
    assert await Heads("fooled").now(house.store) != {}
    assert await Heads("another").now(house.store) == {}


def test_labels_and_readings_agree_on_their_order():
    assert [Reading.__struct_fields__[n] for n in (2, 3, 4)] == list(LABELS)


NIGHT = {"hours": 17}
"""From the test's morning to three o'clock at night in Rome."""


async def test_overnight_what_was_corrected_is_learned_used_and_said_in_the_digest(house: House, reader: Reader):
    await taught(house, reader, 30)
    assert await learning.overnight(house.store, reader, house.catalogue, house.now) == []  # by day
    house.later(**NIGHT)
    [learned] = await learning.overnight(house.store, reader, house.catalogue, house.now)
    assert learned.better
    kept = await house.get(Learned, learned.id)
    assert kept.used_at == house.now
    house.later(minutes=30)
    assert await learning.overnight(house.store, reader, house.catalogue, house.now) == []
    house.later(days=1)
    async with house.store.reading() as session:
        queue = house.catalogue.queues[house.catalogue.queues.id_of("trains")]
        period = digests.period_of("day", date(2026, 11, 24), house.now, queue.zone)
        lines = await digests.digest(house.turn(session), queue, period, translator("en"))
    assert [line for line in lines if line.startswith("Learned from 30 corrections:")]


async def test_who_went_back_is_not_overruled_without_new_corrections(house: House, reader: Reader):
    await taught(house, reader, 30)
    house.later(**NIGHT)
    await learning.overnight(house.store, reader, house.catalogue, house.now)
    async with house.store.writing() as session:
        await rows.back(session, house.brand(), house.now)
    house.later(days=1)
    assert await learning.overnight(house.store, reader, house.catalogue, house.now) == []


async def test_overnight_nothing_is_learned_where_a_platform_forbids_it(house: House, reader: Reader):
    await taught(house, reader, 30, platform="x")
    house.later(**NIGHT)
    assert await learning.overnight(house.store, reader, house.catalogue, house.now) == []
