import asyncio
import json
from datetime import UTC, datetime

import msgspec
import pytest
from platforms.jetstream import Jetstream
from platforms.pds import Pds

from connections.bluesky import Bluesky
from connections.http import session as http_session
from listener import bluesky
from listener.bluesky import BlueskyEar
from models.errors import Unauthorized, Unavailable
from models.post import Heard, Sought


@pytest.fixture
async def jetstream():
    async with Jetstream() as jetstream:
        yield jetstream


@pytest.fixture
async def http():
    async with http_session() as http:
        yield http


def ear_of(jetstream: Jetstream, http, appview: str = "", wire: str = "") -> BlueskyEar:
    return BlueskyEar(Bluesky("bluesky", http, service=appview, appview=appview), wire or jetstream.subscribe, http)


def time_of(bookmark: str) -> int:
    return bluesky.read_bookmark(bookmark).time_us


async def next_with_something(listening) -> Heard:
    async with asyncio.timeout(5):
        while True:
            heard = await anext(listening)
            if heard.posts or heard.edits or heard.deletions:
                return heard


async def test_posts_edits_and_deletions_are_heard(jetstream: Jetstream, http):
    listening = ear_of(jetstream, http).listen("1")
    jetstream.post("Ferroviola in ritardo", rkey="a")
    jetstream.event("update", "did:plc:rita", "a", {"text": "Ferroviola cancellato"})
    jetstream.event("delete", "did:plc:rita", "a")
    heard = await next_with_something(listening)
    uri = "at://did:plc:rita/app.bsky.feed.post/a"
    assert [(p.native_id, p.text, p.language, p.url) for p in heard.posts] == [
        (uri, "Ferroviola in ritardo", "it", "https://bsky.app/profile/did:plc:rita/post/a")
    ]
    assert [p.text for p in heard.edits] == ["Ferroviola cancellato"]
    assert [d.native_id for d in heard.deletions] == [uri]
    await listening.aclose()


async def test_a_reply_belongs_to_its_thread(jetstream: Jetstream, http):
    listening = ear_of(jetstream, http).listen("1")
    refs = {
        "root": {"uri": "at://x/app.bsky.feed.post/root", "cid": "c"},
        "parent": {"uri": "at://x/app.bsky.feed.post/p", "cid": "c"},
    }
    jetstream.post("anche a me", reply=refs)
    [post] = (await next_with_something(listening)).posts
    assert (post.thread, post.parent) == ("at://x/app.bsky.feed.post/root", "at://x/app.bsky.feed.post/p")
    await listening.aclose()


async def test_after_a_break_nothing_is_missing(jetstream: Jetstream, http):
    ear = ear_of(jetstream, http)
    listening = ear.listen("1")
    jetstream.post("uno")
    first = await next_with_something(listening)
    await jetstream.drop()
    with pytest.raises(Unavailable):
        async with asyncio.timeout(5):
            while True:
                await anext(listening)
    jetstream.post("due")
    again = ear.listen(first.bookmark)
    heard: list[str] = []
    while "due" not in heard:
        heard += [p.text for p in (await next_with_something(again)).posts]
    assert int(jetstream.asked[-1]["cursor"]) == time_of(first.bookmark) - bluesky.REPLAY
    await again.aclose()


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
async def test_a_malformed_frame_is_passed_over(jetstream: Jetstream, http, frame: str):
    listening = ear_of(jetstream, http).listen("1")
    jetstream.post("prima")
    await next_with_something(listening)
    jetstream.frame(frame)
    jetstream.post("dopo")
    assert [p.text for p in (await next_with_something(listening)).posts] == ["dopo"]
    await listening.aclose()


