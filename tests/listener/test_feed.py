"""The feed ear against a server that behaves as feeds do."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from platforms.server import Server

from connections.guard import Fetcher
from listener.feed import FeedEar, read_feed
from models.errors import EdgeError, Rejected, Unauthorized, Unavailable
from models.post import Heard

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def rss(*entries: tuple[str, str], language: str = "it") -> bytes:
    items = "".join(
        f'<item><guid isPermaLink="false">{guid}</guid><link>https://news.example/{guid}</link><title>{text}</title>'
        f"<pubDate>{format_datetime(NOW)}</pubDate></item>"
        for guid, text in entries
    )
    head = f"<title>News</title><language>{language}</language>"
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{head}{items}</channel></rss>'.encode()


class Feed(Server):
    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_get("/feed", self._feed)
        self.body = rss(("1", "Ferroviola in ritardo"))
        self.status = 200
        self.headers: dict[str, str] = {}
        self.etag = '"a"'
        self.not_modified = 0

    async def _feed(self, request: web.Request) -> web.Response:
        if self.status == 200 and request.headers.get("If-None-Match") == self.etag:
            self.not_modified += 1
            return web.Response(status=304)
        headers = {"ETag": self.etag, **self.headers}
        return web.Response(body=self.body, status=self.status, headers=headers)


@pytest.fixture
async def feed():
    async with Feed() as feed:
        yield feed


@pytest.fixture
async def ear(feed: Feed):
    ear = FeedEar("news", f"{feed.url}/feed", 0.05, Fetcher(private=True), lambda: NOW)
    yield ear
    await ear.close()


async def hear(ear: FeedEar, bookmark: str | None = None) -> Heard:
    listening = ear.listen(bookmark)
    try:
        return await asyncio.wait_for(anext(listening), 5)
    finally:
        await listening.aclose()


async def test_the_first_look_is_backfill_and_what_comes_after_is_live(feed: Feed, ear: FeedEar):
    first = await hear(ear)
    assert [(p.native_id, p.origin, p.language) for p in first.posts] == [("127.0.0.1:1", "backfill", "it")]
    feed.body, feed.etag = rss(("1", "Ferroviola in ritardo"), ("2", "Ferroviola puntuale")), '"b"'
    then = await hear(ear, first.bookmark)
    assert [(p.native_id, p.origin) for p in then.posts] == [("127.0.0.1:2", "live")]


async def test_a_feed_that_has_not_changed_is_not_sent_again(feed: Feed, ear: FeedEar):
    first = await hear(ear)
    again = await hear(ear, first.bookmark)
    assert (again.posts, feed.not_modified) == ((), 1)


async def test_a_changed_entry_is_an_edit(feed: Feed, ear: FeedEar):
    first = await hear(ear)
    feed.body, feed.etag = rss(("1", "Ferroviola cancellato")), '"b"'
    then = await hear(ear, first.bookmark)
    assert (then.posts, [p.text for p in then.edits]) == ((), ["Ferroviola cancellato"])


async def test_nothing_is_heard_twice_across_a_restart(feed: Feed, ear: FeedEar):
    first = await hear(ear)
    feed.etag = '"changed, though the entries have not"'
    then = await hear(ear, first.bookmark)
    assert (then.posts, then.edits) == ((), ())


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (404, {}, Unauthorized),
        (410, {}, Unauthorized),
        (401, {}, Unauthorized),
        (429, {"Retry-After": "60"}, Unavailable),
        (500, {}, Unavailable),
    ],
)
async def test_each_refusal_is_one_of_three(
    feed: Feed, ear: FeedEar, status: int, headers: dict, kind: type[EdgeError]
):
    feed.status, feed.headers = status, headers
    with pytest.raises(kind):
        await ear.connect()


async def test_a_page_that_is_no_feed_is_named(feed: Feed, ear: FeedEar):
    feed.body = b"<!doctype html><html><body>Hello</body></html>"
    with pytest.raises(Rejected, match="is not a feed"):
        await hear(ear)


async def test_an_oversized_feed_is_dropped(feed: Feed, ear: FeedEar):
    feed.body = rss(("1", "x" * 6_000_000))
    with pytest.raises(Rejected, match="longer than"):
        await hear(ear)


async def test_a_dead_server_is_unavailable(feed: Feed, ear: FeedEar):
    await feed.stop()
    with pytest.raises(Unavailable):
        await ear.connect()


@pytest.mark.parametrize(
    "body",
    [
        rss(("1", "Ferroviola"))[:-40],
        rss(("1", "Ferroviola")).replace(b"<title>Ferroviola", b"<title>Ferroviola \xff\xfe \x00"),
        rss(("1", "Ferroviola &nbsp; &unknown; &#x1F600; &#0;")),
        b"\xef\xbb\xbf" + rss(("1", "Ferroviola")),
    ],
)
def test_a_broken_feed_gives_what_can_be_read(body: bytes):
    posts = read_feed(body, "https://news.example/feed", NOW, False)
    assert [p.native_id for p in posts] == ["news.example:1"]
    assert "Ferroviola" in posts[0].text


def test_entities_that_grow_without_end_do_not():
    bomb = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9)
    )
    item = "<item><guid>1</guid><title>&j;</title></item>"
    body = f'<?xml version="1.0"?>{bomb}]><rss version="2.0"><channel>{item}</channel></rss>'
    try:
        posts = read_feed(body.encode(), "https://news.example/feed", NOW, False)
    except EdgeError:
        return
    assert sum(len(p.text) for p in posts) < 1_000_000


def test_markup_and_scripts_are_left_behind():
    atom = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><id>tag:x,1</id>
    <title type="html">&lt;b&gt;Ferroviola&lt;/b&gt;</title><link href="javascript:alert(1)"/>
    <content type="html">&lt;p&gt;Ritardo &amp;amp; caos&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;</content>
    <author><name>&lt;i&gt;Ana&lt;/i&gt;</name></author></entry></feed>"""
    [post] = read_feed(atom.encode(), "https://news.example/feed", NOW, False)
    assert post.text == "Ferroviola\nRitardo & caos"
    assert (post.url, post.author.handle) == ("", "Ana")


def test_a_post_from_the_future_is_of_now():
    future = rss(("1", "x")).replace(format_datetime(NOW).encode(), b"Mon, 01 Jan 2990 00:00:00 +0000")
    assert read_feed(future, "https://news.example/feed", NOW, False)[0].created_at == NOW


@given(st.binary(max_size=300))
def test_any_bytes_are_a_feed_or_an_error_of_ours(body: bytes):
    with suppress(EdgeError):
        read_feed(b'<?xml version="1.0"?><rss>' + body, "https://news.example/feed", NOW, False)
