"""The search of the web desk: cases by their number, by a word of a note and of what we answered."""

import pytest
from conftest import Harness

from models.tables.case import Case
from models.tables.reply import Reply
from publishing import replies
from triage import case_actions


async def found(desk, who: str, words: str) -> set[int]:
    """The numbers of the cases that the page of results leads to, or goes to at once."""
    browser = await desk.sign_in(who)
    async with browser.get("/mentions", params={"q": words}) as response:
        page, path = await response.text(), response.url.path
    numbers = {n for n in range(1, 12) if f'href="/cases/{n}"' in page.partition("<main")[2]}
    return {int(path.removeprefix("/cases/"))} if path.startswith("/cases/") else numbers


@pytest.fixture
async def cases(harness: Harness) -> list[Case]:
    """Seven, of as many authors; the fifth says a six."""
    for n in range(1, 8):
        text = "Ferroviola: 6 minuti, binario 6 (-)" if n == 5 else f"Ferroviola, {'abcdefgh'[n] * 9} pessimo (-)"
        await harness.case(text, f"a{n}")
    return await harness.cases()


@pytest.mark.parametrize("words", ["ZX81", "zx81", "ZX8", "targa ZX81"])
async def test_a_word_of_a_note_finds_its_case(desk, harness: Harness, cases: list[Case], words: str):
    await harness.do(case_actions.add_note, cases[2].id, harness.member("ana"), "targa ZX81, già chiamato")
    assert await found(desk, "bruno", words) == {cases[2].id}


@pytest.mark.parametrize("words", ["#6", " #6 "])
async def test_a_number_finds_the_case(desk, cases: list[Case], words: str):
    assert await found(desk, "ana", words) == {6}


async def test_a_number_of_no_case_finds_nothing(desk, cases: list[Case]):
    assert await found(desk, "ana", "#999") == set()


async def test_a_word_of_our_answer_finds_its_case(desk, harness: Harness, cases: list[Case]):
    ana = harness.member("ana")
    await harness.do(case_actions.claim, cases[3].id, ana)
    await harness.do(replies.save_draft, cases[3].id, ana, "Le mandiamo un buono pasto")
    await harness.do(replies.mark_answered, cases[3].id, ana)
    assert [reply.state for reply in await harness.all(Reply)] == ["published"]
    assert await found(desk, "bruno", "buono pasto") == {cases[3].id}


async def test_a_phrase_of_a_note_is_found_as_a_phrase(desk, harness: Harness, cases: list[Case]):
    await harness.do(case_actions.add_note, cases[0].id, harness.member("ana"), "chiamare il deposito domani")
    await harness.do(case_actions.add_note, cases[1].id, harness.member("ana"), "domani il deposito è chiuso")
    assert await found(desk, "bruno", '"deposito domani"') == {cases[0].id}


async def test_who_may_not_see_a_brand_finds_neither_its_notes_nor_its_numbers(
    desk, harness: Harness, cases: list[Case]
):
    await harness.do(case_actions.add_note, cases[2].id, harness.member("ana"), "targa ZX81")
    assert await found(desk, "piero", "ZX81") == set()
    browser = await desk.sign_in("piero")
    async with browser.get("/mentions", params={"q": "#6"}) as response:
        assert "pessimo" not in await response.text()
        assert 'href="/cases/6"' not in await response.text()
