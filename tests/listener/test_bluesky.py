import asyncio
import json
from datetime import UTC, datetime

import msgspec
import pytest
from platforms.jetstream import Jetstream
from platforms.pds import DID, HANDLE, PASSWORD, Pds

from connections.bluesky import Bluesky
from connections.http import session as http_session
from listener import bluesky
from listener.bluesky import BlueskyListener
from models.errors import Unauthorized, Unavailable
from models.incoming import ContextRequest, ListenerBatch


@pytest.fixture
async def jetstream():
    async with Jetstream() as jetstream:
        yield jetstream


@pytest.fixture
async def http():
    async with http_session() as http:
        yield http


@pytest.fixture
async def pds():
    async with Pds() as pds:
        yield pds


def connection_to(pds: Pds, http) -> Bluesky:
    return Bluesky("bluesky", http, service=pds.url, appview=pds.url, handle=HANDLE, password=PASSWORD)


def listener_for(jetstream: Jetstream, http, appview: str = "", url: str = "") -> BlueskyListener:
    """Without an account; on the v1 endpoint unless another `url` is given."""
    connection = Bluesky("bluesky", http, service=appview, appview=appview)
    return BlueskyListener(connection, url or jetstream.subscribe, http)


async def next_batch(batches) -> ListenerBatch:
    """The next batch that is not empty."""
    async with asyncio.timeout(5):
        while True:
            batch = await anext(batches)
            if batch.posts or batch.edits or batch.deletions:
                return batch


async def test_posts_edits_and_deletions_are_received(jetstream: Jetstream, http):
    batches = listener_for(jetstream, http).listen("1")
    jetstream.post("Ferroviola in ritardo", rkey="a")
    jetstream.event("update", "did:plc:rita", "a", {"text": "Ferroviola cancellato"})
    jetstream.event("delete", "did:plc:rita", "a")
    batch = await next_batch(batches)
    uri = "at://did:plc:rita/app.bsky.feed.post/a"
    assert [(p.native_id, p.text, p.language, p.url) for p in batch.posts] == [
        (uri, "Ferroviola in ritardo", "it", "https://bsky.app/profile/did:plc:rita/post/a")
    ]
    assert [p.text for p in batch.edits] == ["Ferroviola cancellato"]
    assert [d.native_id for d in batch.deletions] == [uri]
    await batches.aclose()


async def test_a_reply_belongs_to_its_thread(jetstream: Jetstream, http):
    batches = listener_for(jetstream, http).listen("1")
    refs = {
        "root": {"uri": "at://x/app.bsky.feed.post/root", "cid": "c"},
        "parent": {"uri": "at://x/app.bsky.feed.post/p", "cid": "c"},
    }
    jetstream.post("anche a me", reply=refs)
    [post] = (await next_batch(batches)).posts
    assert (post.thread, post.parent) == ("at://x/app.bsky.feed.post/root", "at://x/app.bsky.feed.post/p")
    await batches.aclose()


async def test_after_an_interruption_nothing_is_missing(jetstream: Jetstream, http):
    listener = listener_for(jetstream, http)
    batches = listener.listen("1")
    jetstream.post("uno")
    first = await next_batch(batches)
    await jetstream.drop()
    with pytest.raises(Unavailable):
        async with asyncio.timeout(5):
            while True:
                await anext(batches)
    jetstream.post("due")
    batches = listener.listen(first.cursor)
    texts: list[str] = []
    while "due" not in texts:
        texts += [p.text for p in (await next_batch(batches)).posts]
    position = bluesky.read_cursor(first.cursor)
    assert int(jetstream.subscriptions[-1]["cursor"]) == position.time_us - bluesky.REPLAY
    await batches.aclose()


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "{}",
        "[]",
        '{"did": 1}',
        json.dumps({"did": "d", "time_us": 1, "kind": "commit"}),
        json.dumps({"did": "d", "time_us": 1, "kind": "identity", "identity": {}}),
        json.dumps(
            {
                "did": "d",
                "time_us": 1,
                "kind": "commit",
                "commit": {"operation": "create", "collection": "x", "rkey": "r"},
            }
        ),
        '{"did": "d", "time_us": 1, "kind": "commit", "commit": {"text": "' + "x" * 10_000_000 + '"}}',
        '"\\ud800"',
    ],
    ids=["text", "empty", "list", "types", "no commit", "identity", "other", "ten megabytes", "surrogate"],
)
async def test_a_malformed_frame_is_skipped(jetstream: Jetstream, http, frame: str):
    batches = listener_for(jetstream, http).listen("1")
    jetstream.post("prima")
    await next_batch(batches)
    jetstream.frame(frame)
    jetstream.post("dopo")
    assert [p.text for p in (await next_batch(batches)).posts] == ["dopo"]
    await batches.aclose()


