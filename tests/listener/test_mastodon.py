import asyncio
import json
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from platforms.mastodon import OWN, TOKEN, MastodonServer

from connections.http import session as http_session
from connections.mastodon import Mastodon
from listener import mastodon
from listener.mastodon import MastodonEar
from models.errors import Unauthorized, Unavailable
from models.post import Heard, Sought


@pytest.fixture
async def server():
    async with MastodonServer() as server:
        yield server


@pytest.fixture
async def http():
    async with http_session() as http:
        yield http


def ear_of(server: MastodonServer, http, token: str = TOKEN, **options) -> MastodonEar:
    return MastodonEar(Mastodon("mastodon", server.url, token, http), **{"hashtags": ["Ferroviola"], **options})


async def ready(server: MastodonServer, listening) -> Heard:
    """Has caught up, and now listens."""
    heard = await until(listening, lambda heard: set(json.loads(heard.bookmark)) >= {"own", "hashtag:ferroviola"})
    await server.heard(2)
    return heard


async def until(listening, found) -> Heard:
    async with asyncio.timeout(5):
        while not found(heard := await anext(listening)):
            pass
        return heard


async def something(listening) -> Heard:
    return await until(listening, lambda heard: heard.posts or heard.edits or heard.deletions)


async def test_a_hashtag_is_heard_with_name_and_reach(server: MastodonServer, http):
    listening = ear_of(server, http).listen(None)
    await ready(server, listening)
    await server.post("#ferroviola in ritardo", spoiler_text="treni")
    [post] = (await something(listening)).posts
    assert (post.text, post.native_id) == ("treni\n#ferroviola in ritardo", f"127.0.0.1:{server.port}:1001")
    assert (post.author.handle, post.author.followers) == ("rita@altrove.example", 7_000)
    await listening.aclose()


async def test_what_speaks_to_us_and_what_we_say_are_known(server: MastodonServer, http):
    listening = ear_of(server, http).listen(None)
    await ready(server, listening)
    asked = await server.post("@ferroviola mi sentite?", to_us=True)
    [post] = (await something(listening)).posts
    assert (post.to_us, post.ours) == (True, False)
    await server.post("@rita certo", OWN, under=asked["id"])
    [post] = (await something(listening)).posts
    assert (post.to_us, post.ours, post.parent) == (False, True, f"127.0.0.1:{server.port}:{asked['id']}")
    await listening.aclose()


async def test_edits_and_deletions_are_heard(server: MastodonServer, http):
    listening = ear_of(server, http, public="federated").listen(None)
    await ready(server, listening)
    status = await server.post("Ferroviola in ritardo")
    await something(listening)
    await server.edit(status, "Ferroviola cancellato")
    assert [post.text for post in (await something(listening)).edits] == ["Ferroviola cancellato"]
    await server.delete(status)
    assert [gone.native_id for gone in (await something(listening)).deletions] == [
        f"127.0.0.1:{server.port}:{status['id']}"
    ]
    await listening.aclose()


async def test_what_was_said_before_we_first_came_stays_unheard_but_for_the_last(server: MastodonServer, http):
    for n in range(3):
        await server.post(f"#ferroviola {n}")
    listening = ear_of(server, http).listen(None)
    heard = await something(listening)
    assert [(post.text, post.origin) for post in heard.posts] == [("#ferroviola 2", "backfill")]
    await listening.aclose()


async def test_after_a_break_nothing_is_missing_and_nothing_comes_from_before(server: MastodonServer, http):
    ear = ear_of(server, http)
    listening = ear.listen(None)
    await server.post("#ferroviola prima")
    first = await ready(server, listening)
    await server.drop()
    with pytest.raises(Unavailable):
        await something(listening)
    for n in range(mastodon.PAGE + 5):
        await server.post(f"#ferroviola {n}", to_us=n == 3)
    again = ear.listen(first.bookmark)
    heard: list[str] = []
    while len(heard) < mastodon.PAGE + 6:
        heard += [post.text for post in (await something(again)).posts]
    assert heard == ["#ferroviola 3", *(f"#ferroviola {n}" for n in range(mastodon.PAGE + 5))]
    await again.aclose()


