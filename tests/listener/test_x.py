import asyncio
import logging
from datetime import UTC, datetime

import msgspec
import pytest
from conftest import House
from platforms.x import BEARER, OWN, XServer

from connections.http import session as http_session
from connections.x import Keys, Ledger, Prices, X
from listener import x as listener
from listener.x import Place, XEar
from models.errors import Paused, Unauthorized, Unavailable
from models.mention import Mention
from models.post import Heard, Sought
from store.mentions import Concern, Kept, write_posts
from triage.mirroring import Mirror

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


def ear_of(server: XServer, http, search: str = "", *, stream: bool = False, **options) -> XEar:
    return XEar(connection_to(server, http, **options), search=search, stream=stream, interval=0.05)


async def something(listening) -> Heard:
    async with asyncio.timeout(5):
        while True:
            heard = await anext(listening)
            if heard.posts or heard.edits:
                return heard


def place(bookmark: str) -> Place:
    return msgspec.json.decode(bookmark, type=Place)


async def test_what_names_us_is_heard_with_reach_and_thread(server: XServer, http):
    listening = ear_of(server, http).listen('{"newest": {"mentions": "1", "own": "1"}}')
    first = server.post("@ferroviola in ritardo")
    server.post("@ferroviola anche a me", under=first["id"])
    one, two = (await something(listening)).posts
    assert (one.native_id, one.to_us, one.author.handle, one.author.followers, one.url) == (
        first["id"], True, "rita", 3_000, f"https://x.com/rita/status/{first['id']}",
    )  # fmt: skip
    assert (two.thread, two.parent, two.language) == (first["id"], first["id"], "it")
    await listening.aclose()


async def test_a_search_and_our_own_answers_are_heard(server: XServer, http):
    listening = ear_of(server, http, "ferroviola").listen('{"newest": {"mentions": "1", "own": "1", "search": "1"}}')
    asked = server.post("ferroviola in ritardo")
    server.post("@rita ci scusiamo", OWN, under=asked["id"])
    server.post("RT ferroviola", referenced_tweets=[{"type": "retweeted", "id": "5"}])
    heard = [*(await something(listening)).posts, *(await something(listening)).posts]
    assert [(p.text, p.ours, p.to_us) for p in heard] == [
        ("@rita ci scusiamo", True, False), ("ferroviola in ritardo", False, False),
    ]  # fmt: skip
    await listening.aclose()


async def test_both_names_of_the_fields_are_read(server: XServer, http):
    server.renamed = True
    listening = ear_of(server, http).listen('{"newest": {"mentions": "1", "own": "1"}}')
    first = server.post("@ferroviola uno")
    server.post("@ferroviola due", under=first["id"], note_post={"text": "@ferroviola due, per esteso"})
    _, two = (await something(listening)).posts
    assert (two.parent, two.text) == (first["id"], "@ferroviola due, per esteso")
    await listening.aclose()


async def test_a_later_version_is_an_edit_of_the_first(server: XServer, http):
    listening = ear_of(server, http).listen('{"newest": {"mentions": "1", "own": "1"}}')
    first = server.post("@ferroviola in ritrado")
    await something(listening)
    server.post("@ferroviola in ritardo", edit_history_tweet_ids=[first["id"], "1002"])
    [edit] = (await something(listening)).edits
    assert (edit.native_id, edit.text) == (first["id"], "@ferroviola in ritardo")
    await listening.aclose()


async def test_after_a_break_every_page_is_read_and_nothing_twice(server: XServer, http):
    before = server.post("@ferroviola prima")
    ear = ear_of(server, http)
    listening = ear.listen('{"newest": {"mentions": "1", "own": "1"}}')
    bookmark = (await something(listening)).bookmark
    await listening.aclose()
    for n in range(230):
        server.post(f"@ferroviola {n}")
    again = ear_of(server, http).listen(bookmark)
    posts = (await something(again)).posts
    assert [p.text for p in posts] == [f"@ferroviola {n}" for n in range(230)]
    assert before["id"] not in [p.native_id for p in posts]
    await again.aclose()


async def test_a_bookmark_too_old_for_the_search_begins_anew(server: XServer, http):
    server.post("ferroviola uno")
    too_old = {
        "detail": "Invalid 'since_id'. It must be a post id created after 2026-11-16.",
        "title": "Invalid Request",
    }
    listening = ear_of(server, http, "ferroviola").listen('{"newest": {"mentions": "1", "own": "1", "search": "1"}}')
    await anext(listening)
    await anext(listening)
    server.fails = [(400, too_old, {})]
    heard = await anext(listening)
    assert "search" not in place(heard.bookmark).newest
    assert [p.text for p in (await something(listening)).posts] == ["ferroviola uno"]
    await listening.aclose()


