"""What cannot be read is refused, and what takes for ever is ended: forms of members, feeds of strangers."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from conftest import Harness
from web_desk import Desk

from connections.feeds import FeedReader
from models.errors import EdgeError
from web.routes import ROUTES

# Forms (F20): every route that takes one.

UNREADABLE = [
    ("multipart/form-data", b"x"),
    ("multipart/form-data; boundary=", b"x"),
    ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx"),
    ("multipart/form-data; boundary=b", b"--b\r\n" + b"X: y\r\n" * 20_000),
    ("multipart/form-data; boundary=" + "b" * 5_000, b"x"),
    ("application/x-www-form-urlencoded; charset=nope", b"a=b"),
    ("application/x-www-form-urlencoded; charset=utf-16", b"a=b"),
    ("application/x-www-form-urlencoded; charset=utf-8", b"text=\xff\xfe&a=%ff%fe"),
    ("application/x-www-form-urlencoded; charset=rot13", b"a=b"),
    ("application/x-www-form-urlencoded; charset=idna", b"a=" + b"b" * 100),
    ("application/x-www-form-urlencoded", b"&" * 100_000),
    ("x", b"a=b"),
    ("", b"\x00" * 1_000),
]
POSTS = sorted(
    {
        re.sub(r"\{\w+:?[^/]*\}", "1", route.path.replace("{verb:[a-z_]+}", "note")).replace("1}", "1")
        for route in ROUTES
        if route.method == "POST"
    }
)


def test_the_routes_are_as_they_are_asked():
    assert len(POSTS) >= 8
    assert not [path for path in POSTS if "{" in path or "\\" in path]


@pytest.mark.parametrize("path", POSTS)
async def test_no_form_that_cannot_be_read_is_an_error_of_ours(desk: Desk, harness: Harness, path: str):
    await harness.case("Ferroviola (-)")
    browser = await desk.sign_in("lidia")
    failed = []
    for kind, body in UNREADABLE:
        if path == "/sign_out":
            browser = await desk.sign_in("lidia")
        async with browser.post(path, data=body, headers={"Content-Type": kind}, allow_redirects=False) as response:
            if response.status >= 500:
                failed.append((kind[:60], body[:40], response.status))
    assert failed == []


# Feeds (F5).

SIZE = 4_800_000
HOSTILE = {
    "comments": "<!--" * (SIZE // 4),
    "less-than": "<" * SIZE,
    "open tags with a space": "<a " * (SIZE // 3),
    "open tags": "<a>" * (SIZE // 3),
    "comments that close": "<!---->" * (SIZE // 7),
    "entities": "&#55357;" * (SIZE // 8),
    "ampersands": "&" * SIZE,
    "instructions": "<?" * (SIZE // 2),
    "declarations": "<![" * (SIZE // 3),
    "attributes": "<a " + "b=" * (SIZE // 2),
    "quotes": '<a b="' * (SIZE // 6),
    "ends": "</a" * (SIZE // 3),
}


def feed(content: str) -> bytes:
    head = '<?xml version="1.0"?><rss version="2.0"><channel><title>t</title><item><guid>1</guid><title>x</title>'
    return f"{head}<description><![CDATA[{content}]]></description></item></channel></rss>".encode()


@pytest.fixture
async def reader() -> AsyncIterator[FeedReader]:
    """With two seconds for a feed, in place of ten."""
    reader = FeedReader(2)
    yield reader
    await reader.close()


async def longest_pause(stop: asyncio.Event) -> float:
    """Seconds for which nothing else could run."""
    longest, last = 0.0, time.monotonic()
    while not stop.is_set():
        await asyncio.sleep(0.01)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return longest


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_feed_stops_nobody_and_is_ended(reader: FeedReader, name: str):
    stop, body = asyncio.Event(), feed(HOSTILE[name])
    pause = asyncio.create_task(longest_pause(stop))
    start = time.monotonic()
    with suppress(TimeoutError, EdgeError):
        await reader.read(body, "https://feed.example/rss")
    took = time.monotonic() - start
    stop.set()
    assert took < 4.5
    assert await pause < 1, "meanwhile nothing else ran"


async def test_the_next_feed_is_read_after_a_hostile_one(reader: FeedReader):
    with pytest.raises((TimeoutError, EdgeError)):
        await reader.read(b"<?xml version='1.0'?><rss><channel>" + b"<item>" * 700_000, "https://feed.example/rss")
    read = await reader.read(feed("Ferroviola in ritardo"), "https://feed.example/rss")
    assert [entry.body for entry in read.entries] == ["Ferroviola in ritardo"]


@pytest.mark.parametrize("name", ["billion laughs", "an outside entity"])
async def test_no_entity_is_expanded_or_fetched(reader: FeedReader, name: str):
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    inside = f'<!DOCTYPE rss [<!ENTITY l0 "lol">{lol}]>' if name == "billion laughs" else ""
    outside = inside or '<!DOCTYPE rss [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>'
    body = f'<?xml version="1.0"?>{outside}<rss version="2.0"><channel><item><title>&l9;</title></item></channel></rss>'
    try:
        read = await reader.read(body.encode(), "https://feed.example/rss")
    except (TimeoutError, EdgeError):
        return
    shown = "".join(entry.title + entry.body for entry in read.entries)
    assert len(shown) < 10_000
    assert "root:" not in shown
