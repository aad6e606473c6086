"""What is typed into the search finds what people mean by it: an emoji, a phrase, an unfinished word."""

import pytest
from conftest import Harness

from models.incoming import Deletion
from models.tables.mention import Mention
from store.erasure import erase_deleted
from store.mentions import MatchedPost, search, write_edit

POSTS = {
    "train": "Ferroviola in ritardo 🚆 anche oggi",
    "trains": "🚆🚆 Ferroviola",
    "joined": "Ferroviola🚆bella",
    "heart": "Ferroviola ti amo ❤️",
    "thumb": "Ferroviola 👍🏽",
    "flag": "Ferroviola 🇮🇹 puntuale",
    "fire": "Ferroviola ha preso fuoco a Bologna",
    "afire": "Ferroviola: fuoco e fiamme, preso il biglietto",
    "late": "Ferroviola così tardi, non ci sto",
    "romanian": "Ferroviola întârzie în Ţară și atât",
    "six": "Ferroviola: 6 minuti, binario 6",
}


@pytest.fixture
async def stored(harness: Harness) -> Harness:
    await harness.receive(*(harness.post(text, native_id=name) for name, text in POSTS.items()))
    return harness


async def found(harness: Harness, words: str) -> set[str]:
    """The names of the posts above."""
    async with harness.store.reading() as session:
        rows = await search(session, words, [harness.brand()])
    return {mention.native_id for mention, _, _ in rows}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("🚆", {"train", "trains", "joined"}),
        ("🚆🚆", {"trains"}),
        ("ritardo 🚆", {"train"}),
        ("🚆 ritardo", {"train"}),
        ("❤️", {"heart"}),
        ("❤", {"heart"}),
        ("👍🏽", {"thumb"}),
        ("👍", {"thumb"}),
        ("🇮🇹", {"flag"}),
        ("🚆 ❤️", set()),
        ("🚀", set()),
        ('"🚆"', {"train", "trains", "joined"}),
    ],
)
async def test_an_emoji_finds_the_posts_with_it(stored: Harness, words: str, names: set[str]):
    assert await found(stored, words) == names


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ('"preso fuoco"', {"fire"}),
        ('"PRESO FUOCO"', {"fire"}),
        ("“preso fuoco”", {"fire"}),
        ("«preso fuoco»", {"fire"}),
        ("„preso fuoco”", {"fire"}),
        ('"fuoco preso"', set()),
        ('"preso fuoco" bologna', {"fire"}),
        ('bologna "preso fuoco"', {"fire"}),
        ('"preso fuoco" milano', set()),
        ('"cosi tardi"', {"late"}),
        ('"così tardi, non"', {"late"}),
        ('"in țară și"', {"romanian"}),
        ("preso fuoco", {"fire", "afire"}),
    ],
)
async def test_an_exact_phrase_finds_the_posts_that_say_it(stored: Harness, words: str, names: set[str]):
    assert await found(stored, words) == names


@pytest.mark.parametrize(
    ("words", "names"),
    [("ritar", {"train"}), ("bolog", {"fire"}), ("tara", {"romanian"}), ("TARĂ", {"romanian"}), ("6", {"six"})],
)
async def test_a_word_is_found_in_any_spelling_and_unfinished(stored: Harness, words: str, names: set[str]):
    assert await found(stored, words) == names


@pytest.mark.parametrize(
    "words", ["", " ", "!!!", '"', '""', "«»", "*", "%", "_", "(", "NEAR/5", "^", "\\", "-", '" " "']
)
async def test_signs_alone_find_nothing_and_are_no_error(stored: Harness, words: str):
    assert await found(stored, words) <= {"six"}  # NEAR/5 may be read as a word and a number


async def test_an_unclosed_quote_still_finds_what_it_says(stored: Harness):
    assert {"fire"} <= await found(stored, '"preso fuoco') <= {"fire", "afire"}


async def test_what_was_deleted_or_edited_away_is_not_found_by_its_emoji(stored: Harness):
    async with stored.store.writing() as session:
        await erase_deleted(session, Deletion(platform="square", native_id="train"), stored.now)
        edited = stored.post("Ferroviola senza", native_id="trains")
        await write_edit(session, "square", MatchedPost(edited, ()), stored.now)
    assert await found(stored, "🚆") == {"joined"}


async def test_another_brands_posts_are_not_found_by_their_emoji(stored: Harness):
    await stored.receive(stored.post("Panegrano 🚆", native_id="bread"), brand="panegrano")
    assert await found(stored, "🚆") == {"train", "trains", "joined"}
    assert len(await stored.all(Mention)) == len(POSTS) + 1
