"""The web desk as a person uses it: a real browser, on a desktop and on a phone, against the whole running program."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conftest import CONTENTS, needed

from ascolto.app import App
from ascolto.demo.square import Square
from ascolto.house import utc_now
from config.settings import Settings
from config.settings import Square as SquareSection
from config.settings import Store as StoreSection
from config.settings import Web as WebSection
from store import catalogue, members
from store.schema import prepare

playwright = needed("playwright.async_api", "Playwright is not installed: pip install 'ascolto[browser]'")
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None and "playwright.async_api" not in os.environ.get("ASCOLTO_REQUIRED", ""):
    pytest.skip("there is no chromium on this machine: apt-get install chromium", allow_module_level=True)
pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP = {"viewport": {"width": 1280, "height": 850}}
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True, "color_scheme": "dark"}
PICTURES = os.environ.get("ASCOLTO_PICTURES", "")
"""A folder where each step leaves a picture to look at."""


class Town:
    """The program, the square, and a link for Ana."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.square = Square(utc_now)

    async def __aenter__(self):
        await self.square.start()
        self.settings = Settings(
            store=StoreSection(path=self.folder / "ascolto.db"),
            web=WebSection(port=0),
            connections=(SquareSection(name="square", platform="square", url=self.square.url),),
        )
        prepare(self.settings.store.path)
        self.app = App(self.settings)
        await self.app.start()
        async with self.app.house.store.writing() as session:
            await catalogue.apply(session, CONTENTS, utc_now())
        return self

    async def __aexit__(self, *_error) -> None:
        await self.app.stop()
        await self.square.stop()

    async def link(self, slug: str) -> str:
        async with self.app.house.store.writing() as session:
            known = await catalogue.load(session)
            return f"{self.app.web.address}/enter/{await members.invite(session, known.members.id_of(slug), utc_now())}"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town(tmp_path) as town:
        yield town


@pytest.fixture
async def browser():
    async with playwright.async_playwright() as library:
        browser = await library.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


class Screen:
    """One window; complaints of the page and requests beyond this machine are kept."""

    def __init__(self, page, name: str) -> None:
        self.page = page
        self.name = name
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self._taken = 0
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: self.strangers.append(asked.url) if "127.0.0.1" not in asked.url else None)

    async def picture(self) -> None:
        self._taken += 1
        if PICTURES:
            await self.page.screenshot(path=f"{PICTURES}/{self.name}-{self._taken}.png")

    async def fits(self) -> None:
        width, shown = await self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert width <= shown, f"{self.page.url} is {width} wide on a window of {shown}"


async def open_desk(browser, town: Town, name: str, window: dict, slug: str = "ana") -> Screen:
    context = await browser.new_context(**window)
    screen = Screen(await context.new_page(), name)
    await screen.page.goto(await town.link(slug))
    await screen.page.click("button")
    await screen.page.wait_for_selector("#list")
    return screen


@pytest.mark.parametrize(("name", "window"), [("desktop", DESKTOP), ("phone", PHONE)])
async def test_claim_edit_approve_published(browser, town: Town, name: str, window: dict):
    screen = await open_desk(browser, town, name, window)
    page = screen.page
    town.square.post(
        id="p1",
        author="rita",
        followers=1200,
        text="Vorrei abbonarmi a Ferroviola, ma il sito è in ritardo di un'ora",
        lang="it",
    )
    line = page.locator("ol.cases a", has_text="@rita")
    await line.wait_for()  # it came by itself: nobody reloaded
    await screen.picture()
    await line.click()
    await page.click(".claim")
    text = page.locator("#text")
    await text.wait_for()
    await screen.picture()
    await text.fill("@rita ci scusiamo: si può abbonare qui, https://ferroviola.example/aiuto")
    await page.wait_for_selector("#checks .meta")
    await screen.picture()
    await screen.fits()
    await page.click(".approve")
    await page.locator(".undo", has_text="(").wait_for()  # the seconds are counted
    assert town.square.said == []
    await screen.picture()
    receipt = page.locator("a.receipt")
    await receipt.wait_for(timeout=20_000)
    await screen.picture()
    assert [said.text for said in town.square.said] == [
        "@rita ci scusiamo: si può abbonare qui, https://ferroviola.example/aiuto"
    ]
    assert await receipt.get_attribute("href") == town.square.said[0].url
    # In a tab of their own: whoever leaves a page cuts off what it was asking for, and the browser says so.
    other = Screen(await page.context.new_page(), f"{name}-pages")
    for path in ("/digest", "/sources", "/mentions?q=abbonarmi", "/open", "/me", "/?view=done"):
        await other.page.goto(town.app.web.address + path)
        await other.fits()
        await other.picture()
    assert screen.complaints + other.complaints == []
    assert screen.strangers + other.strangers == []


async def test_with_the_keyboard_alone(browser, town: Town):
    for number in range(3):
        town.square.post(
            id=f"p{number}", author=f"a{number}", text=f"vorrei abbonarmi a ferroviola, numero {number}", lang="it"
        )
    screen = await open_desk(browser, town, "keys", DESKTOP)
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
    assert town.square.said == []
    assert screen.complaints == []


async def test_what_is_being_typed_survives_news_and_a_lost_connection(browser, town: Town):
    town.square.post(id="p1", author="rita", text="vorrei abbonarmi a ferroviola", lang="it")
    screen = await open_desk(browser, town, "typing", DESKTOP)
    page = screen.page
    await page.locator("ol.cases a").first.click()
    await page.click(".claim")
    await page.fill("#text", "Sto scriv")
    await page.focus("#text")
    town.square.post(id="p2", author="rita", text="vorrei abbonarmi a ferroviola, allora?", lang="it", parent="p1")
    await page.locator("ol.thread li").nth(1).wait_for()
    await page.keyboard.press("End")
    await page.keyboard.type("endo")
    assert await page.input_value("#text") == "Sto scrivendo"
    await page.context.set_offline(True)
    await page.wait_for_selector("#lost:not([hidden])", timeout=20_000)
    await page.context.set_offline(False)
    await page.wait_for_selector("#lost", state="hidden", timeout=20_000)
    assert await page.input_value("#text") == "Sto scrivendo"


async def test_two_managers_see_each_other_at_once(browser, town: Town):
    town.square.post(id="p1", author="rita", text="vorrei abbonarmi a ferroviola", lang="it")
    ana = await open_desk(browser, town, "ana", DESKTOP)
    bruno = await open_desk(browser, town, "bruno", DESKTOP, "bruno")
    for screen in (ana, bruno):
        await screen.page.locator("ol.cases a").first.click()
        await screen.page.wait_for_selector(".claim")
    await ana.page.click(".claim")
    await bruno.page.locator(".editor", has_text="Ana").wait_for()
    await asyncio.sleep(0)
    assert await bruno.page.locator(".claim").count() == 0