@pytest.mark.parametrize(
    "frame",
    ["x", "{}", "[]", '{"event": "update", "payload": "{}"}', '{"event": "update", "payload": 3}', '{"event": "new.kind"}',
     '{"event": "update", "stream": ["public"], "payload": "' + "x" * 1_000_000 + '"}', '"\\ud800"'],
    ids=["text", "empty", "list", "no status", "number", "unknown", "long", "surrogate"],
)  # fmt: skip
async def test_a_malformed_frame_is_passed_over(server: MastodonServer, http, frame: str):
    listening = ear_of(server, http).listen(None)
    await ready(server, listening)
    await server.frame(frame)
    await server.post("#ferroviola dopo")
    assert [post.text for post in (await something(listening)).posts] == ["#ferroviola dopo"]
    await listening.aclose()


async def test_a_frame_too_long_to_be_read_ends_the_stream_and_no_more(server: MastodonServer, http):
    listening = ear_of(server, http).listen(None)
    await ready(server, listening)
    await server.frame("x" * 10_000_000)
    with pytest.raises(Unavailable):
        await something(listening)


async def test_a_boost_is_nobodys_words(server: MastodonServer, http):
    listening = ear_of(server, http, public="federated").listen(None)
    await ready(server, listening)
    await server.post("", reblog={"id": "1"})
    await server.post("Ferroviola")
    assert [post.text for post in (await something(listening)).posts] == ["Ferroviola"]
    await listening.aclose()


async def test_a_quiet_stream_gives_signs_of_life(server: MastodonServer, http, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mastodon, "PULSE", 0.05)
    listening = ear_of(server, http).listen(None)
    await ready(server, listening)
    async with asyncio.timeout(2):
        assert (await anext(listening)).posts == ()
    await listening.aclose()


async def test_a_revoked_token_needs_a_human(server: MastodonServer, http):
    with pytest.raises(Unauthorized, match="token_env"):
        await ear_of(server, http, token="revoked").connect()
    ear = ear_of(server, http)
    await ear.connect()
    server.token = "another"
    with pytest.raises(Unauthorized):
        await anext(ear.listen(None))


async def test_the_time_to_wait_is_read_from_the_reset(server: MastodonServer, http):
    reset = (datetime.now(UTC) + timedelta(seconds=100)).isoformat().replace("+00:00", "Z")
    server.fails = [(429, {"X-RateLimit-Reset": reset}), (429, {})]
    with pytest.raises(Unavailable) as limited:
        await ear_of(server, http).connect()
    assert 90 < (limited.value.retry_after or 0) <= 100
    with pytest.raises(Unavailable) as limited:
        await ear_of(server, http).connect()
    assert limited.value.retry_after is None


async def test_offline_at_the_start_is_unavailable(server: MastodonServer, http):
    await server.stop()
    with pytest.raises(Unavailable):
        await ear_of(server, http).connect()


async def test_a_permalink_is_found_and_what_stands_above_is_told(server: MastodonServer, http):
    first = await server.post("il treno?")
    status = await server.post("#ferroviola in ritardo", under=first["id"])
    ear = ear_of(server, http)
    found = await ear.find(status["url"])
    assert found is not None
    assert found.text == "#ferroviola in ritardo"
    assert await ear.find("https://altrove.example/@x/nothing") is None
    sought = Sought(native_id=found.native_id, thread="", parent=found.parent, author=found.author.native_id)
    assert [post.text for post in (await ear.around(sought)).before] == ["il treno?"]


def test_media_of_every_kind_have_a_place():
    found = {
        "type": "image",
        "url": "https://a.example/1.png",
        "preview_url": "https://a.example/s.png",
        "description": "un treno",
    }
    kinds = ("image", "gifv", "audio", "unknown")
    status = {"id": "1", "account": OWN, "content": "", "created_at": "2026-11-23T08:00:00Z"}
    status["media_attachments"] = [{**found, "type": kind} for kind in kinds]
    read = mastodon._status_decoder.decode(json.dumps(status))
    post = mastodon.to_post(read, "h", read.account)
    assert [media.kind for media in post.media] == ["image", "video", "audio", "file"]
    assert post.media[0].alt == "un treno"


