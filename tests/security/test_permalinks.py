"""A permalink opens what the platform shows to everybody, or what one's own brand has; nothing that another brand holds."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from conftest import CONFIGURATION, NOW, Harness
from web_desk import Desk

from ascolto.app import App
from ascolto.application import Application
from config.settings import Settings, Store
from models.configuration import Chat, ConfigurationFile
from models.incoming import IncomingAuthor, IncomingPost
from models.sentiment import load
from store.configuration import apply_changes

URL = "https://forum.example/t/77"
SECRET = "BYHANDSECRET"


async def only(harness: Harness, member: str, brand: str) -> None:
    entry = harness.configuration.members.by_slug(member)
    assert entry is not None
    await harness.apply(ConfigurationFile(members=(msgspec.structs.replace(entry[1], brands=(brand,)),)))


async def open_page(desk: Desk, member: str, brand: str, url: str = URL, **fields: str) -> str:
    """The page on which a member ends who opens a permalink by hand."""
    browser = await desk.sign_in(member)
    form = {"url": url, "brand": str(desk.harness.brand(brand)), **fields}
    async with browser.post("/open", data=form, headers={"HX-Request": "false"}) as response:
        return await response.text()


@pytest.mark.parametrize(
    "url", [URL, f"{URL}#x", f"{URL}?", "HTTPS://forum.example/t/77", "https://FORUM.example/t/77", f" {URL} "]
)
async def test_what_another_brand_typed_is_not_shown(desk: Desk, harness: Harness, url: str):
    await only(harness, "ana", "ferroviola")
    assert SECRET in await open_page(
        desk, "piero", "panegrano", text=f"Panegrano {SECRET} gruppo chiuso", author="gino"
    )
    assert SECRET not in await open_page(desk, "ana", "ferroviola", url, text="x", author="y")
    assert SECRET not in await open_page(desk, "ana", "ferroviola", url)


async def test_the_address_of_another_brands_mention_tells_nothing_of_it(desk: Desk, harness: Harness):
    await only(harness, "ana", "ferroviola")
    known, unknown = "https://square.example/posts/p1", "https://square.example/posts/p2"
    await harness.receive(harness.post(f"Panegrano {SECRET}", url=known), brand="panegrano")
    await harness.analyze()
    pages = [await open_page(desk, "ana", "ferroviola", url) for url in (known, unknown)]
    assert pages[0].replace(known, unknown) == pages[1]


async def test_the_permalink_of_a_brand_that_is_not_ones_own_is_refused(desk: Desk, harness: Harness):
    await only(harness, "ana", "ferroviola")
    await harness.receive(harness.post(f"Panegrano {SECRET}", url=URL), brand="panegrano")
    page = await open_page(desk, "ana", "panegrano", text="x", author="y")
    assert SECRET not in page
    assert len(await harness.cases()) == 0


async def test_what_the_platform_returns_is_shown_and_not_what_another_brand_has_stored(desk: Desk, harness: Harness):
    """The author has taken it back since; what panegrano heard is panegrano's."""
    await only(harness, "ana", "ferroviola")
    post = harness.post(f"Panegrano {SECRET}", url="", native_id="p9")
    await harness.receive(post, brand="panegrano")
    desk.posts[URL] = msgspec.structs.replace(post, url=URL, text="Ferroviola: quello che sta ora lì")
    page = await open_page(desk, "ana", "ferroviola")
    assert SECRET not in page


# What the connections are asked for (F2, beside it).


class Listening:
    """A connection that can read whatever it is asked for."""

    platform = "discord"

    def __init__(self, name: str, channel: str) -> None:
        self.name = name
        self.channel = channel
        self.asked: list[str] = []

    async def find(self, url: str) -> IncomingPost:
        self.asked.append(url)
        author = IncomingAuthor(handle="rita")
        return IncomingPost(
            platform="discord", native_id="1", url=url, author=author, text=SECRET, created_at=NOW, channel=self.channel
        )


@pytest.fixture
async def app(database: Path) -> AsyncIterator[App]:
    """Not started: only what looks posts up."""
    app = App(Settings(store=Store(path=database)))
    app.application = Application(database, load(languages=("it",)), owners={"closed": "panegrano"})
    queue = msgspec.structs.replace(CONFIGURATION.queues[0], chats=(Chat(desk="shared", chat="555"),))
    async with app.application.store.writing() as session:
        await apply_changes(session, msgspec.structs.replace(CONFIGURATION, queues=(queue,)), NOW)
    yield app
    await app.application.close()


async def test_another_brands_own_connection_is_not_asked(app: App):
    closed = Listening("closed", "1")
    app._listeners = [closed]  # type: ignore[list-item]
    assert await app.find_post("https://discord.com/channels/1/2/3", "ferroviola") is None
    assert closed.asked == []
    assert await app.find_post("https://discord.com/channels/1/2/3", "panegrano") is not None


async def test_a_chat_where_members_work_is_no_public_place(app: App):
    app._listeners = [Listening("shared", "555")]  # type: ignore[list-item]
    assert await app.find_post("https://discord.com/channels/1/555/3", "ferroviola") is None
    app._listeners = [Listening("shared", "556")]  # type: ignore[list-item]
    assert await app.find_post("https://discord.com/channels/1/556/3", "ferroviola") is not None
