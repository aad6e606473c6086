import asyncio
import logging
from datetime import UTC, datetime

import msgspec
import pytest
from conftest import Harness
from platforms.x import BEARER, OWN, XServer

from connections.http import session as http_session
from connections.x import Keys, Ledger, Prices, X
from listener.x import FIRST_PAGE, Cursor, XListener, read
from models.errors import Paused, Unauthorized, Unavailable
from models.incoming import ContextRequest, ListenerBatch
from models.tables.mention import Mention
from store.mentions import BrandMatch, MatchedPost, write_posts
from triage.deletion_check import DeletionCheck

PRICES = Prices(0.005, 0.01, 0.015, 0.2, 0.005)
NOVEMBER = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture
async def server():
    async with XServer() as server:
        yield server


@pytest.fixture
async def http():
    async with http_session() as http:
        yield http


def connection_to(server: XServer, http, budget: float = 100.0, bearer: str = BEARER, now=lambda: NOVEMBER) -> X:
    keys = Keys(bearer, "ck", "cs", "access", "as")
    return X("x", keys, Ledger(budget, PRICES, now), http, base_url=server.url)


def listener_for(server: XServer, http, search: str = "", *, stream: bool = False, **options) -> XListener:
    return XListener(connection_to(server, http, **options), search=search, stream=stream, interval=0.05)


async def next_posts(batches) -> ListenerBatch:
    """The next batch that is not empty."""
    async with asyncio.timeout(5):
        while True:
            batch = await anext(batches)
            if batch.posts or batch.edits:
                return batch


def decoded(cursor: str) -> Cursor:
    return msgspec.json.decode(cursor, type=Cursor)


async def test_mentions_are_received_with_reach_and_thread(server: XServer, http):
    batches = listener_for(server, http).listen('{"newest": {"mentions": "1", "own": "1"}}')
    first = server.post("@ferroviola in ritardo")
    server.post("@ferroviola anche a me", in_reply_to=first["id"])
    one, two = (await next_posts(batches)).posts
    assert (one.native_id, one.addresses_us, one.author.handle, one.author.followers, one.url) == (
        first["id"], True, "rita", 3_000, f"https://x.com/rita/status/{first['id']}",
    )  # fmt: skip
    assert (two.thread, two.parent, two.language) == (first["id"], first["id"], "it")
    await batches.aclose()


async def test_search_results_and_our_own_replies_are_received(server: XServer, http):
    batches = listener_for(server, http, "ferroviola").listen(
        '{"newest": {"mentions": "1", "own": "1", "search": "1"}}'
    )
    complaint = server.post("ferroviola in ritardo")
    server.post("@rita ci scusiamo", OWN, in_reply_to=complaint["id"])
    server.post("RT ferroviola", referenced_tweets=[{"type": "retweeted", "id": "5"}])
    posts = [*(await next_posts(batches)).posts, *(await next_posts(batches)).posts]
    assert [(p.text, p.ours, p.addresses_us) for p in posts] == [
        ("@rita ci scusiamo", True, False), ("ferroviola in ritardo", False, False),
    ]  # fmt: skip
    await batches.aclose()


async def test_fields_are_read_by_their_old_and_new_names(server: XServer, http):
    server.renamed = True
    batches = listener_for(server, http).listen('{"newest": {"mentions": "1", "own": "1"}}')
    first = server.post("@ferroviola uno")
    server.post("@ferroviola due", in_reply_to=first["id"], note_post={"text": "@ferroviola due, per esteso"})
    _, two = (await next_posts(batches)).posts
    assert (two.parent, two.text) == (first["id"], "@ferroviola due, per esteso")
    await batches.aclose()


async def test_a_later_version_is_an_edit_of_the_first_post(server: XServer, http):
    batches = listener_for(server, http).listen('{"newest": {"mentions": "1", "own": "1"}}')
    first = server.post("@ferroviola in ritrado")
    await next_posts(batches)
    server.post("@ferroviola in ritardo", edit_history_tweet_ids=[first["id"], "1002"])
    [edit] = (await next_posts(batches)).edits
    assert (edit.native_id, edit.text) == (first["id"], "@ferroviola in ritardo")
    await batches.aclose()


async def test_after_an_interruption_every_page_is_read_and_nothing_twice(server: XServer, http):
    old = server.post("@ferroviola prima")
    listener = listener_for(server, http)
    batches = listener.listen('{"newest": {"mentions": "1", "own": "1"}}')
    cursor = (await next_posts(batches)).cursor
    await batches.aclose()
    for n in range(230):
        server.post(f"@ferroviola {n}")
    resumed = listener_for(server, http).listen(cursor)
    posts = (await next_posts(resumed)).posts
    assert [p.text for p in posts] == [f"@ferroviola {n}" for n in range(230)]
    assert old["id"] not in [p.native_id for p in posts]
    await resumed.aclose()


