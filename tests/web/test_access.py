import asyncio
import contextlib
import time
import zlib
from datetime import timedelta
from io import BytesIO
from types import SimpleNamespace

import aiohttp
import msgspec
import pytest
from conftest import House
from sqlalchemy import select

from models.catalogue import Contents
from models.desk import LoginLink, WebSession
from web.server import WebDesk
from web.visit import HOUSE


async def test_a_link_works_once(desk):
    link = await desk.link("ana")
    browser = desk.browser()
    async with browser.post(link, allow_redirects=False) as answer:
        assert answer.status == 303
    other = desk.browser()
    async with other.post(link, allow_redirects=False) as answer:
        assert "expired or was used" in await answer.text()
    async with other.get("/") as answer:
        assert answer.status == 401


async def test_a_chat_that_previews_the_link_does_not_use_it_up(desk):
    link = await desk.link("ana")
    async with desk.browser().get(link) as answer:
        assert "Enter" in await answer.text()
    async with desk.browser().post(link, allow_redirects=False) as answer:
        assert answer.status == 303


async def test_a_link_is_of_no_use_after_a_quarter_of_an_hour(desk, house: House):
    link = await desk.link("ana")
    house.later(minutes=15)
    async with desk.browser().post(link, allow_redirects=False) as answer:
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers


async def test_only_hashes_of_links_and_sessions_are_kept(desk, house: House):
    link = await desk.link("ana")
    browser = desk.browser()
    async with browser.post(link, allow_redirects=False) as answer:
        cookie = answer.cookies["ascolto"].value
        assert answer.cookies["ascolto"]["httponly"]
        assert answer.cookies["ascolto"]["samesite"] == "Lax"
    async with house.store.reading() as session:
        for table in (LoginLink, WebSession):
            dump = str((await session.execute(select(*table.__table__.columns))).all())
            assert link.rpartition("/")[2] not in dump
            assert cookie not in dump


@pytest.mark.parametrize(
    "path", ["/", "/cases/1", "/list", "/mentions", "/digest", "/sources", "/me", "/open", "/events", "/next"]
)
async def test_nothing_is_shown_to_who_is_not_signed_in(desk, path: str):
    async with desk.browser().get(path) as answer:
        assert answer.status == 401


@pytest.mark.parametrize("path", ["/cases/1/claim", "/cases/1/draft", "/cases/1/approve", "/open", "/leave"])
async def test_nothing_is_done_for_who_is_not_signed_in(desk, path: str):
    async with desk.browser().post(path) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_a_form_on_somebody_elses_page_changes_nothing(desk, house: House, headers: dict[str, str]):
    case = await house.case()
    browser = await desk.enter("ana")
    async with browser.post(f"/cases/{case.id}/claim", headers=headers) as answer:
        assert answer.status == 403
    assert (await house.cases())[0].state == "waiting"


async def test_a_name_made_to_point_at_this_machine_is_turned_away(desk):
    browser = await desk.enter("ana")
    async with browser.get("/", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 421


async def test_a_revoked_session_is_over_at_once(desk):
    browser = await desk.enter("ana")
    async with browser.post("/leave", data={"all": "1"}, allow_redirects=False):
        pass
    async with browser.get("/") as answer:
        assert answer.status == 401


async def test_a_member_who_is_removed_is_out(desk, house: House):
    browser = await desk.enter("ana")
    gone = msgspec.structs.replace(house.catalogue.members[house.member("ana")], archived=True)
    await house.apply(Contents(members=(gone,)))
    async with browser.get("/") as answer:
        assert answer.status == 401


async def test_a_session_that_is_used_goes_on_and_one_that_is_not_ends(desk, house: House):
    browser = await desk.enter("ana")
    for _ in range(3):
        house.now += timedelta(days=20)
        async with browser.get("/") as answer:
            assert answer.status == 200
    house.now += timedelta(days=31)
    async with browser.get("/") as answer:
        assert answer.status == 401


async def test_every_page_carries_its_guards(desk):
    browser = await desk.enter("ana")
    for path in ("/", "/mentions", "/static/desk.css", "/nowhere"):
        async with browser.get(path) as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"], path
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_health_is_for_everyone_and_says_no_names(desk):
    async with desk.browser().get("/healthz") as answer:
        assert await answer.json() == {"ok": True, "sources": 0, "away": 0}


async def test_a_small_body_that_unpacks_to_a_large_one_is_not_unpacked(desk):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(10_000_000)) for _ in range(20)) + packer.flush()
    spent = time.process_time()
    with contextlib.suppress(aiohttp.ClientError):
        async with desk.browser().post("/enter/x", data=BytesIO(bomb), headers={"Content-Encoding": "gzip"}) as answer:
            await answer.read()
    assert time.process_time() - spent < 0.2


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {"Host": "["}, 421),
        ("/mentions?q=a%00b", {}, 200),
        ("/digest?date=0001-01-01", {}, 200),
        ("/digest?date=9999-12-31", {}, 200),
    ],
)
async def test_what_cannot_be_read_is_no_error_of_ours(desk, path: str, headers: dict, status: int):
    browser = await desk.enter("ana")
    async with browser.get(path, headers=headers) as answer:
        assert answer.status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://["}, 403),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=utf-99"}, 400),
        ({"Content-Type": "multipart/form-data"}, 400),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused(desk, headers: dict, status: int):
    browser = await desk.enter("ana")
    async with browser.post("/open", data=b"url=x", headers=headers) as answer:
        assert answer.status == status


async def test_the_stream_of_news_ends_with_the_session(desk, house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("web.live.PULSE", 0.05)
    browser = await desk.enter("ana")
    async with browser.get("/events") as stream:
        assert stream.status == 200
        async with browser.post("/leave", data={"all": "1"}, allow_redirects=False):
            pass
        async with asyncio.timeout(5):
            await stream.read()


async def test_behind_https_the_cookie_is_for_https_alone(desk):
    async def nobody(_url: str, _brand: str) -> None: ...

    settings = SimpleNamespace(host="127.0.0.1", port=0, allowed_hosts=(), public_url="https://desk.example")
    web = WebDesk(desk.web._app[HOUSE], settings, nobody)
    await web.start()
    token = (await desk.link("ana")).rpartition("/")[2]
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{web.port}") as browser,
        browser.post(f"/enter/{token}", headers={"Origin": str(browser._base_url)}, allow_redirects=False) as answer,
    ):
        assert "Secure" in answer.headers["Set-Cookie"]
    await web.stop()
