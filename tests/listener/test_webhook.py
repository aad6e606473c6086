import asyncio
import contextlib
import hmac
import json
import time
import zlib
from io import BytesIO

import aiohttp
import pytest

from connections.signatures import sign
from connections.webhooks import WebhookDoor
from listener.webhook import WebhookEar
from models.mapped import Wanted
from models.post import Heard

SECRET = "a secret that only two know"
NOW = 1_795_424_400


class Site:
    """The ear on its door, and whoever posts to it."""

    def __init__(self, **options) -> None:
        self.door = WebhookDoor("127.0.0.1", 0)
        self.now = NOW
        self.ear = WebhookEar("site", SECRET, self.door, lambda: self.now, **options)
        self.heard: list[Heard] = []
        self.writes = True
        self._task: asyncio.Task | None = None

    async def start(self, bookmark: str | None = None) -> None:
        async def listen() -> None:
            async for heard in self.ear.listen(bookmark):
                if not self.writes:
                    raise RuntimeError("the disk is full")
                if heard.posts or heard.edits or heard.deletions:  # else a sign of life
                    self.heard.append(heard)

        self._task = asyncio.create_task(listen())
        async with asyncio.timeout(5):
            while not self.door._receivers:
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.door.close()

    async def post(self, body: object, **headers: str) -> tuple[int, str]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = {"X-Ascolto-Timestamp": str(self.now), "X-Ascolto-Signature": sign(SECRET, self.now, raw)}
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"http://127.0.0.1:{self.door.port}/hooks/site", data=BytesIO(raw), headers={**signed, **headers}
            ) as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture
async def site():
    site = Site()
    await site.start()
    yield site
    await site.stop()


def mention(number: int = 1, **fields) -> dict:
    known = {
        "id": f"m{number}",
        "author": {"handle": "rita"},
        "text": "Ferroviola male",
        "created_at": "2026-11-23T08:00:00Z",
    }
    return {**known, **fields}


async def test_what_is_signed_is_heard_and_answered_after_it_is_written(site: Site):
    assert await site.post(mention()) == (200, '{"taken": 1}')
    assert [(p.platform, p.native_id) for p in site.heard[0].posts] == [("webhook", "m1")]
    status, _ = await site.post([mention(2), mention(3, platform="forum")])
    assert status == 200
    assert [(p.platform, p.native_id) for p in site.heard[1].posts] == [("webhook", "m2"), ("forum", "m3")]


async def test_a_sender_is_not_told_yes_when_nothing_was_written(site: Site):
    site.writes = False
    status, _ = await site.post(mention())
    assert status == 503
    site.writes = True
    await site.start()
    assert (await site.post(mention()))[0] == 200, "the same delivery may come again"


async def test_a_replay_is_refused_also_after_a_restart(site: Site):
    body = mention()
    await site.post(body)
    assert (await site.post(body))[0] == 409
    bookmark = site.heard[-1].bookmark
    await site.stop()
    again = Site()
    await again.start(bookmark)
    assert (await again.post(body))[0] == 409
    assert again.heard == []
    await again.stop()


async def test_what_still_waits_when_the_program_dies_may_be_sent_again(site: Site):
    """The bookmark that is written with one delivery must not hold the signature of the next."""
    await site.stop()
    site = Site()
    listening = site.ear.listen(None)
    await anext(listening)
    first, second = (asyncio.create_task(site.post(mention(number))) for number in (1, 2))
    async with asyncio.timeout(5):
        while site.ear._deliveries.qsize() < 2:
            await asyncio.sleep(0.01)
    heard = await anext(listening)  # written, and then kill -9
    await site.stop()
    await asyncio.gather(first, second, return_exceptions=True)
    again = Site()
    await again.start(heard.bookmark)
    written, lost = (1, 2) if heard.posts[0].native_id == "m1" else (2, 1)
    assert (await again.post(mention(written)))[0] == 409
    assert (await again.post(mention(lost)))[0] == 200
    await again.stop()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Ascolto-Signature": "v1=" + "0" * 64},
        {"X-Ascolto-Signature": ""},
        {"X-Ascolto-Timestamp": str(NOW - 600)},
        {"X-Ascolto-Timestamp": "now"},
    ],
)
async def test_a_wrong_or_old_signature_is_refused_with_its_reason(site: Site, headers: dict):
    status, said = await site.post(mention(), **headers)
    assert status == 401
    assert "Refused:" in said
    assert site.heard == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "malformed"),
        (b"\xff\xfe", "malformed"),
        ({}, "`id`"),
        (mention(text=""), "text is empty"),
        (mention(created_at="yesterday"), "created_at"),
        (mention(url="javascript:alert(1)"), "not http"),
        ([mention(), mention(2, id="")], "id is empty"),
    ],
)
async def test_a_wrong_row_refuses_the_delivery_and_says_which(site: Site, body: object, reason: str):
    status, said = await site.post(body)
    assert status == 422
    assert reason in said
    assert site.heard == []


