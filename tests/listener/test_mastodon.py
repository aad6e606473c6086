import asyncio
import json
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from platforms.mastodon import OWN, TOKEN, MastodonServer

from connections.http import session as http_session
from connections.mastodon import Mastodon
from listener import mastodon
from listener.mastodon import MastodonListener
from models.errors import Unauthorized, Unavailable
from models.incoming import ContextRequest, ListenerBatch


@pytest.fixture
async def server():
    async with MastodonServer() as server:
        yield server


@pytest.fixture
async def http():
    async with http_session() as http:
        yield http


def listener_for(server: MastodonServer, http, token: str = TOKEN, **options) -> MastodonListener:
    return MastodonListener(Mastodon("mastodon", server.url, token, http), **{"hashtags": ["Ferroviola"], **options})


async def caught_up(server: MastodonServer, batches) -> ListenerBatch:
    """Returns once every timeline is read and the stream is open."""
    batch = await until(batches, lambda batch: set(json.loads(batch.cursor)) >= {"own", "hashtag:ferroviola"})
    await server.subscribed(2)
    return batch


async def until(batches, condition) -> ListenerBatch:
    async with asyncio.timeout(5):
        while not condition(batch := await anext(batches)):
            pass
        return batch


async def next_batch(batches) -> ListenerBatch:
    """The next batch that is not empty."""
    return await until(batches, lambda batch: batch.posts or batch.edits or batch.deletions)


async def test_a_hashtag_is_received_with_name_and_followers(server: MastodonServer, http):
    batches = listener_for(server, http).listen(None)
    await caught_up(server, batches)
    await server.post("#ferroviola in ritardo", spoiler_text="treni")
    [post] = (await next_batch(batches)).posts
    assert (post.text, post.native_id) == ("treni\n#ferroviola in ritardo", f"127.0.0.1:{server.port}:1001")
    assert (post.author.handle, post.author.followers) == ("rita@altrove.example", 7_000)
    await batches.aclose()


async def test_posts_that_address_us_and_our_own_are_recognized(server: MastodonServer, http):
    batches = listener_for(server, http).listen(None)
    await caught_up(server, batches)
    question = await server.post("@ferroviola mi sentite?", addresses_us=True)
    [post] = (await next_batch(batches)).posts
    assert (post.addresses_us, post.ours) == (True, False)
    await server.post("@rita certo", OWN, in_reply_to=question["id"])
    [post] = (await next_batch(batches)).posts
    assert (post.addresses_us, post.ours, post.parent) == (False, True, f"127.0.0.1:{server.port}:{question['id']}")
    await batches.aclose()


async def test_edits_and_deletions_are_received(server: MastodonServer, http):
    batches = listener_for(server, http, public="federated").listen(None)
    await caught_up(server, batches)
    status = await server.post("Ferroviola in ritardo")
    await next_batch(batches)
    await server.edit(status, "Ferroviola cancellato")
    assert [post.text for post in (await next_batch(batches)).edits] == ["Ferroviola cancellato"]
    await server.delete(status)
    assert [deletion.native_id for deletion in (await next_batch(batches)).deletions] == [
        f"127.0.0.1:{server.port}:{status['id']}"
    ]
    await batches.aclose()


async def test_without_a_cursor_only_the_newest_post_is_received(server: MastodonServer, http):
    for n in range(3):
        await server.post(f"#ferroviola {n}")
    batches = listener_for(server, http).listen(None)
    batch = await next_batch(batches)
    assert [(post.text, post.origin) for post in batch.posts] == [("#ferroviola 2", "backfill")]
    await batches.aclose()


async def test_after_an_interruption_nothing_is_missing_or_repeated(server: MastodonServer, http):
    listener = listener_for(server, http)
    batches = listener.listen(None)
    await server.post("#ferroviola prima")
    first = await caught_up(server, batches)
    await server.drop()
    with pytest.raises(Unavailable):
        await next_batch(batches)
    for n in range(mastodon.PAGE_SIZE + 5):
        await server.post(f"#ferroviola {n}", addresses_us=n == 3)
    batches = listener.listen(first.cursor)
    texts: list[str] = []
    while len(texts) < mastodon.PAGE_SIZE + 6:
        texts += [post.text for post in (await next_batch(batches)).posts]
    assert texts == ["#ferroviola 3", *(f"#ferroviola {n}" for n in range(mastodon.PAGE_SIZE + 5))]
    await batches.aclose()


