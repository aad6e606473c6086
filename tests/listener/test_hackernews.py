import asyncio

import pytest
from platforms.hackernews import HackerNews

from connections.http import session as http_session
from listener import hackernews
from listener.hackernews import HackerNewsListener
from models.errors import Rejected, Unavailable
from models.incoming import ContextRequest, ListenerBatch


@pytest.fixture
async def server():
    async with HackerNews() as server:
        yield server


@pytest.fixture
async def listener(server: HackerNews):
    async with http_session() as http:
        yield HackerNewsListener("hn", "ferroviola", 0.02, server.api, http)


async def next_posts(batches) -> ListenerBatch:
    """The next batch that is not empty."""
    async with asyncio.timeout(5):
        while True:
            batch = await anext(batches)
            if batch.posts or batch.edits:
                return batch


async def test_stories_and_comments_are_received_with_their_thread(server: HackerNews, listener: HackerNewsListener):
    story = server.post("Ferroviola opens its data")
    server.post("My ferroviola train &amp; I", parent=story)
    batches = listener.listen(None)
    posts = (await next_posts(batches)).posts
    assert [(p.text, p.thread, p.parent, p.origin) for p in posts] == [
        ("Ferroviola opens its data", str(story), None, "backfill"),
        ("My ferroviola train & I", str(story), str(story), "backfill"),
    ]
    assert posts[0].url == f"https://news.ycombinator.com/item?id={story}"
    await batches.aclose()


async def test_after_an_interruption_nothing_is_missing_or_repeated_and_edits_are_received(
    server: HackerNews, listener: HackerNewsListener
):
    server.post("ferroviola one")
    batches = listener.listen(None)
    cursor = (await next_posts(batches)).cursor
    await batches.aclose()
    late = server.post("ferroviola late in the index", at=1_763_700_000)
    server.items[101]["title"] = "ferroviola one, changed"
    for n in range(hackernews.PAGE_SIZE + 50):
        server.post(f"ferroviola {n}")
    batches = listener.listen(cursor)
    batch = await next_posts(batches)
    assert len(batch.posts) == hackernews.PAGE_SIZE + 51
    assert batch.posts[0].native_id == str(late)
    assert [p.text for p in batch.edits] == ["ferroviola one, changed"]
    for _ in range(3):
        assert not (await anext(batches)).posts
    await batches.aclose()


@pytest.mark.parametrize(
    ("failure", "error", "wait"),
    [
        ((429, {"Retry-After": "7"}, b""), Unavailable, 7),
        ((429, {}, b""), Unavailable, None),
        ((503, {}, b""), Unavailable, None),
        ((200, {}, b"<html>"), Unavailable, None),
        ((200, {}, b'{"hits": 3}'), Unavailable, None),
        ((200, {}, b"x" * 10_000_000), Rejected, None),
    ],
    ids=["limited", "limited without a header", "down", "not JSON", "types", "ten megabytes"],
)
async def test_http_errors_become_edge_errors(server: HackerNews, listener: HackerNewsListener, failure, error, wait):
    server.failures = [failure]
    with pytest.raises(error) as raised:
        await listener.connect()
    assert getattr(raised.value, "retry_after", None) == wait


async def test_connecting_while_offline_raises_unavailable(server: HackerNews, listener: HackerNewsListener):
    await server.stop()
    with pytest.raises(Unavailable):
        await listener.connect()


async def test_a_permalink_and_its_context_are_looked_up(server: HackerNews, listener: HackerNewsListener):
    story = server.post("Trains")
    comment = server.post("late ones", parent=story)
    post = await listener.find(f"https://news.ycombinator.com/item?id={comment}")
    assert post is not None
    assert post.text == "late ones"
    assert await listener.find("https://news.ycombinator.com/item?id=9") is None
    request = ContextRequest(native_id=post.native_id, thread=str(story), parent=str(story), author="rita")
    assert [p.text for p in (await listener.fetch_context(request)).earlier_posts] == ["Trains"]


async def test_a_malformed_hit_does_not_affect_the_others(server: HackerNews, listener: HackerNewsListener):
    server.post("ferroviola broken", author=None)
    server.post("ferroviola whole")
    batches = listener.listen(None)
    assert [p.text for p in (await next_posts(batches)).posts] == ["ferroviola whole"]
    await batches.aclose()