async def test_our_own_posts_are_recognized(jetstream: Jetstream, pds: Pds, http):
    connection = Bluesky("bluesky", http, service=pds.url, appview="", handle=HANDLE, password=PASSWORD)
    await connection.open()
    batches = BlueskyListener(connection, jetstream.subscribe, http).listen("1")
    jetstream.post("noi", did=DID)
    jetstream.post("loro")
    batch = await next_batch(batches)
    assert [(p.text, p.ours, p.addresses_us) for p in batch.posts] == [("noi", True, False), ("loro", False, False)]
    await batches.aclose()


async def test_a_silent_stream_is_unavailable(jetstream: Jetstream, http):
    connection = Bluesky("bluesky", http, service="", appview="")
    listener = BlueskyListener(connection, jetstream.subscribe, http, reconnect_after=0.2)
    with pytest.raises(Unavailable, match="silent"):
        await next_batch(listener.listen(None))


async def test_connecting_while_offline_raises_unavailable(jetstream: Jetstream, http):
    await jetstream.stop()
    with pytest.raises(Unavailable):
        await listener_for(jetstream, http).connect()


async def test_a_permalink_is_looked_up_at_the_app_view(jetstream: Jetstream, pds: Pds, http):
    pds.add_post("rita.example", "3k", "Ferroviola male")
    listener = listener_for(jetstream, http, pds.url)
    post = await listener.find("https://bsky.app/profile/rita.example/post/3k")
    assert post is not None
    assert (post.text, post.author.handle) == ("Ferroviola male", "rita.example")
    assert await listener.find("https://bsky.app/profile/rita.example/post/none") is None
    assert await listener.find("https://elsewhere.example/x") is None


async def test_replies_mentions_and_quotes_address_us(jetstream: Jetstream, pds: Pds, http):
    batches = BlueskyListener(connection_to(pds, http), jetstream.subscribe, http).listen("1")
    own = {"uri": "at://did:plc:ours/app.bsky.feed.post/1", "cid": "c"}
    jetstream.post("grazie di niente", reply={"root": own, "parent": own})
    mention = {"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:ours"}
    jetstream.post("@voi", facets=[{"index": {"byteStart": 0, "byteEnd": 4}, "features": [mention]}])
    jetstream.post("ecco", embed={"$type": "app.bsky.embed.record", "record": own})
    jetstream.post("altro")
    batch = await next_batch(batches)
    assert [p.addresses_us for p in batch.posts] == [True, True, True, False]
    await batches.aclose()


async def test_after_an_interruption_our_notifications_are_read(jetstream: Jetstream, pds: Pds, http):
    pds.add_post("did:plc:rita", "old", "già sentito")
    pds.records["did:plc:rita", "old"]["createdAt"] = "2026-11-20T08:00:00Z"
    pds.add_post("did:plc:rita", "new", "mi sentite?")
    pds.notify("reply", "did:plc:rita", "old")
    pds.notify("like", "did:plc:rita", "new")
    pds.notify("reply", "did:plc:rita", "new")
    since = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1_000_000)
    batches = BlueskyListener(connection_to(pds, http), jetstream.subscribe, http).listen(str(since))
    batch = await next_batch(batches)
    assert [(p.text, p.addresses_us, p.origin) for p in batch.posts] == [("mi sentite?", True, "backfill")]
    await batches.aclose()