@pytest.mark.parametrize(
    "frame",
    ["x", "{}", "[]", '{"event": "update", "payload": "{}"}', '{"event": "update", "payload": 3}', '{"event": "new.kind"}',
     '{"event": "update", "stream": ["public"], "payload": "' + "x" * 1_000_000 + '"}', '"\\ud800"'],
    ids=["text", "empty", "list", "no status", "number", "unknown", "long", "surrogate"],
)  # fmt: skip
async def test_a_malformed_frame_is_skipped(server: MastodonServer, http, frame: str):
    batches = listener_for(server, http).listen(None)
    await caught_up(server, batches)
    await server.frame(frame)
    await server.post("#ferroviola dopo")
    assert [post.text for post in (await next_batch(batches)).posts] == ["#ferroviola dopo"]
    await batches.aclose()


async def test_a_frame_that_is_too_long_ends_the_stream(server: MastodonServer, http):
    batches = listener_for(server, http).listen(None)
    await caught_up(server, batches)
    await server.frame("x" * 10_000_000)
    with pytest.raises(Unavailable):
        await next_batch(batches)


async def test_a_boost_is_ignored(server: MastodonServer, http):
    batches = listener_for(server, http, public="federated").listen(None)
    await caught_up(server, batches)
    await server.post("", reblog={"id": "1"})
    await server.post("Ferroviola")
    assert [post.text for post in (await next_batch(batches)).posts] == ["Ferroviola"]
    await batches.aclose()


async def test_a_quiet_stream_yields_empty_batches(server: MastodonServer, http, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mastodon, "HEARTBEAT", 0.05)
    batches = listener_for(server, http).listen(None)
    await caught_up(server, batches)
    async with asyncio.timeout(2):
        assert (await anext(batches)).posts == ()
    await batches.aclose()


async def test_a_revoked_token_needs_the_operator(server: MastodonServer, http):
    with pytest.raises(Unauthorized, match="token_env"):
        await listener_for(server, http, token="revoked").connect()
    listener = listener_for(server, http)
    await listener.connect()
    server.token = "another"
    with pytest.raises(Unauthorized):
        await anext(listener.listen(None))


async def test_the_time_to_wait_is_read_from_the_reset_header(server: MastodonServer, http):
    reset = (datetime.now(UTC) + timedelta(seconds=100)).isoformat().replace("+00:00", "Z")
    server.failures = [(429, {"X-RateLimit-Reset": reset}), (429, {})]
    with pytest.raises(Unavailable) as limited:
        await listener_for(server, http).connect()
    assert 90 < (limited.value.retry_after or 0) <= 100
    with pytest.raises(Unavailable) as limited:
        await listener_for(server, http).connect()
    assert limited.value.retry_after is None


async def test_connecting_while_offline_raises_unavailable(server: MastodonServer, http):
    await server.stop()
    with pytest.raises(Unavailable):
        await listener_for(server, http).connect()


async def test_a_permalink_and_its_context_are_looked_up(server: MastodonServer, http):
    first = await server.post("il treno?")
    status = await server.post("#ferroviola in ritardo", in_reply_to=first["id"])
    listener = listener_for(server, http)
    post = await listener.find(status["url"])
    assert post is not None
    assert post.text == "#ferroviola in ritardo"
    assert await listener.find("https://altrove.example/@x/nothing") is None
    request = ContextRequest(native_id=post.native_id, thread="", parent=post.parent, author=post.author.native_id)
    assert [post.text for post in (await listener.fetch_context(request)).earlier_posts] == ["il treno?"]


def test_every_kind_of_media_is_converted():
    attachment = {
        "type": "image",
        "url": "https://a.example/1.png",
        "preview_url": "https://a.example/s.png",
        "description": "un treno",
    }
    kinds = ("image", "gifv", "audio", "unknown")
    status = {"id": "1", "account": OWN, "content": "", "created_at": "2026-11-23T08:00:00Z"}
    status["media_attachments"] = [{**attachment, "type": kind} for kind in kinds]
    decoded = mastodon._status_decoder.decode(json.dumps(status))
    post = mastodon.to_post(decoded, "h", decoded.account)
    assert [media.kind for media in post.media] == ["image", "video", "audio", "file"]
    assert post.media[0].alt == "un treno"


