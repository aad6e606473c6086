"""The feed listener with a server of feeds."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from platforms.server import Server

from connections.feeds import FeedReader, parse_feed
from connections.safe_fetch import Fetcher
from listener.feed import FeedListener, to_posts
from models.errors import EdgeError, Rejected, Unauthorized, Unavailable
from models.incoming import IncomingPost, ListenerBatch, Origin

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def rss(*entries: tuple[str, str], language: str = "it") -> bytes:
    items = "".join(
        f'<item><guid isPermaLink="false">{guid}</guid><link>https://news.example/{guid}</link><title>{text}</title>'
        f"<pubDate>{format_datetime(NOW)}</pubDate></item>"
        for guid, text in entries
    )
    head = f"<title>News</title><language>{language}</language>"
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{head}{items}</channel></rss>'.encode()


def read_feed(body: bytes, url: str, now: datetime, origin: Origin) -> list[IncomingPost]:
    return to_posts(parse_feed(body, url), url, now, origin)


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
async def listener(feed: Feed):
    reader = FeedReader()
    listener = FeedListener("news", f"{feed.url}/feed", 0.05, Fetcher(private=True), reader, lambda: NOW)
    yield listener
    await listener.close()
    await reader.close()


async def next_batch(listener: FeedListener, cursor: str | None = None) -> ListenerBatch:
    batches = listener.listen(cursor)
    try:
        return await asyncio.wait_for(anext(batches), 5)
    finally:
        await batches.aclose()


async def test_without_a_cursor_entries_are_backfill_and_later_ones_live(feed: Feed, listener: FeedListener):
    first = await next_batch(listener)
    assert [(p.native_id, p.origin, p.language) for p in first.posts] == [("127.0.0.1:1", "backfill", "it")]
    feed.body, feed.etag = rss(("1", "Ferroviola in ritardo"), ("2", "Ferroviola puntuale")), '"b"'
    second = await next_batch(listener, first.cursor)
    assert [(p.native_id, p.origin) for p in second.posts] == [("127.0.0.1:2", "live")]


async def test_an_unchanged_feed_is_not_downloaded_again(feed: Feed, listener: FeedListener):
    first = await next_batch(listener)
    second = await next_batch(listener, first.cursor)
    assert (second.posts, feed.not_modified) == ((), 1)


async def test_a_changed_entry_is_an_edit(feed: Feed, listener: FeedListener):
    first = await next_batch(listener)
    feed.body, feed.etag = rss(("1", "Ferroviola cancellato")), '"b"'
    second = await next_batch(listener, first.cursor)
    assert (second.posts, [p.text for p in second.edits]) == ((), ["Ferroviola cancellato"])


async def test_nothing_is_received_twice_after_a_restart(feed: Feed, listener: FeedListener):
    first = await next_batch(listener)
    feed.etag = '"changed, though the entries have not"'
    second = await next_batch(listener, first.cursor)
    assert (second.posts, second.edits) == ((), ())


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
async def test_http_errors_become_edge_errors(
    feed: Feed, listener: FeedListener, status: int, headers: dict, kind: type[EdgeError]
):
    feed.status, feed.headers = status, headers
    with pytest.raises(kind):
        await listener.connect()


async def test_a_page_that_is_not_a_feed_is_rejected(feed: Feed, listener: FeedListener):
    feed.body = b"<!doctype html><html><body>Hello</body></html>"
    with pytest.raises(Rejected, match="is not a feed"):
        await next_batch(listener)


async def test_a_feed_that_is_too_long_is_rejected(feed: Feed, listener: FeedListener):
    feed.body = rss(("1", "x" * 6_000_000))
    with pytest.raises(Rejected, match="longer than"):
        await next_batch(listener)


async def test_connecting_while_offline_raises_unavailable(feed: Feed, listener: FeedListener):
    await feed.stop()
    with pytest.raises(Unavailable):
        await listener.connect()


@pytest.mark.parametrize(
    "body",
    [
        rss(("1", "Ferroviola"))[:-40],
        rss(("1", "Ferroviola")).replace(b"<title>Ferroviola", b"<title>Ferroviola \xff\xfe \x00"),
        rss(("1", "Ferroviola &nbsp; &unknown; &#x1F600; &#0;")),
        b"\xef\xbb\xbf" + rss(("1", "Ferroviola")),
    ],
)
def test_a_malformed_feed_is_read_as_far_as_possible(body: bytes):
    posts = read_feed(body, "https://news.example/feed", NOW, "live")
    assert [p.native_id for p in posts] == ["news.example:1"]
    assert "Ferroviola" in posts[0].text


def test_nested_entities_are_not_expanded():
    bomb = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9)
    )
    item = "<item><guid>1</guid><title>&j;</title></item>"
    body = f'<?xml version="1.0"?>{bomb}]><rss version="2.0"><channel>{item}</channel></rss>'
    try:
        posts = read_feed(body.encode(), "https://news.example/feed", NOW, "live")
    except EdgeError:
        return
    assert sum(len(p.text) for p in posts) < 1_000_000


def test_markup_and_scripts_are_removed():
    atom = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><id>tag:x,1</id>
    <title type="html">&lt;b&gt;Ferroviola&lt;/b&gt;</title><link href="javascript:alert(1)"/>
    <content type="html">&lt;p&gt;Ritardo &amp;amp; caos&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;</content>
    <author><name>&lt;i&gt;Ana&lt;/i&gt;</name></author></entry></feed>"""
    [post] = read_feed(atom.encode(), "https://news.example/feed", NOW, "live")
    assert post.text == "Ferroviola\nRitardo & caos"
    assert (post.url, post.author.handle) == ("", "Ana")


