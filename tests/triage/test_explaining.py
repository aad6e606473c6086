"""Why the reader read what it read, found after the reading and shown on the card."""

import sqlite3
from contextlib import closing

import pytest
from conftest import House
from sqlalchemy import select

from languages import translator
from models.mention import MentionBrand, MovedBy
from models.post import Deletion
from models.sentiment import Moved
from store import mentions
from triage import wording
from triage.card import card
from triage.explaining import Explainer


class Pointing:
    """Says that the first word did it, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def why(self, text: str, language: str, sentiment: str) -> list[Moved]:
        self.asked.append(text)
        return [Moved(text.split(maxsplit=1)[0], 1.5)]


@pytest.fixture
def pointing() -> Pointing:
    return Pointing()


async def shown(house: House, case_id: int):
    async with house.store.reading() as session:
        return await card(house.turn(session), case_id)


async def test_the_card_says_which_words_moved_the_reader(house: House, pointing: Pointing):
    case = await house.case("Pessimo Ferroviola (-)")
    before = await shown(house, case.id)
    explainer = Explainer(house.store, pointing)
    assert await explainer.explain_batch(house.now) == 1
    after = await shown(house, case.id)
    assert (before.latest.moved, after.latest.moved) == ((), (MovedBy("Pessimo", 1.5),))
    assert after.revision == before.revision + 1  # so that every desk draws it again
    assert await explainer.explain_batch(house.now) == 0
    assert pointing.asked == ["Pessimo Ferroviola (-)"]


async def test_what_nobody_has_to_look_at_is_not_explained(house: House, pointing: Pointing):
    await house.hear(house.post("Ferroviola (+)"))
    await house.read()
    assert await Explainer(house.store, pointing).explain_batch(house.now) == 0


async def test_an_edit_is_explained_anew_and_a_deletion_forgets_the_words(house: House, pointing: Pointing):
    post = house.post("Pessimo Ferroviola (-)")
    await house.hear(post)
    await house.read()
    explainer = Explainer(house.store, pointing)
    await explainer.explain_batch(house.now)
    [read] = await _reads(house)
    assert read.moved
    async with house.store.writing() as session:
        await mentions.empty(session, Deletion(platform="square", native_id=post.native_id), house.now)
    [read] = await _reads(house)
    assert read.moved == ()
    assert await explainer.explain_batch(house.now) == 0


async def test_what_is_edited_while_we_look_is_not_explained_with_the_old_words(house: House):
    case = await house.case("Pessimo Ferroviola (-)")
    [read] = await _reads(house)

    class Editing:
        def why(self, *_: object) -> list[MovedBy]:
            with closing(sqlite3.connect(house.store.path)) as database, database:
                database.execute("UPDATE mention SET text = 'Ferroviola, ho sbagliato io'")
            return [MovedBy("Pessimo", 1.5)]

    await Explainer(house.store, Editing()).explain_batch(house.now)
    [read] = await _reads(house)
    assert read.moved is None
    assert (await shown(house, case.id)).latest.moved == ()


async def test_in_a_flood_no_card_is_drawn_again_for_its_words_alone(house: House, pointing: Pointing):
    case = await house.case("Pessimo Ferroviola (-)")
    before = (await shown(house, case.id)).revision
    house.later(seconds=6)
    await Explainer(house.store, pointing).explain_batch(house.now)
    after = await shown(house, case.id)
    assert after.revision == before
    assert after.latest.moved


def test_words_are_shown_bare_and_once():
    words = (
        MovedBy("Pessimo,", 2.0),
        MovedBy("pessimo", 1.0),
        MovedBy("Pessimo", 0.5),
        MovedBy("👎", 0.4),
        MovedBy("!!", 0.2),
    )
    assert wording.moved(words) == "Pessimo, pessimo, 👎, !!"
    assert "Pessimo" in translator("it")("The reader was moved by: {words}", words=wording.moved(words))


async def _reads(house: House) -> list[MentionBrand]:
    async with house.store.reading() as session:
        return list(await session.scalars(select(MentionBrand)))