async def test_an_invalid_url_and_a_malformed_row_do_not_affect_the_others(server: MastodonServer, http):
    batches = listener_for(server, http).listen(None)
    first = await caught_up(server, batches)
    await server.drop()
    await server.post("#ferroviola uno", url="https://exa[mple.com/1")
    await server.post("#ferroviola rotto", created_at="ieri")
    await server.post("#ferroviola due")
    batches = listener_for(server, http).listen(first.cursor)
    assert [(p.text, p.url[:8]) for p in (await next_batch(batches)).posts] == [
        ("#ferroviola uno", "https://"),
        ("#ferroviola due", "https://"),
    ]
    await batches.aclose()


async def test_an_error_from_the_stream_needs_the_operator(server: MastodonServer, http):
    batches = listener_for(server, http).listen(None)
    await caught_up(server, batches)
    await server.frame('{"error": "Missing access token", "status": 401}')
    with pytest.raises(Unauthorized, match="Missing access token"):
        await next_batch(batches)


def test_timelines_are_read_from_some_minutes_before_the_last_id():
    now = 115_600_000_000_000_000
    assert int(mastodon._before(str(now))) == now - (900_000 << 16)
    assert mastodon._before("1001") == "1001"


@pytest.mark.parametrize("upgrade_status", [200, 400, 403, 404, 426, 502])
async def test_where_a_proxy_refuses_the_websocket_event_streams_are_used(
    server: MastodonServer, http, upgrade_status: int
):
    server.upgrade_status = upgrade_status
    batches = listener_for(server, http, public="federated").listen(None)
    await caught_up(server, batches)
    status = await server.post("#ferroviola in ritardo")
    assert (await next_batch(batches)).posts[0].text == "#ferroviola in ritardo"
    question = await server.post("@ferroviola mi sentite?", addresses_us=True)
    batch = await until(batches, lambda batch: any(post.addresses_us for post in batch.posts))
    assert json.loads(batch.cursor)["notifications"] > question["id"]
    await server.edit(status, "#ferroviola di nuovo in ritardo")
    batch = await until(batches, lambda batch: batch.edits)
    assert batch.edits[0].text == "#ferroviola di nuovo in ritardo"
    await server.delete(status)
    batch = await until(batches, lambda batch: batch.deletions)
    assert batch.deletions[0].native_id.endswith(f":{status['id']}")
    await batches.aclose()


async def test_a_refused_websocket_is_tried_again_after_an_hour(server: MastodonServer, http, monkeypatch):
    server.upgrade_status = 403
    listener = listener_for(server, http)
    for attempts in (1, 1):
        batches = listener.listen(None)
        await caught_up(server, batches)
        await batches.aclose()
        assert server.calls.count("GET /api/v1/streaming") == attempts
    server.upgrade_status = None
    monkeypatch.setattr(listener, "_websocket_from", 0.0)
    batches = listener.listen(None)
    await until(batches, lambda batch: set(json.loads(batch.cursor)) >= {"own", "hashtag:ferroviola"})
    async with asyncio.timeout(5):
        while server._event_streams:
            await asyncio.sleep(0.01)
    assert len(server._sockets) == 1
    await batches.aclose()


async def test_a_token_revoked_after_connecting_needs_the_operator(server: MastodonServer, http):
    server.upgrade_status = 403
    listener = listener_for(server, http)
    await listener.connect()
    server.token = "another"
    with pytest.raises(Unauthorized):
        await anext(listener.listen(None))


async def test_a_silent_event_stream_is_unavailable(server: MastodonServer, http, monkeypatch):
    server.upgrade_status = 403
    monkeypatch.setattr(mastodon, "STREAM_TIMEOUT", aiohttp.ClientTimeout(total=None, sock_read=0.2))
    batches = listener_for(server, http).listen(None)
    await caught_up(server, batches)
    with pytest.raises(Unavailable):
        await next_batch(batches)


async def test_events_before_an_interruption_are_received(server: MastodonServer, http):
    server.upgrade_status = 403
    batches = listener_for(server, http, public="federated").listen(None)
    await caught_up(server, batches)
    status = await server.post("Ferroviola in ritardo")
    await next_batch(batches)
    await server.delete(status)
    await server.drop()
    assert (await next_batch(batches)).deletions
    with pytest.raises(Unavailable):
        await next_batch(batches)


async def test_a_response_that_is_not_an_event_stream_is_unavailable(server: MastodonServer, http):
    server.upgrade_status = 403
    listener = listener_for(server, http)
    await listener.connect()
    server.next_responses = [(200, b"<h1>welcome</h1>")] * 5
    with pytest.raises(Unavailable):
        await anext(listener.listen(None))
