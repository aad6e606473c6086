import asyncio

import pytest
from platforms.hackernews import HackerNews

from connections.http import session as http_session
from listener import hackernews
from listener.hackernews import HackerNewsEar
from models.errors import Rejected, Unavailable
from models.post import Heard, Sought


@pytest.fixture
async def server():
    async with HackerNews() as server:
        yield server


@pytest.fixture
async def ear(server: HackerNews):
    async with http_session() as http:
        yield HackerNewsEar("hn", "ferroviola", 0.02, server.api, http)


async def something(listening) -> Heard:
    async with asyncio.timeout(5):
        while True:
            heard = await anext(listening)
            if heard.posts or heard.edits:
                return heard


async def test_stories_and_comments_are_heard_with_their_threads(server: HackerNews, ear: HackerNewsEar):
    story = server.post("Ferroviola opens its data")
    server.post("My ferroviola train &amp; I", parent=story)
    listening = ear.listen(None)
    posts = (await something(listening)).posts
    assert [(p.text, p.thread, p.parent, p.origin) for p in posts] == [
        ("Ferroviola opens its data", str(story), None, "backfill"),
        ("My ferroviola train & I", str(story), str(story), "backfill"),
    ]
    assert posts[0].url == f"https://news.ycombinator.com/item?id={story}"
    await listening.aclose()


async def test_after_a_break_nothing_is_missing_or_double_and_edits_are_heard(server: HackerNews, ear: HackerNewsEar):
    server.post("ferroviola one")
    listening = ear.listen(None)
    bookmark = (await something(listening)).bookmark
    await listening.aclose()
    late = server.post("ferroviola late in the index", at=1_763_700_000)
    server.items[101]["title"] = "ferroviola one, changed"
    for n in range(hackernews.PAGE + 50):
        server.post(f"ferroviola {n}")
    again = ear.listen(bookmark)
    heard = await something(again)
    assert len(heard.posts) == hackernews.PAGE + 51
    assert heard.posts[0].native_id == str(late)
    assert [p.text for p in heard.edits] == ["ferroviola one, changed"]
    for _ in range(3):
        assert not (await anext(again)).posts
    await again.aclose()


@pytest.mark.parametrize(
    ("answer", "error", "wait"),
    [
        ((429, {"Retry-After": "7"}, b""), Unavailable, 7),
        ((429, {}, b""), Unavailable, None),
        ((503, {}, b""), Unavailable, None),
        ((200, {}, b"<html>"), Unavailable, None),
        ((200, {}, b'{"hits": 3}'), Unavailable, None),
        ((200, {}, b"x" * 10_000_000), Rejected, None),
    ],
    ids=["limited", "limited without a header", "down", "no json", "types", "ten megabytes"],
)
async def test_every_refusal_is_one_of_ours(server: HackerNews, ear: HackerNewsEar, answer, error, wait):
    server.fails = [answer]
    with pytest.raises(error) as refused:
        await ear.connect()
    assert getattr(refused.value, "retry_after", None) == wait


async def test_offline_at_the_start_is_unavailable(server: HackerNews, ear: HackerNewsEar):
    await server.stop()
    with pytest.raises(Unavailable):
        await ear.connect()


async def test_a_permalink_and_what_stands_above(server: HackerNews, ear: HackerNewsEar):
    story = server.post("Trains")
    comment = server.post("late ones", parent=story)
    found = await ear.find(f"https://news.ycombinator.com/item?id={comment}")
    assert found is not None
    assert found.text == "late ones"
    assert await ear.find("https://news.ycombinator.com/item?id=9") is None
    sought = Sought(native_id=found.native_id, thread=str(story), parent=str(story), author="rita")
    assert [p.text for p in (await ear.around(sought)).before] == ["Trains"]


async def test_a_hit_that_cannot_be_read_keeps_nobody_from_the_others(server: HackerNews, ear: HackerNewsEar):
    server.post("ferroviola broken", author=None)
    server.post("ferroviola whole")
    listening = ear.listen(None)
    assert [p.text for p in (await something(listening)).posts] == ["ferroviola whole"]
    await listening.aclose()