async def test_a_body_of_ten_megabytes_is_refused(site: Site):
    status, _ = await site.post(b"[" + b" " * 10_000_000 + b"]")
    assert status == 413


@pytest.mark.parametrize("path", ["site", "other"])
async def test_a_small_body_that_unpacks_to_a_large_one_is_not_unpacked(site: Site, path: str):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(10_000_000)) for _ in range(20)) + packer.flush()
    url = f"http://127.0.0.1:{site.door.port}/hooks/{path}"
    async with aiohttp.ClientSession() as http:
        spent = time.process_time()
        with contextlib.suppress(aiohttp.ClientError):
            async with http.post(url, data=BytesIO(bomb), headers={"Content-Encoding": "gzip"}) as answer:
                assert answer.status in (404, 415)
        assert time.process_time() - spent < 0.2


async def test_two_who_open_one_door_at_once_open_it_once():
    door = WebhookDoor("127.0.0.1", 0)
    await asyncio.gather(door.open(), door.open())
    assert len(door._runner.addresses) == 1
    await door.close()


async def test_a_body_that_never_ends_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("connections.webhooks.LONGEST_BODY", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.door.port)
    writer.write(b"POST /hooks/site HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf of")
    async with asyncio.timeout(5):
        assert b"408" in await reader.readline()
    writer.close()


async def test_nobody_listens_under_another_name(site: Site):
    async with aiohttp.ClientSession() as http, http.post(f"http://127.0.0.1:{site.door.port}/hooks/other") as answer:
        assert answer.status == 404


GITHUB = {
    "action": "created",
    "comment": {
        "id": 42, "body": "The form is broken", "created_at": "2026-11-23T08:00:00Z", "html_url": "https://github.example/1#42",
        "user": {"login": "ana", "id": 7},
    },
    "issue": {"number": 1},
}  # fmt: skip
MAPPED = Wanted(
    fields={
        "id": "comment.id", "text": "comment.body", "created_at": "comment.created_at", "url": "comment.html_url",
        "author.handle": "comment.user.login", "author.id": "comment.user.id", "thread": "issue.number", "kind": "action",
    }
)  # fmt: skip


def github(body: object) -> tuple[bytes, dict[str, str]]:
    raw = json.dumps(body).encode()
    return raw, {"X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), raw, "sha256").hexdigest()}


@pytest.fixture
async def theirs():
    site = Site(wanted=MAPPED, signature_header="X-Hub-Signature-256")
    await site.start()
    yield site
    await site.stop()


async def test_somebody_elses_json_is_mapped_by_settings(theirs: Site):
    raw, headers = github(GITHUB)
    assert (await theirs.post(raw, **headers))[0] == 200
    [post] = theirs.heard[0].posts
    assert (post.native_id, post.text, post.author.handle, post.author.native_id, post.thread) == (
        "42", "The form is broken", "ana", "7", "1",
    )  # fmt: skip


async def test_edits_and_deletions_are_told_apart(theirs: Site):
    for action in ("edited", "deleted"):
        raw, headers = github({**GITHUB, "action": action})
        assert (await theirs.post(raw, **headers))[0] == 200
    assert [p.native_id for p in theirs.heard[0].edits] == ["42"]
    assert [gone.native_id for gone in theirs.heard[1].deletions] == ["42"]


async def test_a_signature_of_the_body_alone_is_checked_too(theirs: Site):
    raw, headers = github(GITHUB)
    assert (await theirs.post(raw + b" ", **headers))[0] == 401
    assert (await theirs.post(raw))[0] == 401
    assert not theirs.heard


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "handle"),
        ({**GITHUB, "comment": {**GITHUB["comment"], "body": None}}, "text"),
        ({**GITHUB, "comment": [1, 2]}, "author"),
        ({"action": "deleted"}, "id is empty"),
        (3, "author"),
    ],
)
async def test_what_the_map_does_not_find_is_named(theirs: Site, body, reason: str):
    raw, headers = github(body)
    status, said = await theirs.post(raw, **headers)
    assert status == 422
    assert reason in said or "missing" in said


async def test_rows_deep_in_a_body_are_found():
    site = Site(wanted=Wanted(items="data.items"))
    await site.start()
    row = {"id": 1, "text": "x", "author": {"handle": "a"}, "created_at": 1_763_700_000}
    assert (await site.post({"data": {"items": [row, {**row, "id": 2}]}}))[0] == 200
    assert [p.native_id for p in site.heard[0].posts] == ["1", "2"]
    site.now += 1
    assert (await site.post({"data": []}))[0] == 422
    await site.stop()
