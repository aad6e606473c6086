"""Half-open connections, bad requests and endless waits stop nobody else, on either port, and fill no log."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import aiohttp
import pytest
from web_desk import Desk

from connections import limited_server
from connections.webhooks import WebhookServer

HALF = b"POST /hooks/site HTTP/1.1\r\nHost: 127.0.0.1\r\nX-a: "
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
DEADLINE = 0.5
"""Seconds, in place of fifteen."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Open = Callable[..., Awaitable[Connection]]


@pytest.fixture
async def connect() -> AsyncIterator[Open]:
    """Opens connections from an address of this machine, and closes them all at the end."""
    writers: list[asyncio.StreamWriter] = []

    async def open_one(port: int, content: bytes, address: str = "127.0.0.1") -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        writers.append(writer)
        with suppress(ConnectionError):
            writer.write(content)
            await writer.drain()
        return reader, writer

    yield open_one
    for writer in writers:
        writer.close()


@pytest.fixture
async def webhooks(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WebhookServer]:
    server = WebhookServer("127.0.0.1", 0)
    await server.start()
    yield server
    await server.close()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that start from now on wait for headers half a second."""
    monkeypatch.setattr(limited_server.LimitedSite.__init__, "__defaults__", (DEADLINE,))


async def is_closed(reader: asyncio.StreamReader, seconds: float = 3) -> bool:
    """Whether the other side closes the connection, whatever it says before."""
    with suppress(ConnectionError):
        try:
            async with asyncio.timeout(seconds):
                while await reader.read(65_536):
                    pass
        except TimeoutError:
            return False
    return True


async def answers(port: int, path: str, address: str) -> bool:
    """Whether somebody at another address gets an answer."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    timeout = aiohttp.ClientTimeout(total=3)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with http.get(f"http://127.0.0.1:{port}{path}") as response:
                return response.status < 500
    return False


@pytest.fixture(params=["webhooks", "desk"])
def port(request: pytest.FixtureRequest, soon: None) -> int:
    """Of each of the two servers, both with half a second for headers."""
    server = request.getfixturevalue(request.param)
    return int(server.port if request.param == "webhooks" else server.web.port)


async def test_both_ports_end_a_connection_that_says_nothing(port: int, connect: Open):
    reader, _ = await connect(port, b"")
    assert await is_closed(reader)


async def test_both_ports_end_a_connection_that_sends_half_a_header(port: int, connect: Open):
    reader, _ = await connect(port, HALF)
    assert await is_closed(reader)


async def test_drops_of_a_header_do_not_move_the_deadline(port: int, connect: Open):
    reader, writer = await connect(port, HALF)
    closed = asyncio.create_task(is_closed(reader))
    for _ in range(30):
        if closed.done():
            break
        with suppress(ConnectionError):
            writer.write(b"x")
            await writer.drain()
        await asyncio.sleep(0.1)
    assert closed.done()
    assert await closed


async def test_the_headers_of_a_second_request_have_a_deadline_too(port: int, connect: Open):
    reader, writer = await connect(port, WHOLE)
    await reader.readuntil(b"\r\n\r\n")
    writer.write(HALF)
    assert await is_closed(reader)


async def test_half_a_request_behind_a_whole_one_has_a_deadline_too(port: int, connect: Open):
    """Sent in one piece: nothing more arrives that could start a clock."""
    reader, _ = await connect(port, WHOLE + HALF)
    assert await is_closed(reader)


async def test_a_whole_request_is_not_cut_off(port: int, connect: Open):
    reader, writer = await connect(port, b"GET /healthz HTTP/1.1\r\n")
    await asyncio.sleep(DEADLINE / 2)
    writer.write(b"Host: 127.0.0.1\r\n\r\n")
    assert (await asyncio.wait_for(reader.readline(), 2)).startswith(b"HTTP/1.1 ")


