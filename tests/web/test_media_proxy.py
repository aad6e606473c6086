"""Images come through our own server, and only images, and only to members who may see the case."""

import pytest
from aiohttp import web
from conftest import Harness
from platforms.server import Server

from models.incoming import Deletion, Media
from models.tables.mention import Mention
from store import erasure
from web.server import WebDesk

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


class ImageServer(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_get("/{name}", self._image)
        self.requests = 0

    async def _image(self, request: web.Request) -> web.Response:
        self.requests += 1
        kinds = {"a.png": "image/png", "a.svg": "image/svg+xml", "a.html": "text/html"}
        return web.Response(body=PNG, content_type=kinds[request.match_info["name"]])


@pytest.fixture
async def images():
    async with ImageServer() as images:
        yield images


@pytest.fixture
async def private_images(harness: Harness, monkeypatch: pytest.MonkeyPatch):
    """The web desk may fetch from this machine, where the images of this test are."""
    original = WebDesk.__init__
    monkeypatch.setattr(WebDesk, "__init__", lambda *a, **k: original(*a, **{**k, "private_images": True}))


async def get(browser, path: str) -> tuple[int, str]:
    async with browser.get(path) as response:
        return response.status, response.headers.get("Content-Type", "")


async def test_an_image_is_served_and_nothing_else(harness: Harness, private_images, desk, images: ImageServer):
    names = ("a.png", "a.svg", "a.html")
    await harness.case(media=tuple(Media(kind="image", url=f"{images.url}/{name}", alt=name) for name in names))
    ana = await desk.sign_in("ana")
    async with ana.get("/cases/1/details") as response:
        page = await response.text()
    assert '<img src="/cases/1/media/1/0" alt="a.png"' in page
    assert await get(ana, "/cases/1/media/1/0") == (200, "image/png")
    assert [(await get(ana, f"/cases/1/media/1/{n}"))[0] for n in (1, 2, 3)] == [502, 502, 404]


async def test_a_member_who_may_not_see_the_case_gets_no_image(
    harness: Harness, private_images, desk, images: ImageServer
):
    await harness.case(media=(Media(kind="image", url=f"{images.url}/a.png"),))
    assert (await get(await desk.sign_in("piero"), "/cases/1/media/1/0"))[0] == 404
    assert images.requests == 0


async def test_a_deleted_post_has_no_image(harness: Harness, private_images, desk, images: ImageServer):
    await harness.case(media=(Media(kind="image", url=f"{images.url}/a.png"),))
    async with harness.store.writing() as session:
        await erasure.erase_deleted(session, Deletion(platform="square", native_id="p1"), harness.now)
    assert (await get(await desk.sign_in("ana"), "/cases/1/media/1/0"))[0] == 404
    [mention] = await harness.all(Mention)
    assert mention.media == ()


async def test_an_address_inside_our_network_is_not_fetched(harness: Harness, desk, images: ImageServer):
    await harness.case(media=(Media(kind="image", url=f"{images.url}/a.png"),))
    assert (await get(await desk.sign_in("ana"), "/cases/1/media/1/0"))[0] == 502
    assert images.requests == 0