async def test_a_cursor_too_old_for_the_search_is_reset(server: XServer, http):
    server.post("ferroviola uno")
    too_old = {
        "detail": "Invalid 'since_id'. It must be a post id created after 2026-11-16.",
        "title": "Invalid Request",
    }
    batches = listener_for(server, http, "ferroviola").listen(
        '{"newest": {"mentions": "1", "own": "1", "search": "1"}}'
    )
    await anext(batches)
    await anext(batches)
    server.failures = [(400, too_old, {})]
    batch = await anext(batches)
    assert "search" not in decoded(batch.cursor).newest
    assert [p.text for p in (await next_posts(batches)).posts] == ["ferroviola uno"]
    await batches.aclose()


async def test_without_a_cursor_a_few_posts_are_read_as_backfill(server: XServer, http):
    for n in range(50):
        server.post(f"@ferroviola {n}")
    batches = listener_for(server, http).listen(None)
    posts = (await next_posts(batches)).posts
    assert (len(posts), {p.origin for p in posts}, server.posts_returned) == (FIRST_PAGE, {"backfill"}, FIRST_PAGE)
    await batches.aclose()


async def test_the_budget_is_never_exceeded_and_the_pause_ends_with_the_month(server: XServer, http):
    for n in range(100):
        server.post(f"@ferroviola {n}")
    listener = listener_for(server, http, budget=0.2)
    batches = listener.listen('{"newest": {"mentions": "1", "own": "1"}}')
    with pytest.raises(Paused, match="budget") as paused:
        async with asyncio.timeout(5):
            while True:
                await anext(batches)
    ledger = listener._connection.ledger
    assert ledger.spent <= 0.2
    assert server.posts_returned * PRICES.post <= 0.2
    assert 7 * 86_400 < (paused.value.retry_after or 0) < 8 * 86_400


async def test_spending_survives_a_restart_but_not_the_end_of_the_month(server: XServer, http):
    server.post("@ferroviola uno")
    batches = listener_for(server, http).listen(None)
    cursor = (await next_posts(batches)).cursor
    await batches.aclose()
    spent = decoded(cursor).spent
    assert spent == pytest.approx(PRICES.author + PRICES.post + PRICES.author)
    restarted = listener_for(server, http)
    batches = restarted.listen(cursor)
    await anext(batches)
    assert restarted._connection.ledger.spent == pytest.approx(spent + PRICES.author)
    await batches.aclose()
    december = listener_for(server, http, now=lambda: datetime(2026, 12, 1, tzinfo=UTC))
    batches = december.listen(cursor)
    await anext(batches)
    assert december._connection.ledger.spent == pytest.approx(PRICES.author)
    await batches.aclose()


async def test_connect_returns_the_likely_cost_of_the_search(server: XServer, http):
    assert await listener_for(server, http, "ferroviola").connect() is None  # 3,000 a month: 45 of 100
    server.count = 70_000
    note = await listener_for(server, http, "ferroviola").connect()
    assert note is not None
    assert "about 300,000 posts a month, which costs about 4500.00 of a budget of 100.00" in note


async def test_the_stream_delivers_at_once_and_only_our_own_rules_change(server: XServer, http):
    listener = listener_for(server, http, "ferroviola", stream=True)
    listener._interval = 60
    batches = listener.listen(None)
    for _ in range(3):
        await anext(batches)
    waiting = asyncio.ensure_future(next_posts(batches))
    await server.wait_for_stream()
    assert [rule["value"] for rule in server.rules] == ["theirs", "ferroviola"]
    for raw in ("", "not json", '{"data": 3}', "[]", '{"data": {"id": "7", "text": "' + "x" * 10_000_000 + '"}}'):
        await server.stream_line(raw)
    await server.stream_post(server.post("ferroviola in ritardo"))
    batch = await waiting
    assert [p.text for p in batch.posts] == ["ferroviola in ritardo"]
    assert decoded(batch.cursor).newest["search"] == "1001"
    await batches.aclose()


async def test_after_an_interruption_of_the_stream_the_search_fills_the_gap(server: XServer, http):
    listener = listener_for(server, http, "ferroviola", stream=True)
    listener._interval = 60
    batches = listener.listen(None)
    for _ in range(3):
        cursor = (await anext(batches)).cursor
    waiting = asyncio.ensure_future(next_posts(batches))
    await server.wait_for_stream()
    await server.drop()
    with pytest.raises(Unavailable):
        await waiting
    server.post("ferroviola intanto")
    restarted = listener_for(server, http, "ferroviola", stream=True)
    batches = restarted.listen(cursor)
    assert [p.text for p in (await next_posts(batches)).posts] == ["ferroviola intanto"]
    await batches.aclose()


async def test_the_error_of_a_closed_stream_has_the_reason_of_x(server: XServer, http):
    listener = listener_for(server, http, "ferroviola", stream=True)
    listener._interval = 60
    batches = listener.listen(None)
    for _ in range(3):
        await anext(batches)
    waiting = asyncio.ensure_future(next_posts(batches))
    await server.wait_for_stream()
    await server.stream_line(
        '{"errors": [{"title": "operational-disconnect", "disconnect_type": "UpstreamOperationalDisconnect"}]}'
    )
    with pytest.raises(Unavailable, match="operational-disconnect"):
        await waiting