async def test_what_we_said_ourselves_is_known_as_ours(jetstream: Jetstream, http):
    async with Pds() as pds:
        connection = Bluesky(
            "b", http, service=pds.url, appview="", handle="ferroviola.example", password="abcd-efgh-ijkl-mnop"
        )
        await connection.open()
        listening = BlueskyEar(connection, jetstream.subscribe, http).listen("1")
        jetstream.post("noi", did="did:plc:ours")
        jetstream.post("loro")
        heard = await next_with_something(listening)
        assert [(p.text, p.ours, p.to_us) for p in heard.posts] == [("noi", True, False), ("loro", False, False)]
        await listening.aclose()


async def test_a_silent_stream_is_taken_for_dead(jetstream: Jetstream, http):
    connection = Bluesky("bluesky", http, service="", appview="")
    with pytest.raises(Unavailable, match="silent"):
        await next_with_something(BlueskyEar(connection, jetstream.subscribe, http, silence=0.2).listen(None))


async def test_offline_at_the_start_is_unavailable(jetstream: Jetstream, http):
    await jetstream.stop()
    with pytest.raises(Unavailable):
        await ear_of(jetstream, http).connect()


async def test_a_permalink_is_looked_up_at_the_app_view(jetstream: Jetstream, http):
    async with Pds() as pds:
        pds.have("rita.example", "3k", "Ferroviola male")
        ear = ear_of(jetstream, http, pds.url)
        found = await ear.find("https://bsky.app/profile/rita.example/post/3k")
        assert found is not None
        assert (found.text, found.author.handle) == ("Ferroviola male", "rita.example")
        assert await ear.find("https://bsky.app/profile/rita.example/post/none") is None
        assert await ear.find("https://elsewhere.example/x") is None


@pytest.fixture
async def pds():
    async with Pds() as pds:
        yield pds


def ours(pds: Pds, http) -> Bluesky:
    secret = "abcd-efgh-ijkl-mnop"
    return Bluesky("b", http, service=pds.url, appview=pds.url, handle="ferroviola.example", password=secret)


async def test_what_answers_names_or_quotes_us_speaks_to_us(jetstream: Jetstream, pds: Pds, http):
    listening = BlueskyEar(ours(pds, http), jetstream.subscribe, http).listen("1")
    own = {"uri": "at://did:plc:ours/app.bsky.feed.post/1", "cid": "c"}
    jetstream.post("grazie di niente", reply={"root": own, "parent": own})
    named = {"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:ours"}
    jetstream.post("@voi", facets=[{"index": {"byteStart": 0, "byteEnd": 4}, "features": [named]}])
    jetstream.post("ecco", embed={"$type": "app.bsky.embed.record", "record": own})
    jetstream.post("altro")
    heard = await next_with_something(listening)
    assert [p.to_us for p in heard.posts] == [True, True, True, False]
    await listening.aclose()


async def test_after_a_break_our_notifications_are_asked_for(jetstream: Jetstream, pds: Pds, http):
    pds.have("did:plc:rita", "old", "già sentito")
    pds.records["did:plc:rita", "old"]["createdAt"] = "2026-11-20T08:00:00Z"
    pds.have("did:plc:rita", "new", "mi sentite?")
    pds.notify("reply", "did:plc:rita", "old")
    pds.notify("like", "did:plc:rita", "new")
    pds.notify("reply", "did:plc:rita", "new")
    since = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1_000_000)
    listening = BlueskyEar(ours(pds, http), jetstream.subscribe, http).listen(str(since))
    heard = await next_with_something(listening)
    assert [(p.text, p.to_us, p.origin) for p in heard.posts] == [("mi sentite?", True, "backfill")]
    await listening.aclose()


async def test_the_second_wire_goes_on_from_its_number(jetstream: Jetstream, http):
    ear = ear_of(jetstream, http, wire=jetstream.subscribe_events)
    listening = ear.listen(str(11 * 10**14))
    jetstream.post("uno")
    first = await next_with_something(listening)
    assert [p.text for p in first.posts] == ["uno"]
    await listening.aclose()
    jetstream.post("due")
    again = ear.listen(first.bookmark)
    assert "due" in [p.text for p in (await next_with_something(again)).posts]
    assert jetstream.asked[-1]["cursor"] == "1"
    await again.aclose()


