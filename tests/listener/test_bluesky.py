import asyncio
import json

import pytest
from platforms.jetstream import Jetstream
from platforms.pds import Pds

from connections.bluesky import Bluesky
from connections.http import session as http_session
from listener import bluesky
from listener.bluesky import BlueskyEar
from models.errors import Unavailable
from models.post import Heard


@pytest.fixture
async def jetstream():
    async with Jetstream() as jetstream:
        yield jetstream


@pytest.fixture
async def http():
    async with http_session() as http:
        yield http


def ear_of(jetstream: Jetstream, http, appview: str = "") -> BlueskyEar:
    return BlueskyEar(Bluesky("bluesky", http, service=appview, appview=appview), jetstream.subscribe, http)


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
    assert int(jetstream.asked[-1]["cursor"]) == int(first.bookmark) - bluesky.REPLAY
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


async def test_what_we_said_ourselves_is_not_heard(jetstream: Jetstream, http):
    async with Pds() as pds:
        connection = Bluesky(
            "b", http, service=pds.url, appview="", handle="ferroviola.example", password="abcd-efgh-ijkl-mnop"
        )
        await connection.open()
        listening = BlueskyEar(connection, jetstream.subscribe, http).listen("1")
        jetstream.post("noi", did="did:plc:ours")
        jetstream.post("loro")
        assert [p.text for p in (await next_with_something(listening)).posts] == ["loro"]
        await listening.aclose()


async def test_a_silent_stream_is_taken_for_dead(jetstream: Jetstream, http, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bluesky, "SILENCE", 0.2)
    with pytest.raises(Unavailable, match="silent"):
        await anext(ear_of(jetstream, http).listen(None))


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