def test_a_time_in_the_future_becomes_now():
    future = rss(("1", "x")).replace(format_datetime(NOW).encode(), b"Mon, 01 Jan 2990 00:00:00 +0000")
    assert read_feed(future, "https://news.example/feed", NOW, "live")[0].created_at == NOW


@given(st.binary(max_size=300))
def test_any_bytes_are_a_feed_or_an_edge_error(body: bytes):
    with suppress(EdgeError):
        read_feed(b'<?xml version="1.0"?><rss>' + body, "https://news.example/feed", NOW, "live")


def item(guid: str, title: str, link: str = "", published: str = "Mon, 23 Nov 2026 08:00:00 +0000") -> str:
    identity = f"<guid>{guid}</guid>" if guid else ""
    return f"<item>{identity}<link>{link}</link><title>{title}</title><pubDate>{published}</pubDate></item>"


def feed_of(*items: str) -> bytes:
    head = "<title>News</title><language>it_IT</language>"
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{head}{"".join(items)}</channel></rss>'.encode()


def test_entries_are_told_apart_where_the_guid_does_not():
    body = feed_of(item("0", "uno"), item("0", "due"), item("0", "tre", "https://n.example/3"), item("", "quattro"))
    posts = read_feed(body, "https://news.example/feed", NOW, "live")
    assert sorted(post.text for post in posts) == ["due", "quattro", "tre", "uno"]
    assert len({post.native_id for post in posts}) == 4
    assert posts == read_feed(body, "https://news.example/feed", NOW, "live")


async def test_a_site_that_changes_all_its_ids_brings_no_news(feed: Feed, listener: FeedListener):
    feed.body = feed_of(item("http://n.example/1", "uno"), item("http://n.example/2", "due"))
    first = await next_batch(listener)
    feed.body = feed_of(
        item("https://n.example/1", "uno"), item("https://n.example/2", "due"), item("https://n.example/3", "tre")
    )
    feed.etag = '"b"'
    assert [post.text for post in (await next_batch(listener, first.cursor)).posts] == ["tre"]


async def test_another_address_is_a_first_look(feed: Feed, listener: FeedListener):
    first = await next_batch(listener)
    moved = FeedListener("news", f"{feed.url}/feed?x=1", 0.05, Fetcher(private=True), FeedReader(), lambda: NOW)
    feed.body = rss(("1", "Ferroviola in ritardo"), ("2", "vecchia notizia"))
    batch = await next_batch(moved, first.cursor)
    await moved.close()
    assert [(post.text.splitlines()[0], post.origin) for post in batch.posts] == [("vecchia notizia", "backfill")]


def test_an_unknown_date_is_unknown():
    [post] = read_feed(feed_of(item("1", "uno", published="ieri")), "https://news.example/feed", NOW, "backfill")
    assert (post.dated, post.created_at) == (False, NOW)


def test_a_title_that_the_body_repeats_is_told_once():
    body = feed_of(
        item("1", "Ferroviola ferma…").replace("<link>", "<description>Ferroviola ferma tutti</description><link>")
    )
    [post] = read_feed(body, "https://news.example/feed", NOW, "live")
    assert post.text == "Ferroviola ferma tutti"