@pytest.mark.parametrize(
    ("failure", "error", "wait"),
    [
        ((401, {"detail": "Unauthorized"}, {}), Unauthorized, None),
        ((403, {"detail": "Your account is suspended"}, {}), Unauthorized, None),
        ((402, {"detail": "CreditsDepleted"}, {}), Paused, None),
        ((429, {"title": "Too Many Requests"}, {"x-rate-limit-reset": "99999999999"}), Unavailable, 1e9),
        ((429, {"title": "Too Many Requests"}, {}), Unavailable, None),
        ((503, {}, {}), Unavailable, None),
    ],
)
async def test_http_errors_become_edge_errors(server: XServer, http, failure, error, wait):
    listener = listener_for(server, http)
    await listener.connect()
    server.failures = [failure]
    with pytest.raises(error) as raised:
        await anext(listener.listen(None))
    if error is Unavailable:
        assert (raised.value.retry_after or 0) >= (wait or 0)
    assert len(server.requests) == 2  # nothing is retried at once


async def test_connecting_while_offline_raises_unavailable(server: XServer, http):
    await server.stop()
    with pytest.raises(Unavailable):
        await listener_for(server, http).connect()


async def test_no_secret_is_logged(server: XServer, http, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        batches = listener_for(server, http, "ferroviola").listen(None)
        await anext(batches)
        await batches.aclose()
    assert not [secret for secret in (BEARER, "oauth_signature", "access") if secret in caplog.text]


async def test_a_permalink_and_its_context_are_looked_up(server: XServer, http):
    first = server.post("il treno?")
    second = server.post("ferroviola in ritardo", in_reply_to=first["id"])
    listener = listener_for(server, http)
    post = await listener.find(f"https://x.com/rita/status/{second['id']}")
    assert post is not None
    assert post.text == "ferroviola in ritardo"
    assert await listener.find("https://x.com/rita/status/1") is None
    assert await listener.find("https://elsewhere.example/rita/status/1") is None
    request = ContextRequest(native_id=post.native_id, thread=post.thread, parent=post.parent, author="2")
    assert [p.text for p in (await listener.fetch_context(request)).earlier_posts] == ["il treno?"]


async def test_deletions_are_checked_once_a_day(harness: Harness, server: XServer, http):
    remaining, deleted = server.post("ferroviola resta"), server.post("ferroviola sparisce")
    listener = listener_for(server, http, "ferroviola")
    posts, _ = read(await listener._connection.search("ferroviola", 10), None)
    match = BrandMatch(brand_id=harness.brand(), matched_by="query", query="name", words="")
    async with harness.store.writing() as session:
        await write_posts(session, "x", [MatchedPost(post, (match,)) for post in posts], harness.now)
    del server.posts[deleted["id"]]
    check = DeletionCheck(harness.store, listener, days=2)
    assert [await check.check_batch(harness.now), await check.check_batch(harness.now)] == [2, 0]
    assert {m.native_id: bool(m.deleted_at) for m in await harness.all(Mention)} == {
        remaining["id"]: False,
        deleted["id"]: True,
    }
    del server.posts[remaining["id"]]
    assert await check.check_batch(harness.advance(days=1)) == 1
    assert all(m.deleted_at for m in await harness.all(Mention))
    assert await check.check_batch(harness.advance(days=3)) == 0


async def test_spending_is_counted_once_however_often_it_reconnects(server: XServer, http):
    listener = listener_for(server, http)
    cursor = msgspec.json.encode(Cursor(month="2026-11", spent=5.0)).decode()
    for _ in range(3):
        batches = listener.listen(cursor)
        cursor = (await anext(batches)).cursor
        await batches.aclose()
    assert listener._connection.ledger.spent == pytest.approx(5.0 + PRICES.author, abs=0.001)


async def test_a_stream_that_is_restarted_is_preceded_by_a_search(server: XServer, http):
    listener = listener_for(server, http, "ferroviola", stream=True)
    listener._interval = 60
    batches = listener.listen(None)
    for _ in range(3):
        cursor = (await anext(batches)).cursor
    await batches.aclose()
    server.post("ferroviola intanto")
    batches = listener.listen(cursor)
    assert [p.text for p in (await next_posts(batches)).posts] == ["ferroviola intanto"]
    await batches.aclose()


async def test_a_malformed_post_does_not_affect_the_others(server: XServer, http):
    batches = listener_for(server, http).listen('{"newest": {"mentions": "1", "own": "1"}}')
    server.post("@ferroviola rotto", created_at="ieri")
    server.post("@ferroviola pane &amp; vino")
    assert [p.text for p in (await next_posts(batches)).posts] == ["@ferroviola pane & vino"]
    await batches.aclose()