async def test_an_address_that_is_none_and_a_row_that_cannot_be_read_stop_nothing(server: MastodonServer, http):
    listening = ear_of(server, http).listen(None)
    first = await ready(server, listening)
    await server.drop()
    await server.post("#ferroviola uno", url="https://exa[mple.com/1")
    await server.post("#ferroviola rotto", created_at="ieri")
    await server.post("#ferroviola due")
    again = ear_of(server, http).listen(first.bookmark)
    assert [(p.text, p.url[:8]) for p in (await something(again)).posts] == [
        ("#ferroviola uno", "https://"),
        ("#ferroviola due", "https://"),
    ]
    await again.aclose()


async def test_a_stream_that_says_no_needs_a_human(server: MastodonServer, http):
    listening = ear_of(server, http).listen(None)
    await ready(server, listening)
    await server.frame('{"error": "Missing access token", "status": 401}')
    with pytest.raises(Unauthorized, match="Missing access token"):
        await something(listening)


def test_posts_that_come_late_from_other_servers_are_asked_for_again():
    now = 115_600_000_000_000_000
    assert int(mastodon._earlier(str(now))) == now - (900_000 << 16)
    assert mastodon._earlier("1001") == "1001"


@pytest.mark.parametrize("status", [200, 400, 403, 404, 426, 502])
async def test_where_a_proxy_refuses_the_websocket_event_streams_are_read(server: MastodonServer, http, status: int):
    server.refuses_upgrades = status
    listening = ear_of(server, http, public="federated").listen(None)
    await ready(server, listening)
    said = await server.post("#ferroviola in ritardo")
    assert (await something(listening)).posts[0].text == "#ferroviola in ritardo"
    asked = await server.post("@ferroviola mi sentite?", to_us=True)
    heard = await until(listening, lambda heard: any(post.to_us for post in heard.posts))
    assert json.loads(heard.bookmark)["notifications"] > asked["id"]
    await server.edit(said, "#ferroviola di nuovo in ritardo")
    heard = await until(listening, lambda heard: heard.edits)
    assert heard.edits[0].text == "#ferroviola di nuovo in ritardo"
    await server.delete(said)
    heard = await until(listening, lambda heard: heard.deletions)
    assert heard.deletions[0].native_id.endswith(f":{said['id']}")
    await listening.aclose()


async def test_a_websocket_that_was_refused_is_left_alone_for_an_hour(server: MastodonServer, http, monkeypatch):
    server.refuses_upgrades = 403
    ear = ear_of(server, http)
    for attempts in (1, 1):
        listening = ear.listen(None)
        await ready(server, listening)
        await listening.aclose()
        assert server.calls.count("GET /api/v1/streaming") == attempts
    server.refuses_upgrades = None
    monkeypatch.setattr(ear, "_socket_from", 0.0)
    listening = ear.listen(None)
    await until(listening, lambda heard: set(json.loads(heard.bookmark)) >= {"own", "hashtag:ferroviola"})
    async with asyncio.timeout(5):
        while server._events:
            await asyncio.sleep(0.01)
    assert len(server._sockets) == 1
    await listening.aclose()


async def test_a_token_without_the_right_to_stream_asks_for_a_human_on_either_way(server: MastodonServer, http):
    server.refuses_upgrades = 403
    ear = ear_of(server, http)
    await ear.connect()
    server.token = "another"
    with pytest.raises(Unauthorized):
        await anext(ear.listen(None))


async def test_an_event_stream_that_falls_silent_is_away(server: MastodonServer, http, monkeypatch):
    server.refuses_upgrades = 403
    monkeypatch.setattr(mastodon, "SILENCE", aiohttp.ClientTimeout(total=None, sock_read=0.2))
    listening = ear_of(server, http).listen(None)
    await ready(server, listening)
    with pytest.raises(Unavailable):
        await something(listening)


async def test_what_was_told_before_an_event_stream_broke_is_heard(server: MastodonServer, http):
    server.refuses_upgrades = 403
    listening = ear_of(server, http, public="federated").listen(None)
    await ready(server, listening)
    said = await server.post("Ferroviola in ritardo")
    await something(listening)
    await server.delete(said)
    await server.drop()
    assert (await something(listening)).deletions
    with pytest.raises(Unavailable):
        await something(listening)


async def test_something_else_than_an_event_stream_is_no_stream(server: MastodonServer, http):
    server.refuses_upgrades = 403
    ear = ear_of(server, http)
    await ear.connect()
    server.next_answers = [(200, b"<h1>welcome</h1>")] * 5
    with pytest.raises(Unavailable):
        await anext(ear.listen(None))
