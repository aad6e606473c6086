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
from conftest import Harness
from sqlalchemy import select

from models.configuration import ConfigurationFile
from models.tables.session import LoginLink, WebSession
from web.server import WebDesk


async def test_a_link_works_once(desk):
    link = await desk.link("ana")
    browser = desk.browser()
    async with browser.post(link, allow_redirects=False) as response:
        assert response.status == 303
    other = desk.browser()
    async with other.post(link, allow_redirects=False) as response:
        assert "expired or has already been used" in await response.text()
    async with other.get("/") as response:
        assert response.status == 401


async def test_a_chat_that_previews_the_link_does_not_use_it_up(desk):
    link = await desk.link("ana")
    async with desk.browser().get(link) as response:
        assert "Sign in" in await response.text()
    async with desk.browser().post(link, allow_redirects=False) as response:
        assert response.status == 303


async def test_a_link_expires_after_a_quarter_of_an_hour(desk, harness: Harness):
    link = await desk.link("ana")
    harness.advance(minutes=15)
    async with desk.browser().post(link, allow_redirects=False) as response:
        assert response.status == 200
        assert "Set-Cookie" not in response.headers


async def test_only_hashes_of_links_and_sessions_are_stored(desk, harness: Harness):
    link = await desk.link("ana")
    browser = desk.browser()
    async with browser.post(link, allow_redirects=False) as response:
        cookie = response.cookies["ascolto"].value
        assert response.cookies["ascolto"]["httponly"]
        assert response.cookies["ascolto"]["samesite"] == "Lax"
    async with harness.store.reading() as session:
        for table in (LoginLink, WebSession):
            dump = str((await session.execute(select(*table.__table__.columns))).all())
            assert link.rpartition("/")[2] not in dump
            assert cookie not in dump


@pytest.mark.parametrize(
    "path", ["/", "/cases/1", "/list", "/mentions", "/digest", "/status", "/me", "/open", "/events", "/next"]
)
async def test_no_page_is_shown_without_a_session(desk, path: str):
    async with desk.browser().get(path) as response:
        assert response.status == 401


@pytest.mark.parametrize("path", ["/cases/1/actions/claim", "/cases/1/draft", "/cases/1/approve", "/open", "/sign_out"])
async def test_nothing_is_done_without_a_session(desk, path: str):
    async with desk.browser().post(path) as response:
        assert response.status == 401


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_a_form_on_a_foreign_page_changes_nothing(desk, harness: Harness, headers: dict[str, str]):
    case = await harness.case()
    browser = await desk.sign_in("ana")
    async with browser.post(f"/cases/{case.id}/actions/claim", headers=headers) as response:
        assert response.status == 403
    assert (await harness.cases())[0].state == "waiting"


async def test_a_foreign_host_name_that_resolves_to_this_machine_is_rejected(desk):
    browser = await desk.sign_in("ana")
    async with browser.get("/", headers={"Host": "evil.example"}) as response:
        assert response.status == 421


async def test_a_revoked_session_ends_at_once(desk):
    browser = await desk.sign_in("ana")
    async with browser.post("/sign_out", data={"all": "1"}, allow_redirects=False):
        pass
    async with browser.get("/") as response:
        assert response.status == 401


async def test_an_archived_member_is_signed_out(desk, harness: Harness):
    browser = await desk.sign_in("ana")
    archived = msgspec.structs.replace(harness.configuration.members[harness.member("ana")], archived=True)
    await harness.apply(ConfigurationFile(members=(archived,)))
    async with browser.get("/") as response:
        assert response.status == 401


async def test_a_session_lasts_while_it_is_used_and_then_expires(desk, harness: Harness):
    browser = await desk.sign_in("ana")
    for _ in range(3):
        harness.now += timedelta(days=20)
        async with browser.get("/") as response:
            assert response.status == 200
    harness.now += timedelta(days=31)
    async with browser.get("/") as response:
        assert response.status == 401


async def test_every_page_has_the_security_headers(desk):
    browser = await desk.sign_in("ana")
    for path in ("/", "/mentions", "/static/desk.css", "/nowhere"):
        async with browser.get(path) as response:
            assert "default-src 'none'" in response.headers["Content-Security-Policy"], path
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_health_check_needs_no_session_and_names_nothing(desk):
    async with desk.browser().get("/healthz") as response:
        assert await response.json() == {"ok": True, "connections": 0, "down": 0}


async def test_a_compressed_body_is_not_unpacked(desk):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(10_000_000)) for _ in range(20)) + packer.flush()
    start = time.process_time()
    gzip = {"Content-Encoding": "gzip"}
    with contextlib.suppress(aiohttp.ClientError):
        async with desk.browser().post("/sign_in/x", data=BytesIO(bomb), headers=gzip) as response:
            await response.read()
    assert time.process_time() - start < 0.2


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {"Host": "["}, 421),
        ("/mentions?q=a%00b", {}, 200),
        ("/digest?date=0001-01-01", {}, 200),
        ("/digest?date=9999-12-31", {}, 200),
    ],
)
async def test_a_malformed_request_is_no_server_error(desk, path: str, headers: dict, status: int):
    browser = await desk.sign_in("ana")
    async with browser.get(path, headers=headers) as response:
        assert response.status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://["}, 403),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=utf-99"}, 400),
        ({"Content-Type": "multipart/form-data"}, 400),
    ],
)
async def test_a_malformed_form_is_rejected(desk, headers: dict, status: int):
    browser = await desk.sign_in("ana")
    async with browser.post("/open", data=b"url=x", headers=headers) as response:
        assert response.status == status


async def test_the_event_stream_ends_with_the_session(desk, harness: Harness, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("web.events.HEARTBEAT", 0.05)
    browser = await desk.sign_in("ana")
    async with browser.get("/events") as stream:
        assert stream.status == 200
        async with browser.post("/sign_out", data={"all": "1"}, allow_redirects=False):
            pass
        async with asyncio.timeout(5):
            await stream.read()


async def test_behind_https_the_cookie_is_secure(desk):
    async def find_nothing(_url: str, _brand: str) -> None: ...

    settings = SimpleNamespace(
        host="127.0.0.1", port=0, allowed_hosts=(), public_url="https://desk.example", trusted_proxies=()
    )
    web = WebDesk(desk.application, settings, find_nothing)
    await web.start()
    token = (await desk.link("ana")).rpartition("/")[2]
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{web.port}") as browser,
        browser.post(
            f"/sign_in/{token}", headers={"Origin": str(browser._base_url)}, allow_redirects=False
        ) as response,
    ):
        assert "Secure" in response.headers["Set-Cookie"]
    await web.stop()
