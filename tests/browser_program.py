"""The whole program with a square to listen to, and a real browser, for tests that use it as a person does."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conftest import CONFIGURATION, needed

from ascolto.app import App
from ascolto.application import utc_now
from ascolto.demo.square import Square
from config.connections import Square as SquareSection
from config.settings import Settings
from config.settings import Store as StoreSection
from config.settings import Web as WebSection
from store import sessions
from store.configuration import apply_changes
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
SCREENSHOTS = os.environ.get("ASCOLTO_SCREENSHOTS", "")
"""A folder where each step leaves a screenshot to look at."""


class Program:
    """The whole program listening to the square, and links to sign in."""

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
        async with self.app.application.store.writing() as session:
            await apply_changes(session, CONFIGURATION, utc_now())
        return self

    async def __aexit__(self, *_error) -> None:
        await self.app.stop()
        await self.square.stop()

    async def link(self, slug: str) -> str:
        configuration = await self.app.application.configuration()
        async with self.app.application.store.writing() as session:
            token = await sessions.create_link(session, configuration.members.id_of(slug), utc_now())
        return f"{self.app.web.address}/sign_in/{token}"


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[Program]:
    async with Program(tmp_path) as program:
        yield program


@pytest.fixture
async def browser():
    async with playwright.async_playwright() as library:
        browser = await library.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()
