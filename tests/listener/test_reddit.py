import asyncio

import pytest
from platforms.reddit import CLIENT, REFRESH, SECRET, RedditServer

from connections.http import session as http_session
from connections.reddit import PAGE, Keys, Reddit
from listener.reddit import RedditEar
from models.errors import Unauthorized, Unavailable
from models.post import Heard, Sought


@pytest.fixture
async def server():
    async with RedditServer() as server:
        yield server


def reddit(server: RedditServer, http, *, keyed: bool, refresh: str = REFRESH) -> Reddit:
    keys = Keys(CLIENT, SECRET, refresh) if keyed else None
    return Reddit("reddit", http, site=server.url, api=server.url, keys=keys)


@pytest.fixture(params=[False, True], ids=["feeds", "key"])
async def ear(request: pytest.FixtureRequest, server: RedditServer):
    """Everything that holds with and without a key."""
    async with http_session() as http:
        ear = RedditEar(
            reddit(server, http, keyed=request.param), subreddits=["italy"], search="ferroviola", interval=0.02
        )
        yield ear
        await ear.close()


@pytest.fixture
async def keyed(server: RedditServer):
    async with http_session() as http:
        ear = RedditEar(reddit(server, http, keyed=True), subreddits=["italy"], search="", interval=0.02)
        yield ear
        await ear.close()


async def something(listening) -> Heard:
    async with asyncio.timeout(5):
        while True:
            heard = await anext(listening)
            if heard.posts or heard.edits:
                return heard


async def all_listings(ear: RedditEar, bookmark: str | None = None) -> tuple[list, list, str]:
    """One look at every listing."""
    listening = ear.listen(bookmark)
    posts, edits = [], []
    for _ in ear._listings:
        heard = await anext(listening)
        posts += heard.posts
        edits += heard.edits
    await listening.aclose()
    return posts, edits, heard.bookmark


async def test_posts_and_comments_are_heard_with_their_thread(server: RedditServer, ear: RedditEar):
    _, _, bookmark = await all_listings(ear)
    post = server.post("Tre ore di ritardo & nessuna risposta", title="Treni")
    server.post("anche a me", under=post["name"], author="gino")
    posts, _, _ = await all_listings(ear, bookmark)
    assert [(p.native_id, p.text, p.author.handle, p.thread, p.parent) for p in posts] == [
        (post["name"], "Treni\nTre ore di ritardo & nessuna risposta", "rita", post["name"], None),
        ("t1_3ea", "anche a me", "gino", post["name"], post["name"]),
    ]
    assert posts[0].url == f"{server.url}/r/italy/comments/{post['name'][3:]}/titolo/"


async def test_the_first_look_is_the_past_and_nothing_comes_twice(server: RedditServer, ear: RedditEar):
    server.post("prima", title="altro")
    posts, _, bookmark = await all_listings(ear)
    assert [p.origin for p in posts] == ["backfill"]
    posts, edits, bookmark = await all_listings(ear, bookmark)
    assert (posts, edits) == ([], [])


async def test_an_edit_is_heard(server: RedditServer, ear: RedditEar):
    post = server.post("in ritardo", title="altro")
    _, _, bookmark = await all_listings(ear)
    post["selftext"] = "cancellato"
    posts, edits, _ = await all_listings(ear, bookmark)
    assert ([p.text for p in posts], [p.text for p in edits]) == ([], ["altro\ncancellato"])


@pytest.mark.parametrize(
    ("answer", "error", "wait"),
    [
        ((429, {"x-ratelimit-reset": "9"}), Unavailable, 9),
        ((429, {}), Unavailable, None),
        ((503, {}), Unavailable, None),
    ],
)
async def test_limits_and_failures_are_waited_out(server: RedditServer, answer, error, wait):
    async with http_session() as http:
        ear = RedditEar(reddit(server, http, keyed=False), subreddits=["italy"], search="", interval=1)
        server.fails = [answer]
        with pytest.raises(error) as refused:
            await ear.connect()
        assert refused.value.retry_after == wait


async def test_a_private_subreddit_needs_a_human(server: RedditServer):
    async with http_session() as http:
        ear = RedditEar(reddit(server, http, keyed=False), subreddits=["segreto"], search="", interval=1)
        server.fails = [(403, {})]
        with pytest.raises(Unauthorized, match="private"):
            await ear.connect()


async def test_a_revoked_key_needs_a_human(server: RedditServer):
    async with http_session() as http:
        connection = reddit(server, http, keyed=True, refresh="revoked")
        with pytest.raises(Unauthorized, match="redditdev"):
            await RedditEar(connection, subreddits=[], search="", interval=1).connect()
        await connection.close()


async def test_offline_at_the_start_is_unavailable(server: RedditServer, ear: RedditEar):
    await server.stop()
    with pytest.raises(Unavailable):
        await ear.connect()


async def test_what_is_no_feed_is_not_taken_for_one(server: RedditServer):
    async with http_session() as http:
        server._atom = lambda _things: __import__("aiohttp").web.Response(text="<html>blocked</html>")
        ear = RedditEar(reddit(server, http, keyed=False), subreddits=["italy"], search="", interval=1)
        with pytest.raises(Unavailable):
            await ear.connect()


async def test_with_a_key_a_long_break_is_read_to_its_end(server: RedditServer, keyed: RedditEar):
    server.post("prima")
    _, _, bookmark = await all_listings(keyed, None)
    for n in range(PAGE + 30):
        server.post(f"numero {n}")
    posts, _, _ = await all_listings(keyed, bookmark)
    assert len(posts) == PAGE + 30


async def test_what_is_written_to_us_and_what_we_write_are_known(server: RedditServer, keyed: RedditEar):
    _, _, bookmark = await all_listings(keyed)
    post = server.post("Ferroviola?", author="gino")
    server.post("certo", under=post["name"], author="ferroviola")
    server.post("u/ferroviola mi sentite?", under=post["name"], to_us=True)
    posts, _, _ = await all_listings(keyed, bookmark)
    assert {(p.text, p.ours, p.to_us) for p in posts} == {
        ("Ferroviola\nFerroviola?", False, False), ("certo", True, False), ("u/ferroviola mi sentite?", False, False),
        ("u/ferroviola mi sentite?", False, True),
    }  # fmt: skip


async def test_deletions_permalinks_and_what_stands_above_are_looked_up(server: RedditServer, keyed: RedditEar):
    post = server.post("il treno?", title="Treni")
    one, two = (server.post(text, under=post["name"]) for text in ("in ritardo", "cancellato"))
    two["body"] = two["author"] = "[deleted]"
    await keyed.connect()
    assert list(await keyed.gone([post["name"], one["name"], two["name"], "t1_zzz"])) == [two["name"], "t1_zzz"]
    found = await keyed.find(f"https://www.reddit.com{one['permalink']}")
    assert found is not None
    assert found.text == "in ritardo"
    sought = Sought(native_id=one["name"], thread=post["name"], parent=post["name"], author="rita")
    assert [p.text for p in (await keyed.around(sought)).before] == ["Treni\nil treno?"]