@pytest.fixture(params=["webhooks", "desk"])
def patient_port(request: pytest.FixtureRequest) -> int:
    """Of each of the two servers, as they are shipped."""
    server = request.getfixturevalue(request.param)
    return int(server.port if request.param == "webhooks" else server.web.port)


async def test_one_address_does_not_take_all_connections(patient_port: int, connect: Open):
    await asyncio.gather(*(connect(patient_port, HALF, "127.0.0.2") for _ in range(450)))
    assert await answers(patient_port, "/healthz", "127.0.0.3")


async def test_connections_are_limited_in_all(patient_port: int, connect: Open):
    """A thousand from eight addresses: most are closed at once, and not kept with their descriptors."""
    made = [connect(patient_port, HALF, f"127.0.0.{10 + n % 8}") for n in range(800)]
    connections = await asyncio.gather(*made, return_exceptions=True)
    readers = [connection[0] for connection in connections if not isinstance(connection, BaseException)]
    ended = await asyncio.gather(*(is_closed(reader, 1) for reader in readers))
    assert ended.count(False) <= 600


async def test_idle_connections_of_others_do_not_keep_a_newcomer_out(patient_port: int, connect: Open):
    """Each has sent one whole request and got its answer; now all of them just stay."""
    for address in ("127.0.0.2", "127.0.0.3"):
        await asyncio.gather(*(connect(patient_port, WHOLE, address) for _ in range(250)))
    await asyncio.sleep(0.2)
    assert await answers(patient_port, "/healthz", "127.0.0.4")


@pytest.mark.parametrize("content", [HALF, b"", b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\nHost 1\r\n\r\n"])
async def test_a_flood_of_connections_is_no_flood_of_lines(
    patient_port: int, connect: Open, caplog: pytest.LogCaptureFixture, content: bytes
):
    caplog.set_level(logging.INFO)
    before = len(caplog.records)
    connections = await asyncio.gather(*(connect(patient_port, content, "127.0.0.2") for _ in range(60)))
    for _, writer in connections:
        writer.close()
    await asyncio.sleep(0.3)
    lines = [record.getMessage() for record in caplog.records[before:] if record.name != "asyncio"]
    assert len(lines) <= 10, lines[:3]


async def test_the_desk_works_while_the_webhook_port_is_taken(desk: Desk, webhooks: WebhookServer, connect: Open):
    made = (connect(webhooks.port, HALF, f"127.0.0.{10 + n % 4}") for n in range(500))
    await asyncio.gather(*made, return_exceptions=True)
    browser = await desk.sign_in("ana")
    async with asyncio.timeout(3), browser.get("/") as response:
        assert response.status == 200


# Guesses (F22).


async def guesses(desk: Desk, address: str, count: int, **headers: str) -> list[int]:
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    statuses = []
    async with aiohttp.ClientSession(connector=connector, headers={"Origin": desk.url, **headers}) as http:
        for number in range(count):
            for method in ("GET", "POST"):
                spoofed = {"X-Forwarded-For": f"10.0.0.{number}", "Forwarded": f"for=10.0.0.{number}"}
                async with http.request(method, f"{desk.url}/sign_in/{number:043d}", headers=spoofed) as response:
                    statuses.append(response.status)
    return statuses


async def test_guesses_are_limited_whatever_address_the_guesser_claims(desk: Desk):
    statuses = await guesses(desk, "127.0.0.2", 40)
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert statuses.count(200) <= 60


async def test_a_guesser_locks_nobody_else_out(desk: Desk):
    link = await desk.link("ana")
    await guesses(desk, "127.0.0.2", 40)
    async with desk.browser().post(link, allow_redirects=False) as response:
        assert response.status == 303


async def test_who_is_told_to_wait_is_told_how_long(desk: Desk):
    browser = desk.browser()
    for number in range(200):
        async with browser.get(f"/sign_in/{number:043d}") as response:
            if response.status == 429:
                assert 0 < int(response.headers["Retry-After"]) <= 3_600
                return
    pytest.fail("200 guesses were answered")