async def test_a_number_that_is_too_old_or_of_another_server_becomes_a_time(jetstream: Jetstream, http):
    ear = ear_of(jetstream, http, wire=jetstream.subscribe_events)
    jetstream.post("uno")
    jetstream.floor = 100
    for server in (jetstream.subscribe_events, "ws://elsewhere.example/subscribeEvents"):
        place = bluesky.Place(time_us=jetstream.events[0]["time_us"], seq=1, server=server)
        listening = ear.listen(msgspec.json.encode(place).decode())
        assert [p.text for p in (await next_with_something(listening)).posts] == ["uno"]
        assert int(jetstream.asked[-1]["cursor"]) == place.time_us - bluesky.REPLAY
        await listening.aclose()


@pytest.mark.parametrize(
    "frame", ["x", "{}", '{"payload": {}}', '{"$type":"message","payload":{"name":"OutdatedCursor"}}']
)
async def test_the_second_wire_passes_over_what_is_no_event(jetstream: Jetstream, http, frame: str):
    listening = ear_of(jetstream, http, wire=jetstream.subscribe_events).listen(str(11 * 10**14))
    jetstream.post("prima")
    await next_with_something(listening)
    jetstream.frame(frame)
    jetstream.post("dopo")
    assert [p.text for p in (await next_with_something(listening)).posts] == ["dopo"]
    await listening.aclose()


async def test_pictures_come_with_their_words(jetstream: Jetstream, http):
    listening = ear_of(jetstream, http).listen("1")
    image = {
        "alt": "un treno",
        "image": {"$type": "blob", "ref": {"$link": "bafy1"}, "mimeType": "image/jpeg", "size": 1},
    }
    pictures = {"$type": "app.bsky.embed.images", "images": [image]}
    jetstream.post("guardate", embed=pictures)
    jetstream.post("e qui", embed={"$type": "app.bsky.embed.recordWithMedia", "record": {}, "media": pictures})
    jetstream.post("rotto", embed={"$type": "app.bsky.embed.images", "images": "no"})
    posts = (await next_with_something(listening)).posts
    assert [[m.alt for m in p.media] for p in posts] == [["un treno"], ["un treno"], []]
    assert posts[0].media[0].preview == "https://cdn.bsky.app/img/feed_thumbnail/plain/did:plc:rita/bafy1@jpeg"
    await listening.aclose()


async def test_what_stands_around_is_read_at_the_app_view(jetstream: Jetstream, pds: Pds, http):
    root = {"uri": pds.have("did:plc:anna", "root", "il treno?"), "cid": "c"}
    middle = {"uri": pds.have("did:plc:rita", "mid", "in ritardo", {"root": root, "parent": root}), "cid": "c"}
    uri = pds.have("did:plc:rita", "leaf", "e adesso?", {"root": root, "parent": middle})
    pds.followers["did:plc:rita"] = 12_000
    ear = ear_of(jetstream, http, pds.url)
    around = await ear.around(Sought(native_id=uri, thread=root["uri"], parent=middle["uri"], author="did:plc:rita"))
    assert [p.text for p in around.before] == ["il treno?", "in ritardo"]
    assert around.author is not None
    assert (around.author.handle, around.author.followers) == ("rita.example", 12_000)


@pytest.mark.parametrize(
    "said", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "ieri", "2026-11-23T08:00:00"]
)
def test_a_time_that_nobody_can_count_stops_nothing(said: str):
    assert bluesky._microseconds(said) >= 0


async def test_who_we_are_is_known_while_the_login_is_gone(jetstream: Jetstream, pds: Pds, http):
    connection = ours(pds, http)
    await connection.open()
    pds.refuses = True
    with pytest.raises(Unauthorized):
        await connection.prove()
    assert connection.did == "did:plc:ours"