async def test_the_first_look_reads_a_few_and_counts_them_as_the_past(server: XServer, http):
    for n in range(50):
        server.post(f"@ferroviola {n}")
    listening = ear_of(server, http).listen(None)
    posts = (await something(listening)).posts
    assert (len(posts), {p.origin for p in posts}, server.read) == (listener.FIRST, {"backfill"}, listener.FIRST)
    await listening.aclose()


async def test_the_budget_is_never_exceeded_and_the_pause_ends_with_the_month(server: XServer, http):
    for n in range(100):
        server.post(f"@ferroviola {n}")
    ear = ear_of(server, http, budget=0.2)
    listening = ear.listen('{"newest": {"mentions": "1", "own": "1"}}')
    with pytest.raises(Paused, match="budget") as paused:
        async with asyncio.timeout(5):
            while True:
                await anext(listening)
    ledger = ear._connection.ledger
    assert ledger.spent <= 0.2
    assert server.read * PRICES.post <= 0.2
    assert 7 * 86_400 < (paused.value.retry_after or 0) < 8 * 86_400


async def test_what_was_spent_survives_a_restart_and_not_the_month(server: XServer, http):
    server.post("@ferroviola uno")
    listening = ear_of(server, http).listen(None)
    bookmark = (await something(listening)).bookmark
    await listening.aclose()
    spent = place(bookmark).spent
    assert spent == pytest.approx(PRICES.author + PRICES.post + PRICES.author)
    again = ear_of(server, http)
    listening = again.listen(bookmark)
    await anext(listening)
    assert again._connection.ledger.spent == pytest.approx(spent + PRICES.author)
    await listening.aclose()
    december = ear_of(server, http, now=lambda: datetime(2026, 12, 1, tzinfo=UTC))
    listening = december.listen(bookmark)
    await anext(listening)
    assert december._connection.ledger.spent == pytest.approx(PRICES.author)
    await listening.aclose()


async def test_the_likely_cost_is_told_before_anybody_runs_it(server: XServer, http):
    assert await ear_of(server, http, "ferroviola").connect() is None  # 3,000 a month: 45 of 100
    server.count = 70_000
    said = await ear_of(server, http, "ferroviola").connect()
    assert said is not None
    assert "about 300,000 posts a month, which costs about 4500.00 of a budget of 100.00" in said


async def test_the_stream_tells_at_once_and_its_rule_is_ours_alone(server: XServer, http):
    ear = ear_of(server, http, "ferroviola", stream=True)
    ear._interval = 60
    listening = ear.listen(None)
    for _ in range(3):
        await anext(listening)
    going_on = asyncio.ensure_future(something(listening))
    await server.streaming()
    assert [rule["value"] for rule in server.rules] == ["theirs", "ferroviola"]
    for raw in ("", "not json", '{"data": 3}', "[]", '{"data": {"id": "7", "text": "' + "x" * 10_000_000 + '"}}'):
        await server.line(raw)
    await server.tell(server.post("ferroviola in ritardo"))
    heard = await going_on
    assert ([p.text for p in heard.posts], place(heard.bookmark).newest["search"]) == (
        ["ferroviola in ritardo"],
        "1001",
    )
    await listening.aclose()


async def test_a_stream_that_breaks_is_begun_again_after_a_search(server: XServer, http):
    ear = ear_of(server, http, "ferroviola", stream=True)
    ear._interval = 60
    listening = ear.listen(None)
    for _ in range(3):
        bookmark = (await anext(listening)).bookmark
    going_on = asyncio.ensure_future(something(listening))
    await server.streaming()
    await server.drop()
    with pytest.raises(Unavailable):
        await going_on
    server.post("ferroviola intanto")
    again = ear_of(server, http, "ferroviola", stream=True)
    listening = again.listen(bookmark)
    assert [p.text for p in (await something(listening)).posts] == ["ferroviola intanto"]
    await listening.aclose()


async def test_x_says_why_it_ends_a_stream(server: XServer, http):
    ear = ear_of(server, http, "ferroviola", stream=True)
    ear._interval = 60
    listening = ear.listen(None)
    for _ in range(3):
        await anext(listening)
    going_on = asyncio.ensure_future(something(listening))
    await server.streaming()
    await server.line(
        '{"errors": [{"title": "operational-disconnect", "disconnect_type": "UpstreamOperationalDisconnect"}]}'
    )
    with pytest.raises(Unavailable, match="operational-disconnect"):
        await going_on


