"""Event streams bring what their member may see now, and however many there are, others work on."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import aiohttp
import msgspec
from conftest import Harness
from web_desk import Desk

from models.configuration import ConfigurationFile


async def change_member(harness: Harness, slug: str, **fields: object) -> None:
    entry = harness.configuration.members.by_slug(slug)
    assert entry is not None
    await harness.apply(ConfigurationFile(members=(msgspec.structs.replace(entry[1], **fields),)))


class Listening:
    """What a stream has brought until now."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.text = ""
        self.ended = False
        self._task = asyncio.create_task(self._read(response))

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        with suppress(aiohttp.ClientError):
            async for part in response.content.iter_any():
                self.text += part.decode()
        self.ended = True

    async def wait_for(self, words: str, seconds: float = 3) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while words not in self.text and not self.ended:
                    await asyncio.sleep(0.02)
        return words in self.text

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def listening(browser: aiohttp.ClientSession) -> AsyncIterator[Listening]:
    async with browser.get("/events") as response:
        assert response.status == 200
        stream = Listening(response)
        await stream.wait_for("retry")
        yield stream
        await stream.close()


async def severe_case(harness: Harness, brand: str, words: str) -> None:
    await harness.receive(harness.post(f"{brand}: {words}, chiamo il mio avvocato (-)", author=words), brand=brand)
    await harness.analyze()


async def test_a_brand_that_is_taken_away_is_not_streamed_any_more(desk: Desk, harness: Harness):
    await change_member(harness, "ana", brands=("ferroviola", "panegrano"))
    async with listening(await desk.sign_in("ana")) as stream:
        await severe_case(harness, "panegrano", "uno")
        assert await stream.wait_for("event: alert")
        assert "[1]" in stream.text
        await change_member(harness, "ana", brands=("ferroviola",))
        await severe_case(harness, "panegrano", "due")
        await severe_case(harness, "ferroviola", "tre")
        assert await stream.wait_for("#3"), "what is still theirs comes"
        assert "#2" not in stream.text
        assert "[2]" not in stream.text
        assert "2," not in stream.text


async def test_a_brand_that_is_given_is_streamed(desk: Desk, harness: Harness):
    async with listening(await desk.sign_in("piero")) as stream:
        await change_member(harness, "piero", brands=("ferroviola", "panegrano"))
        await severe_case(harness, "ferroviola", "uno")
        assert await stream.wait_for("#1")


async def test_a_stream_of_another_brand_brings_nothing(desk: Desk, harness: Harness):
    async with listening(await desk.sign_in("piero")) as stream:
        await severe_case(harness, "ferroviola", "uno")
        await severe_case(harness, "panegrano", "due")
        assert await stream.wait_for("#2")
        assert "#1" not in stream.text
        assert "[1" not in stream.text


async def test_the_stream_of_a_member_who_left_ends(desk: Desk, harness: Harness):
    async with listening(await desk.sign_in("ana")) as stream:
        await change_member(harness, "ana", archived=True)
        await severe_case(harness, "ferroviola", "uno")
        assert await stream.wait_for("signed out")
        assert "event: alert" not in stream.text


async def test_the_stream_of_a_session_that_was_ended_elsewhere_ends(desk: Desk, harness: Harness):
    first, second = await desk.sign_in("ana"), await desk.sign_in("ana")
    async with listening(first) as stream:
        await second.post("/sign_out", data={"all": "1"}, allow_redirects=False)
        await severe_case(harness, "ferroviola", "uno")
        assert await stream.wait_for("signed out")
        assert "event: alert" not in stream.text


async def open_streams(stack: AsyncExitStack, browser: aiohttp.ClientSession, count: int) -> list[int]:
    """The statuses of this many streams, all kept open."""
    return [(await stack.enter_async_context(browser.get("/events"))).status for _ in range(count)]


async def test_one_member_cannot_open_any_number_of_streams(desk: Desk):
    browser = await desk.sign_in("ana")
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        AsyncExitStack() as stack,
        aiohttp.ClientSession(desk.url, connector=connector, cookie_jar=browser.cookie_jar) as many,
    ):
        statuses = await open_streams(stack, many, 60)
        assert statuses[0] == 200
        assert 429 in statuses, f"{statuses.count(200)} streams of one session"


async def test_nor_with_a_session_for_each(desk: Desk, harness: Harness):
    """Sessions are free: a member asks for as many links as they like."""
    async with AsyncExitStack() as stack:
        statuses: list[int] = []
        for number in range(15):
            harness.advance(seconds=61)
            browser = await sign_in_from(desk, f"127.0.0.{10 + number}")
            statuses += await open_streams(stack, browser, 10)
        assert 429 in statuses, f"{statuses.count(200)} streams of one member"


async def sign_in_from(desk: Desk, address: str) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(local_addr=(address, 0), limit=0)
    jar = aiohttp.CookieJar(unsafe=True)
    browser = aiohttp.ClientSession(desk.url, connector=connector, cookie_jar=jar, headers={"Origin": desk.url})
    desk.browsers.append(browser)
    async with browser.post(await desk.link("ana"), allow_redirects=False) as response:
        assert response.status == 303
    return browser


async def test_a_stream_that_was_closed_counts_no_more(desk: Desk):
    browser = await desk.sign_in("ana")
    for _ in range(30):
        async with browser.get("/events") as response:
            assert response.status == 200
        await asyncio.sleep(0.01)


async def test_others_work_on_while_one_has_many_streams(desk: Desk, harness: Harness):
    ana, bruno = await desk.sign_in("ana"), await desk.sign_in("bruno")
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        AsyncExitStack() as stack,
        aiohttp.ClientSession(desk.url, connector=connector, cookie_jar=ana.cookie_jar) as many,
    ):
        await open_streams(stack, many, 100)
        await severe_case(harness, "ferroviola", "uno")
        start = time.monotonic()
        async with bruno.post("/cases/1/actions/claim") as response:
            assert response.status == 200
        assert time.monotonic() - start < 2
