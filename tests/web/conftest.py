"""The web desk on a free port, and browsers of members as aiohttp sees them."""

from dataclasses import dataclass, field

import aiohttp
import pytest
from conftest import House

from models.catalogue import Catalogue
from models.post import Post
from store import members
from triage.matching import Matching
from web.server import WebDesk


@dataclass(frozen=True)
class Settings:
    host: str = "127.0.0.1"
    port: int = 0
    allowed_hosts: tuple[str, ...] = ()
    public_url: str = ""


class RunningHouse:
    """The test house in the shape that the web desk is handed."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.store = house.store
        self.turn = lambda session, _catalogue: house.turn(session)
        self.proofreader = None

    def now(self):
        return self.house.now

    async def catalogue(self) -> Catalogue:
        return self.house.catalogue

    async def matching(self) -> Matching:
        return Matching(self.house.catalogue)


@dataclass
class Desk:
    house: House
    web: WebDesk
    findable: dict[str, Post] = field(default_factory=dict)
    open: list[aiohttp.ClientSession] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.web.address

    async def link(self, slug: str) -> str:
        async with self.house.store.writing() as session:
            return f"{self.url}/enter/{await members.invite(session, self.house.member(slug), self.house.now)}"

    def browser(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            self.url, cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Origin": self.url, "HX-Request": "true"}
        )
        self.open.append(session)
        return session

    async def enter(self, slug: str) -> aiohttp.ClientSession:
        browser = self.browser()
        async with browser.post(await self.link(slug), allow_redirects=False) as answer:
            assert answer.status == 303
        return browser


@pytest.fixture
async def desk(house: House):
    findable: dict[str, Post] = {}

    async def find(url: str, _brand: str) -> Post | None:
        return findable.get(url)

    web = WebDesk(RunningHouse(house), Settings(), find)
    await web.start()
    desk = Desk(house, web, findable)
    yield desk
    for browser in desk.open:
        await browser.close()
    await web.stop()
