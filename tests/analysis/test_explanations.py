"""Which words influenced the sentiment, computed after the classification and shown on the card."""

import sqlite3
from contextlib import closing

import pytest
from conftest import Harness
from sqlalchemy import select

from analysis.explanations import Explainer
from cards.case_view import CaseView, case_view
from languages import translator
from models.incoming import Deletion
from models.sentiment import Influence
from models.tables.mention import InfluentialWord, MentionBrand
from store import erasure
from triage import labels


class FirstWordReader:
    """Explains a sentiment by the first word, and records the texts."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def explain(self, text: str, language: str, sentiment: str) -> list[Influence]:
        self.texts.append(text)
        return [Influence(text.split(maxsplit=1)[0], 1.5)]


@pytest.fixture
def reader() -> FirstWordReader:
    return FirstWordReader()


async def view(harness: Harness, case_id: int) -> CaseView:
    async with harness.store.reading() as session:
        return await case_view(harness.context(session), case_id)


async def test_the_card_shows_the_words_that_influenced_the_sentiment(harness: Harness, reader: FirstWordReader):
    case = await harness.case("Pessimo Ferroviola (-)")
    before = await view(harness, case.id)
    explainer = Explainer(harness.store, reader)
    assert await explainer.explain_batch(harness.now) == 1
    after = await view(harness, case.id)
    assert before.latest.match.influential_words is None
    assert after.latest.match.influential_words == (InfluentialWord("Pessimo", 1.5),)
    assert after.revision == before.revision + 1  # so that every desk updates the card
    assert await explainer.explain_batch(harness.now) == 0
    assert reader.texts == ["Pessimo Ferroviola (-)"]


async def test_a_mention_without_a_case_is_not_explained(harness: Harness, reader: FirstWordReader):
    await harness.receive(harness.post("Ferroviola (+)"))
    await harness.analyze()
    assert await Explainer(harness.store, reader).explain_batch(harness.now) == 0


async def test_a_deletion_erases_the_words(harness: Harness, reader: FirstWordReader):
    post = harness.post("Pessimo Ferroviola (-)")
    await harness.receive(post)
    await harness.analyze()
    explainer = Explainer(harness.store, reader)
    await explainer.explain_batch(harness.now)
    [match] = await _matches(harness)
    assert match.influential_words
    async with harness.store.writing() as session:
        await erasure.erase_deleted(session, Deletion(platform="square", native_id=post.native_id), harness.now)
    [match] = await _matches(harness)
    assert match.influential_words == ()
    assert await explainer.explain_batch(harness.now) == 0


async def test_a_post_edited_during_the_explanation_does_not_get_the_old_words(harness: Harness):
    case = await harness.case("Pessimo Ferroviola (-)")

    class EditingReader:
        def explain(self, *_: object) -> list[InfluentialWord]:
            with closing(sqlite3.connect(harness.store.path)) as database, database:
                database.execute("UPDATE mention SET text = 'Ferroviola, ho sbagliato io'")
            return [InfluentialWord("Pessimo", 1.5)]

    await Explainer(harness.store, EditingReader()).explain_batch(harness.now)
    [match] = await _matches(harness)
    assert match.influential_words is None
    assert not (await view(harness, case.id)).latest.match.influential_words


async def test_in_a_flood_no_card_is_updated_for_its_words_alone(harness: Harness, reader: FirstWordReader):
    case = await harness.case("Pessimo Ferroviola (-)")
    before = (await view(harness, case.id)).revision
    harness.advance(seconds=6)
    await Explainer(harness.store, reader).explain_batch(harness.now)
    after = await view(harness, case.id)
    assert after.revision == before
    assert after.latest.match.influential_words


def test_words_are_shown_without_punctuation_and_once():
    words = (
        InfluentialWord("Pessimo,", 2.0),
        InfluentialWord("pessimo", 1.0),
        InfluentialWord("Pessimo", 0.5),
        InfluentialWord("👎", 0.4),
        InfluentialWord("!!", 0.2),
    )
    shown = labels.influential_words(words)
    assert shown == "Pessimo, pessimo, 👎, !!"
    assert "Pessimo" in translator("it")("Words that influenced the sentiment: {words}", words=shown)


async def _matches(harness: Harness) -> list[MentionBrand]:
    async with harness.store.reading() as session:
        return list(await session.scalars(select(MentionBrand)))