async def test_v2_continues_after_the_sequence_number(jetstream: Jetstream, http):
    listener = listener_for(jetstream, http, url=jetstream.subscribe_events)
    batches = listener.listen(str(11 * 10**14))
    jetstream.post("uno")
    first = await next_batch(batches)
    assert [p.text for p in first.posts] == ["uno"]
    await batches.aclose()
    jetstream.post("due")
    batches = listener.listen(first.cursor)
    assert "due" in [p.text for p in (await next_batch(batches)).posts]
    assert jetstream.subscriptions[-1]["cursor"] == "1"
    await batches.aclose()


async def test_without_a_usable_sequence_number_the_stream_starts_from_the_time(jetstream: Jetstream, http):
    listener = listener_for(jetstream, http, url=jetstream.subscribe_events)
    jetstream.post("uno")
    jetstream.floor = 100
    for server in (jetstream.subscribe_events, "ws://elsewhere.example/subscribeEvents"):
        position = bluesky.Cursor(time_us=jetstream.events[0]["time_us"], seq=1, server=server)
        batches = listener.listen(msgspec.json.encode(position).decode())
        assert [p.text for p in (await next_batch(batches)).posts] == ["uno"]
        assert int(jetstream.subscriptions[-1]["cursor"]) == position.time_us - bluesky.REPLAY
        await batches.aclose()


@pytest.mark.parametrize(
    "frame", ["x", "{}", '{"payload": {}}', '{"$type":"message","payload":{"name":"OutdatedCursor"}}']
)
async def test_v2_skips_what_is_not_an_event(jetstream: Jetstream, http, frame: str):
    batches = listener_for(jetstream, http, url=jetstream.subscribe_events).listen(str(11 * 10**14))
    jetstream.post("prima")
    await next_batch(batches)
    jetstream.frame(frame)
    jetstream.post("dopo")
    assert [p.text for p in (await next_batch(batches)).posts] == ["dopo"]
    await batches.aclose()


async def test_images_have_their_alt_text_and_preview(jetstream: Jetstream, http):
    batches = listener_for(jetstream, http).listen("1")
    image = {
        "alt": "un treno",
        "image": {"$type": "blob", "ref": {"$link": "bafy1"}, "mimeType": "image/jpeg", "size": 1},
    }
    images = {"$type": "app.bsky.embed.images", "images": [image]}
    jetstream.post("guardate", embed=images)
    jetstream.post("e qui", embed={"$type": "app.bsky.embed.recordWithMedia", "record": {}, "media": images})
    jetstream.post("rotto", embed={"$type": "app.bsky.embed.images", "images": "no"})
    posts = (await next_batch(batches)).posts
    assert [[m.alt for m in p.media] for p in posts] == [["un treno"], ["un treno"], []]
    assert posts[0].media[0].preview == "https://cdn.bsky.app/img/feed_thumbnail/plain/did:plc:rita/bafy1@jpeg"
    await batches.aclose()


async def test_context_is_fetched_from_the_app_view(jetstream: Jetstream, pds: Pds, http):
    root = {"uri": pds.add_post("did:plc:anna", "root", "il treno?"), "cid": "c"}
    middle = {"uri": pds.add_post("did:plc:rita", "mid", "in ritardo", {"root": root, "parent": root}), "cid": "c"}
    uri = pds.add_post("did:plc:rita", "leaf", "e adesso?", {"root": root, "parent": middle})
    pds.followers["did:plc:rita"] = 12_000
    listener = listener_for(jetstream, http, pds.url)
    context = await listener.fetch_context(
        ContextRequest(native_id=uri, thread=root["uri"], parent=middle["uri"], author="did:plc:rita")
    )
    assert [p.text for p in context.earlier_posts] == ["il treno?", "in ritardo"]
    assert context.author is not None
    assert (context.author.handle, context.author.followers) == ("rita.example", 12_000)


@pytest.mark.parametrize(
    "created_at", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "ieri", "2026-11-23T08:00:00"]
)
def test_an_invalid_time_is_not_an_error(created_at: str):
    assert bluesky._microseconds(created_at) >= 0


async def test_our_did_is_kept_when_the_login_expires(jetstream: Jetstream, pds: Pds, http):
    connection = connection_to(pds, http)
    await connection.open()
    pds.rejects_logins = True
    with pytest.raises(Unauthorized):
        await connection.verify_credentials()
    assert connection.did == DID
