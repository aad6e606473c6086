"""What somebody types, chooses or looks at is theirs, whatever colleagues, the network and the session do."""

import asyncio
import re
from typing import Any

import msgspec
import pytest
from browser_program import DESKTOP, PHONE, Program, browser, program

from ascolto.application import utc_now
from models.configuration import ConfigurationFile
from store import cases, sessions
from store.configuration import apply_changes
from triage import case_actions

__all__ = ["browser", "program"]
pytestmark = pytest.mark.browser
SLOW = 10_000
"""Milliseconds for what must happen."""


async def open_case(program: Program, text: str = "Ferroviola in ritardo, che vergogna!", author: str = "rita") -> int:
    before = {case.id for case in await all_cases(program)}
    program.square.post(id=f"{author}{len(before)}", text=text, author=author, followers=10, lang="it")
    for _ in range(200):
        new = [case.id for case in await all_cases(program) if case.id not in before]
        if new:
            return new[0]
        await asyncio.sleep(0.05)
    pytest.fail("no case was opened")


async def all_cases(program: Program) -> list[Any]:
    configuration = await program.app.application.configuration()
    async with program.app.application.store.reading() as session:
        brands = [number for number, _ in configuration.brands]
        return [s.case for s in await cases.list_cases(session, "queue", brands, 1, utc_now(), 3000)]


async def member(program: Program, slug: str) -> int:
    number = (await program.app.application.configuration()).members.id_of(slug)
    assert number is not None
    return number


async def do(program: Program, action: Any, *arguments: Any) -> Any:
    application = program.app.application
    configuration = await application.configuration()
    async with application.store.writing() as session:
        return await action(application.context(session, configuration), *arguments)


async def sign_in(program: Program, browser: Any, slug: str, **window: Any) -> Any:
    page = await (await browser.new_context(**(window or DESKTOP))).new_page()
    page.set_default_timeout(SLOW)
    await page.goto(await program.link(slug))
    await page.click("button")
    await page.wait_for_selector("#list")
    return page


async def claimed(
    program: Program, browser: Any, text: str = "Ferroviola in ritardo, che vergogna!"
) -> tuple[Any, int]:
    number = await open_case(program, text)
    page = await sign_in(program, browser, "ana")
    await page.goto(f"{program.app.web.address}/cases/{number}")
    await page.click(".claim")
    await page.wait_for_selector("#text")
    return page, number


async def test_a_second_approver_sees_the_case_and_can_approve(program: Program, browser: Any):
    configuration = await program.app.application.configuration()
    queue, dora = configuration.queues.by_slug("trains")[1], configuration.members.by_slug("bruno")[1]
    async with program.app.application.store.writing() as session:
        changes = ConfigurationFile(
            queues=(msgspec.structs.replace(queue, approvals=1),),
            members=(msgspec.structs.replace(dora, role="approver"),),
        )
        await apply_changes(session, changes, utc_now())
    page, number = await claimed(program, browser)
    await page.fill("#text", "Ci scusiamo molto. https://ferroviola.example/aiuto")
    await page.wait_for_selector(".saved:has-text('saved')")
    await page.click(".approve")
    await page.wait_for_selector(".pending")
    bruno = await sign_in(program, browser, "bruno")
    await bruno.goto(f"{program.app.web.address}/cases/{number}")
    await bruno.wait_for_selector("#checks .meta")
    await bruno.wait_for_timeout(500)
    assert await bruno.locator("article.case").count() == 1
    assert "Ci scusiamo" in await bruno.input_value("#text")
    await bruno.click(".approve")
    await bruno.wait_for_selector(".undo")


async def test_back_shows_the_whole_page(program: Program, browser: Any):
    first, second = await open_case(program), await open_case(program, "Ferroviola rimborso negato, pessimi!", "ugo")
    page = await sign_in(program, browser, "ana")
    for number in (first, second):
        await page.click(f"ol.cases a[data-case='{number}']")
        await page.wait_for_selector(f"article.case[data-case='{number}']")
    assert f"#{second}" in await page.title()
    await page.go_back()
    await page.wait_for_selector(f"article.case[data-case='{first}']")
    assert (await page.locator("header").count(), await page.locator("ol.cases a").count()) == (1, 2)
    assert f"#{first}" in await page.title()


async def test_a_note_and_a_choice_survive_what_colleagues_do(program: Program, browser: Any):
    number = await open_case(program)
    page = await sign_in(program, browser, "ana")
    await page.goto(f"{program.app.web.address}/cases/{number}")
    assign = page.locator("details.action:has(select[name='member'])").first
    if await assign.count() == 0:
        assign = page.locator("details.action").filter(has=page.locator("form[action$='/assign']")).first
    await assign.locator("summary").click()
    note = page.locator("form[action$='/note'] input").first
    await page.locator("details.action").filter(has=note).locator("summary").click()
    await note.fill("targa ZX81")
    await do(program, case_actions.claim, number, await member(program, "bruno"))
    await page.wait_for_selector(".chip.state:has-text('Bruno')")
    assert await note.input_value() == "targa ZX81"


