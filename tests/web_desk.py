"""The web desk on a free port, and browsers of members as aiohttp sees them."""

from dataclasses import dataclass, field

import aiohttp
import pytest
from conftest import Harness

from models.configuration import Configuration
from models.incoming import IncomingPost
from publishing.grammar import GrammarChecker
from store import sessions
from web.server import WebDesk


@dataclass(frozen=True)
class Settings:
    host: str = "127.0.0.1"
    port: int = 0
    allowed_hosts: tuple[str, ...] = ()
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()


class RunningApplication:
    """The test harness in the shape that the web desk needs (web.viewer.Application)."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.store = harness.store
        self.context = lambda session, _configuration: harness.context(session)
        self.grammar: GrammarChecker | None = None
        self.owners: dict[str, str] = {}

    def may_concern(self, connection: str, brand: str) -> bool:
        return self.owners.get(connection, brand) == brand

    def now(self):
        return self.harness.now

    async def configuration(self) -> Configuration:
        return self.harness.configuration


@dataclass
class Desk:
    harness: Harness
    application: RunningApplication
    web: WebDesk
    posts: dict[str, IncomingPost] = field(default_factory=dict)
    """The posts that the platforms return, by permalink."""
    browsers: list[aiohttp.ClientSession] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.web.address

    async def link(self, slug: str) -> str:
        async with self.harness.store.writing() as session:
            token = await sessions.create_link(session, self.harness.member(slug), self.harness.now)
        return f"{self.url}/sign_in/{token}"

    def browser(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            self.url, cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Origin": self.url, "HX-Request": "true"}
        )
        self.browsers.append(session)
        return session

    async def sign_in(self, slug: str) -> aiohttp.ClientSession:
        browser = self.browser()
        async with browser.post(await self.link(slug), allow_redirects=False) as response:
            assert response.status == 303
        return browser


@pytest.fixture
async def desk(harness: Harness):
    posts: dict[str, IncomingPost] = {}

    async def find_post(url: str, _brand: str) -> IncomingPost | None:
        return posts.get(url)

    application = RunningApplication(harness)
    web = WebDesk(application, Settings(), find_post)
    await web.start()
    desk = Desk(harness, application, web, posts)
    yield desk
    for browser in desk.browsers:
        await browser.close()
    await web.stop()
