import pytest
from platforms.reddit import CLIENT, REFRESH, SECRET, RedditServer

from connections.feeds import FeedReader
from connections.http import session as http_session
from connections.reddit import PAGE, Keys, Reddit
from listener.reddit import RedditListener
from models.errors import Unauthorized, Unavailable
from models.incoming import ContextRequest


@pytest.fixture
async def server():
    async with RedditServer() as server:
        yield server


def connection_to(server: RedditServer, http, *, has_keys: bool, refresh_token: str = REFRESH) -> Reddit:
    keys = Keys(CLIENT, SECRET, refresh_token) if has_keys else None
    return Reddit("reddit", http, site=server.url, api=server.url, keys=keys, feeds=FeedReader())


@pytest.fixture(params=[False, True], ids=["feeds", "keys"])
async def listener(request: pytest.FixtureRequest, server: RedditServer):
    """For what is the same with and without keys."""
    async with http_session() as http:
        listener = RedditListener(
            connection_to(server, http, has_keys=request.param),
            subreddits=["italy"],
            search="ferroviola",
            interval=0.02,
        )
        yield listener
        await listener.close()


@pytest.fixture
async def listener_with_keys(server: RedditServer):
    async with http_session() as http:
        listener = RedditListener(
            connection_to(server, http, has_keys=True), subreddits=["italy"], search="", interval=0.02
        )
        yield listener
        await listener.close()


async def all_listings(listener: RedditListener, cursor: str | None = None) -> tuple[list, list, str]:
    """Reads every listing once: posts, edits and the new cursor."""
    batches = listener.listen(cursor)
    posts, edits = [], []
    for _ in listener._listings:
        batch = await anext(batches)
        posts += batch.posts
        edits += batch.edits
    await batches.aclose()
    return posts, edits, batch.cursor


async def test_posts_and_comments_are_received_with_their_thread(server: RedditServer, listener: RedditListener):
    _, _, cursor = await all_listings(listener)
    post = server.post("Tre ore di ritardo & nessuna risposta", title="Treni")
    server.post("anche a me", in_reply_to=post["name"], author="gino")
    posts, _, _ = await all_listings(listener, cursor)
    assert [(p.native_id, p.text, p.author.handle, p.thread, p.parent) for p in posts] == [
        (post["name"], "Treni\nTre ore di ritardo & nessuna risposta", "rita", post["name"], None),
        ("t1_3ea", "anche a me", "gino", post["name"], post["name"]),
    ]
    assert posts[0].url == f"{server.url}/r/italy/comments/{post['name'][3:]}/titolo/"


async def test_without_a_cursor_posts_are_backfill_and_nothing_comes_twice(
    server: RedditServer, listener: RedditListener
):
    server.post("prima", title="altro")
    posts, _, cursor = await all_listings(listener)
    assert [p.origin for p in posts] == ["backfill"]
    posts, edits, cursor = await all_listings(listener, cursor)
    assert (posts, edits) == ([], [])


async def test_an_edit_is_received(server: RedditServer, listener: RedditListener):
    post = server.post("in ritardo", title="altro")
    _, _, cursor = await all_listings(listener)
    post["selftext"] = "cancellato"
    posts, edits, _ = await all_listings(listener, cursor)
    assert ([p.text for p in posts], [p.text for p in edits]) == ([], ["altro\ncancellato"])


@pytest.mark.parametrize(
    ("failure", "error", "wait"),
    [
        ((429, {"x-ratelimit-reset": "9"}), Unavailable, 9),
        ((429, {}), Unavailable, None),
        ((503, {}), Unavailable, None),
    ],
)
async def test_limits_and_outages_are_unavailable(server: RedditServer, failure, error, wait):
    async with http_session() as http:
        listener = RedditListener(
            connection_to(server, http, has_keys=False), subreddits=["italy"], search="", interval=1
        )
        server.failures = [failure]
        with pytest.raises(error) as raised:
            await listener.connect()
        assert raised.value.retry_after == wait


async def test_a_private_subreddit_needs_the_operator(server: RedditServer):
    async with http_session() as http:
        listener = RedditListener(
            connection_to(server, http, has_keys=False), subreddits=["segreto"], search="", interval=1
        )
        server.failures = [(403, {})]
        with pytest.raises(Unauthorized, match="private"):
            await listener.connect()


async def test_revoked_keys_need_the_operator(server: RedditServer):
    async with http_session() as http:
        connection = connection_to(server, http, has_keys=True, refresh_token="revoked")
        with pytest.raises(Unauthorized, match="redditdev"):
            await RedditListener(connection, subreddits=[], search="", interval=1).connect()
        await connection.close()


async def test_connecting_while_offline_raises_unavailable(server: RedditServer, listener: RedditListener):
    await server.stop()
    with pytest.raises(Unavailable):
        await listener.connect()


async def test_a_response_that_is_not_a_feed_is_unavailable(server: RedditServer):
    async with http_session() as http:
        server._atom = lambda _things: __import__("aiohttp").web.Response(text="<html>blocked</html>")
        listener = RedditListener(
            connection_to(server, http, has_keys=False), subreddits=["italy"], search="", interval=1
        )
        with pytest.raises(Unavailable):
            await listener.connect()


async def test_with_keys_every_page_is_read_after_a_long_interruption(
    server: RedditServer, listener_with_keys: RedditListener
):
    server.post("prima")
    _, _, cursor = await all_listings(listener_with_keys, None)
    for n in range(PAGE + 30):
        server.post(f"numero {n}")
    posts, _, _ = await all_listings(listener_with_keys, cursor)
    assert len(posts) == PAGE + 30


async def test_the_inbox_and_our_own_comments_are_recognized(server: RedditServer, listener_with_keys: RedditListener):
    _, _, cursor = await all_listings(listener_with_keys)
    post = server.post("Ferroviola?", author="gino")
    server.post("certo", in_reply_to=post["name"], author="ferroviola")
    server.post("u/ferroviola mi sentite?", in_reply_to=post["name"], to_inbox=True)
    posts, _, _ = await all_listings(listener_with_keys, cursor)
    assert {(p.text, p.ours, p.addresses_us) for p in posts} == {
        ("Ferroviola\nFerroviola?", False, False), ("certo", True, False), ("u/ferroviola mi sentite?", False, False),
        ("u/ferroviola mi sentite?", False, True),
    }  # fmt: skip


async def test_deletions_permalinks_and_context_are_looked_up(server: RedditServer, listener_with_keys: RedditListener):
    post = server.post("il treno?", title="Treni")
    one, two = (server.post(text, in_reply_to=post["name"]) for text in ("in ritardo", "cancellato"))
    two["body"] = two["author"] = "[deleted]"
    await listener_with_keys.connect()
    names = [post["name"], one["name"], two["name"], "t1_zzz"]
    assert list(await listener_with_keys.find_deleted(names)) == [two["name"], "t1_zzz"]
    comment = await listener_with_keys.find(f"https://www.reddit.com{one['permalink']}")
    assert comment is not None
    assert comment.text == "in ritardo"
    request = ContextRequest(native_id=one["name"], thread=post["name"], parent=post["name"], author="rita")
    context = await listener_with_keys.fetch_context(request)
    assert [p.text for p in context.earlier_posts] == ["Treni\nil treno?"]
