"""Pictures come through our own server, and only pictures, and only to who may see the case."""

import pytest
from aiohttp import web
from conftest import House
from platforms.server import Server

from models.mention import Mention
from models.post import Deletion, Media
from store import mentions
from web.server import WebDesk

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


class Pictures(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_get("/{name}", self._give)
        self.asked = 0

    async def _give(self, request: web.Request) -> web.Response:
        self.asked += 1
        kinds = {"a.png": "image/png", "a.svg": "image/svg+xml", "a.html": "text/html"}
        return web.Response(body=PNG, content_type=kinds[request.match_info["name"]])


@pytest.fixture
async def pictures():
    async with Pictures() as pictures:
        yield pictures


@pytest.fixture
async def near(house: House, monkeypatch: pytest.MonkeyPatch):
    """The web desk may fetch from this machine, where the pictures of this test are."""
    begin = WebDesk.__init__
    monkeypatch.setattr(WebDesk, "__init__", lambda *a, **k: begin(*a, **{**k, "private_pictures": True}))


async def get(browser, path: str) -> tuple[int, str]:
    async with browser.get(path) as answer:
        return answer.status, answer.headers.get("Content-Type", "")


async def test_a_picture_is_shown_and_nothing_else(house: House, near, desk, pictures: Pictures):
    names = ("a.png", "a.svg", "a.html")
    await house.case(media=tuple(Media(kind="image", url=f"{pictures.url}/{name}", alt=name) for name in names))
    ana = await desk.enter("ana")
    async with ana.get("/cases/1/view") as answer:
        page = await answer.text()
    assert '<img src="/cases/1/media/1/0" alt="a.png"' in page
    assert await get(ana, "/cases/1/media/1/0") == (200, "image/png")
    assert [(await get(ana, f"/cases/1/media/1/{n}"))[0] for n in (1, 2, 3)] == [502, 502, 404]


async def test_who_does_not_see_the_case_sees_no_picture(house: House, near, desk, pictures: Pictures):
    await house.case(media=(Media(kind="image", url=f"{pictures.url}/a.png"),))
    assert (await get(await desk.enter("piero"), "/cases/1/media/1/0"))[0] == 404
    assert pictures.asked == 0


async def test_a_deleted_post_shows_no_picture(house: House, near, desk, pictures: Pictures):
    await house.case(media=(Media(kind="image", url=f"{pictures.url}/a.png"),))
    async with house.store.writing() as session:
        await mentions.empty(session, Deletion(platform="square", native_id="p1"), house.now)
    assert (await get(await desk.enter("ana"), "/cases/1/media/1/0"))[0] == 404
    [mention] = await house.all(Mention)
    assert mention.media == ()


async def test_an_address_inside_our_network_is_not_fetched(house: House, desk, pictures: Pictures):
    await house.case(media=(Media(kind="image", url=f"{pictures.url}/a.png"),))
    assert (await get(await desk.enter("ana"), "/cases/1/media/1/0"))[0] == 502
    assert pictures.asked == 0