async def test_the_place_in_the_list_is_kept(program: Program, browser: Any):
    for author, text in (
        ("ugo", "Ferroviola: bagni sporchi e guasti, una vergogna"),
        ("pia", "Mi avete rubato i soldi del biglietto, Ferroviola pessima"),
        ("leo", "Ferroviola, il controllore era maleducato e arrogante"),
        ("eva", "Due ore ferma in stazione senza notizie, Ferroviola incapaci"),
    ):
        await open_case(program, text, author)
    page = await sign_in(program, browser, "ana")
    row = page.locator("ol.cases a").nth(2)
    number = await row.get_attribute("data-case")
    await row.focus()
    await open_case(program, "Ferroviola mi nega il rimborso da tre mesi, schifo", "zoe")
    await page.locator("ol.cases a").nth(4).wait_for()
    assert await page.evaluate("document.activeElement.dataset.case") == number


async def test_nothing_is_called_saved_that_is_not_and_it_is_saved_afterwards(program: Program, browser: Any):
    page, _ = await claimed(program, browser)
    await page.fill("#text", "Ci scusiamo.")
    await page.wait_for_selector(".saved:has-text('saved')")
    await page.context.set_offline(True)
    await page.type("#text", " E ora altro ancora.")
    await page.wait_for_selector(".saved:has-text('not saved')")
    await page.context.set_offline(False)
    await page.locator("#checks .saved", has_text=re.compile("^saved$")).wait_for(timeout=20_000)
    await page.reload()
    assert "altro ancora" in await page.input_value("#text")


async def test_a_session_that_ends_takes_no_text(program: Program, browser: Any):
    page, number = await claimed(program, browser)
    async with program.app.application.store.writing() as session:
        await sessions.revoke(session, await member(program, "ana"), utc_now())
    await page.fill("#text", "Mezz'ora di lavoro, già scritta.")
    await page.wait_for_selector("#signed-out:visible")
    assert await page.input_value("#text") == "Mezz'ora di lavoro, già scritta."
    assert await page.locator("#offline:visible").count() == 0
    again = await page.context.new_page()
    await again.goto(await program.link("ana"))
    await again.click("button")
    await again.wait_for_selector("#list")
    await again.goto(f"{program.app.web.address}/cases/{number}")
    await again.click(".kept button")
    assert await again.input_value("#text") == "Mezz'ora di lavoro, già scritta."


async def test_words_stay_readable_when_a_colleague_gets_the_case(program: Program, browser: Any):
    page, number = await claimed(program, browser)
    await page.fill("#text", "Quello che stavo scrivendo")
    await page.wait_for_selector(".saved:has-text('saved')")
    lidia = await member(program, "lidia")
    await do(program, case_actions.assign, number, lidia, "bruno")
    await page.wait_for_selector(".held")
    assert await page.input_value(".kept textarea") == "Quello che stavo scrivendo"


async def test_a_suggestion_can_be_taken_back(program: Program, browser: Any):
    page, _ = await claimed(program, browser)
    await page.fill("#text", "Scritto a mano")
    await page.click(".suggestion")
    assert await page.input_value("#text") != "Scritto a mano"
    await page.keyboard.press("Control+z")
    assert await page.input_value("#text") == "Scritto a mano"


async def test_seven_tabs_load_and_all_are_told(program: Program, browser: Any):
    page = await sign_in(program, browser, "ana")
    tabs = [await page.context.new_page() for _ in range(7)]
    for tab in tabs:
        await tab.goto(program.app.web.address, timeout=SLOW)
    await open_case(program)
    for tab in tabs:
        await tab.wait_for_selector("ol.cases a", timeout=SLOW)


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_the_view_is_in_the_address(program: Program, browser: Any, window: dict[str, Any]):
    number = await open_case(program)
    await do(program, case_actions.claim, number, await member(program, "ana"))
    page = await sign_in(program, browser, "ana", **window)
    await page.goto(f"{program.app.web.address}/?view=mine")
    await page.click("ol.cases a")
    await page.wait_for_selector("article.case")
    await page.reload()
    assert await page.locator(".views a[aria-current]").get_attribute("href") == "/?view=mine"
    if window is PHONE:
        await page.click(".back")
    else:
        await page.keyboard.press("Escape")
    await page.wait_for_url("**/?view=mine")


async def test_single_letters_can_be_turned_off(program: Program, browser: Any):
    number = await open_case(program)
    page = await sign_in(program, browser, "ana")
    await page.goto(f"{program.app.web.address}/me")
    await page.uncheck("#shortcuts-on")
    await page.goto(f"{program.app.web.address}/cases/{number}")
    await page.keyboard.press("c")
    await page.wait_for_timeout(500)
    assert await page.locator(".claim").count() == 1
    await page.goto(f"{program.app.web.address}/me")
    await page.check("#shortcuts-on")
    await page.goto(f"{program.app.web.address}/cases/{number}")
    await page.keyboard.press("C")
    await page.wait_for_selector("#text")


@pytest.mark.parametrize("path", ["/", "/mentions", "/cases/1", "/digest", "/me", "/status", "/open"])
async def test_a_page_is_as_wide_as_a_phone(program: Program, browser: Any, path: str):
    handle = "mariagiovanna.bianchi.lunghissima.ancora@pendolari-lombardia.social.example"
    await open_case(program, "Ferroviola in ritardo, che vergogna!", handle)
    page = await sign_in(program, browser, "ana", **PHONE)
    await page.goto(program.app.web.address + path)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_what_happened_is_said_in_italian_letters(program: Program, browser: Any):
    number = await open_case(program)
    page = await sign_in(program, browser, "bruno")
    await page.goto(f"{program.app.web.address}/cases/{number}")
    await page.click(".claim")
    toast = page.locator(".toast").first
    await toast.wait_for()
    assert "\\" not in await toast.inner_text()