@pytest.mark.parametrize(
    ("answer", "error", "wait"),
    [
        ((401, {"detail": "Unauthorized"}, {}), Unauthorized, None),
        ((403, {"detail": "Your account is suspended"}, {}), Unauthorized, None),
        ((402, {"detail": "CreditsDepleted"}, {}), Paused, None),
        ((429, {"title": "Too Many Requests"}, {"x-rate-limit-reset": "99999999999"}), Unavailable, 1e9),
        ((429, {"title": "Too Many Requests"}, {}), Unavailable, None),
        ((503, {}, {}), Unavailable, None),
    ],
)
async def test_every_refusal_is_one_of_ours(server: XServer, http, answer, error, wait):
    ear = ear_of(server, http)
    await ear.connect()
    server.fails = [answer]
    with pytest.raises(error) as refused:
        await anext(ear.listen(None))
    if error is Unavailable:
        assert (refused.value.retry_after or 0) >= (wait or 0)
    assert len(server.asked) == 2  # nothing is asked again at once


async def test_offline_at_the_start_is_unavailable(server: XServer, http):
    await server.stop()
    with pytest.raises(Unavailable):
        await ear_of(server, http).connect()


async def test_no_secret_is_ever_logged(server: XServer, http, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        listening = ear_of(server, http, "ferroviola").listen(None)
        await anext(listening)
        await listening.aclose()
    assert not [secret for secret in (BEARER, "oauth_signature", "access") if secret in caplog.text]


async def test_a_permalink_and_what_it_answers(server: XServer, http):
    first = server.post("il treno?")
    second = server.post("ferroviola in ritardo", under=first["id"])
    ear = ear_of(server, http)
    found = await ear.find(f"https://x.com/rita/status/{second['id']}")
    assert found is not None
    assert found.text == "ferroviola in ritardo"
    assert await ear.find("https://x.com/rita/status/1") is None
    assert await ear.find("https://elsewhere.example/rita/status/1") is None
    sought = Sought(native_id=found.native_id, thread=found.thread, parent=found.parent, author="2")
    assert [p.text for p in (await ear.around(sought)).before] == ["il treno?"]


async def test_deletions_are_mirrored_once_a_day(house: House, server: XServer, http):
    kept, gone = server.post("ferroviola resta"), server.post("ferroviola sparisce")
    ear = ear_of(server, http, "ferroviola")
    posts, _ = listener.read(await ear._connection.search("ferroviola", 10), None)
    async with house.store.writing() as session:
        await write_posts(session, "x", [Kept(p, (Concern(house.brand(), "name", ""),)) for p in posts], house.now)
    del server.posts[gone["id"]]
    mirror = Mirror(house.store, ear, days=2)
    assert [await mirror.look_batch(house.now), await mirror.look_batch(house.now)] == [2, 0]
    assert {m.native_id: bool(m.deleted_at) for m in await house.all(Mention)} == {kept["id"]: False, gone["id"]: True}
    del server.posts[kept["id"]]
    assert await mirror.look_batch(house.later(days=1)) == 1
    assert all(m.deleted_at for m in await house.all(Mention))
    assert await mirror.look_batch(house.later(days=3)) == 0


async def test_what_was_spent_is_counted_once_however_often_it_reconnects(server: XServer, http):
    ear = ear_of(server, http)
    bookmark = msgspec.json.encode(Place(month="2026-11", spent=5.0)).decode()
    for _ in range(3):
        listening = ear.listen(bookmark)
        bookmark = (await anext(listening)).bookmark
        await listening.aclose()
    assert ear._connection.ledger.spent == pytest.approx(5.0 + PRICES.author, abs=0.001)


async def test_a_stream_that_ended_for_another_reason_is_searched_after_too(server: XServer, http):
    ear = ear_of(server, http, "ferroviola", stream=True)
    ear._interval = 60
    listening = ear.listen(None)
    for _ in range(3):
        bookmark = (await anext(listening)).bookmark
    await listening.aclose()
    server.post("ferroviola intanto")
    again = ear.listen(bookmark)
    assert [p.text for p in (await something(again)).posts] == ["ferroviola intanto"]
    await again.aclose()


async def test_a_row_that_cannot_be_read_keeps_nobody_from_the_others(server: XServer, http):
    listening = ear_of(server, http).listen('{"newest": {"mentions": "1", "own": "1"}}')
    server.post("@ferroviola rotto", created_at="ieri")
    server.post("@ferroviola pane &amp; vino")
    assert [p.text for p in (await something(listening)).posts] == ["@ferroviola pane & vino"]
    await listening.aclose()
