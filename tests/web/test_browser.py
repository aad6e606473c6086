"""The web desk as a person uses it: a real browser, on a desktop and on a phone, against the whole running program."""

import pytest
from browser_program import DESKTOP, PHONE, SCREENSHOTS, Program, browser, program

__all__ = ["browser", "program"]
pytestmark = pytest.mark.browser


class Screen:
    """One window; errors of the page and requests beyond this machine are recorded."""

    def __init__(self, page, name: str) -> None:
        self.page = page
        self.name = name
        self.errors: list[str] = []
        self.foreign_requests: list[str] = []
        self._screenshots = 0
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: self._record_foreign(request.url))

    def _record_foreign(self, url: str) -> None:
        if "127.0.0.1" not in url:
            self.foreign_requests.append(url)

    async def screenshot(self) -> None:
        self._screenshots += 1
        if SCREENSHOTS:
            await self.page.screenshot(path=f"{SCREENSHOTS}/{self.name}-{self._screenshots}.png")

    async def assert_fits(self) -> None:
        content, window = await self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert content <= window, f"{self.page.url} is {content} wide in a window of {window}"


async def open_desk(browser, program: Program, name: str, window: dict, slug: str = "ana") -> Screen:
    context = await browser.new_context(**window)
    screen = Screen(await context.new_page(), name)
    await screen.page.goto(await program.link(slug))
    await screen.page.click("button")
    await screen.page.wait_for_selector("#list")
    return screen


@pytest.mark.parametrize(("name", "window"), [("desktop", DESKTOP), ("phone", PHONE)])
async def test_claim_edit_approve_publish(browser, program: Program, name: str, window: dict):
    screen = await open_desk(browser, program, name, window)
    page = screen.page
    program.square.post(
        id="p1",
        author="rita",
        followers=1200,
        text="Vorrei abbonarmi a Ferroviola, ma il sito è in ritardo di un'ora",
        lang="it",
    )
    line = page.locator("ol.cases a", has_text="@rita")
    await line.wait_for()  # without a reload
    await screen.screenshot()
    await line.click()
    await page.click(".claim")
    text = page.locator("#text")
    await text.wait_for()
    await screen.screenshot()
    await text.fill("@rita ci scusiamo: si può abbonare qui, https://ferroviola.example/aiuto")
    await page.wait_for_selector("#checks .meta")
    await screen.screenshot()
    await screen.assert_fits()
    await page.click(".approve")
    await page.locator(".undo", has_text="(").wait_for()  # the seconds are counted down
    assert program.square.replies == []
    await screen.screenshot()
    receipt = page.locator("a.receipt")
    await receipt.wait_for(timeout=20_000)
    await screen.screenshot()
    assert [reply.text for reply in program.square.replies] == [
        "@rita ci scusiamo: si può abbonare qui, https://ferroviola.example/aiuto"
    ]
    assert await receipt.get_attribute("href") == program.square.replies[0].url
    # In a tab of its own: leaving a page cuts off its open requests, which the browser reports as errors.
    other = Screen(await page.context.new_page(), f"{name}-pages")
    for path in ("/digest", "/status", "/mentions?q=abbonarmi", "/open", "/me", "/?view=done"):
        await other.page.goto(program.app.web.address + path)
        await other.assert_fits()
        await other.screenshot()
    assert screen.errors + other.errors == []
    assert screen.foreign_requests + other.foreign_requests == []


async def test_everything_works_with_the_keyboard_alone(browser, program: Program):
    for number in range(3):
        program.square.post(
            id=f"p{number}", author=f"a{number}", text=f"vorrei abbonarmi a ferroviola, numero {number}", lang="it"
        )
    screen = await open_desk(browser, program, "keys", DESKTOP)
    page, keys = screen.page, screen.page.keyboard
    await page.locator("ol.cases a").nth(2).wait_for()
    await keys.press("j")
    await page.wait_for_selector(".claim")
    await keys.press("c")
    await page.wait_for_selector("#text")
    await keys.press("r")
    await keys.type("Gentile cliente, ecco: https://ferroviola.example")
    await page.wait_for_selector("#checks .meta")
    await keys.press("Control+Enter")
    await page.wait_for_selector(".undo")
    await page.locator("body").press("u")
    await page.wait_for_selector("#text")
    assert "Gentile cliente" in await page.input_value("#text")
    await page.locator("body").press("n")
    await keys.type("una nota tra noi")
    await keys.press("Enter")
    await page.wait_for_selector(".history .noted")
    await page.locator("body").press("d")
    await keys.press("Enter")
    await page.locator(".chip.state", has_text="dismissed").wait_for()
    assert program.square.replies == []
    assert screen.errors == []


async def test_typed_text_survives_events_and_a_lost_connection(browser, program: Program):
    program.square.post(id="p1", author="rita", text="vorrei abbonarmi a ferroviola", lang="it")
    screen = await open_desk(browser, program, "typing", DESKTOP)
    page = screen.page
    await page.locator("ol.cases a").first.click()
    await page.click(".claim")
    await page.fill("#text", "Sto scriv")
    await page.focus("#text")
    program.square.post(id="p2", author="rita", text="vorrei abbonarmi a ferroviola, allora?", lang="it", parent="p1")
    await page.locator("ol.thread li").nth(1).wait_for()
    await page.keyboard.press("End")
    await page.keyboard.type("endo")
    assert await page.input_value("#text") == "Sto scrivendo"
    await page.context.set_offline(True)
    await page.wait_for_selector("#offline:not([hidden])", timeout=20_000)
    await page.context.set_offline(False)
    await page.wait_for_selector("#offline", state="hidden", timeout=20_000)
    assert await page.input_value("#text") == "Sto scrivendo"


async def test_a_claim_is_seen_at_once_in_another_members_browser(browser, program: Program):
    program.square.post(id="p1", author="rita", text="vorrei abbonarmi a ferroviola", lang="it")
    ana = await open_desk(browser, program, "ana", DESKTOP)
    bruno = await open_desk(browser, program, "bruno", DESKTOP, "bruno")
    for screen in (ana, bruno):
        await screen.page.locator("ol.cases a").first.click()
        await screen.page.wait_for_selector(".claim")
    await ana.page.click(".claim")
    await bruno.page.locator(".editor", has_text="Ana").wait_for()
    assert await bruno.page.locator(".claim").count() == 0
