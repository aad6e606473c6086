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
from connections.webhooks import WebhookServer
from listener.webhook import WebhookListener
from models.field_mapping import FieldMapping
from models.incoming import ListenerBatch

SECRET = "a secret that only two know"
NOW = 1_795_424_400


class Site:
    """A webhook listener with its server, and a sender."""

    def __init__(self, **options) -> None:
        self.webhook_server = WebhookServer("127.0.0.1", 0)
        self.now = NOW
        self.listener = WebhookListener("site", SECRET, self.webhook_server, lambda: self.now, **options)
        self.batches: list[ListenerBatch] = []
        self.can_store = True
        self._task: asyncio.Task | None = None

    async def start(self, cursor: str | None = None) -> None:
        async def listen() -> None:
            async for batch in self.listener.listen(cursor):
                if not self.can_store:
                    raise RuntimeError("the disk is full")
                if batch.posts or batch.edits or batch.deletions:
                    self.batches.append(batch)

        self._task = asyncio.create_task(listen())
        async with asyncio.timeout(5):
            while not any(self.webhook_server._receivers.values()):
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.webhook_server.close()

    async def post(self, body: object, **headers: str) -> tuple[int, str]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = {"X-Ascolto-Timestamp": str(self.now), "X-Ascolto-Signature": sign(SECRET, self.now, raw)}
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"http://127.0.0.1:{self.webhook_server.port}/hooks/site",
                data=BytesIO(raw),
                headers={**signed, **headers},
            ) as response,
        ):
            return response.status, await response.text()


@pytest.fixture
async def site():
    site = Site()
    await site.start()
    yield site
    await site.stop()


def mention(number: int = 1, **fields) -> dict:
    defaults = {
        "id": f"m{number}",
        "author": {"handle": "rita"},
        "text": "Ferroviola male",
        "created_at": "2026-11-23T08:00:00Z",
    }
    return {**defaults, **fields}


async def test_a_signed_delivery_is_accepted_once_it_is_stored(site: Site):
    assert await site.post(mention()) == (200, '{"accepted": 1}')
    assert [(p.platform, p.native_id) for p in site.batches[0].posts] == [("webhook", "site:m1")]
    status, _ = await site.post([mention(2), mention(3, platform="forum")])
    assert status == 200
    assert [(p.platform, p.native_id) for p in site.batches[1].posts] == [("webhook", "site:m2"), ("forum", "m3")]


async def test_a_delivery_that_is_not_stored_is_answered_503_and_can_be_repeated(site: Site):
    site.can_store = False
    status, _ = await site.post(mention())
    assert status == 503
    site.can_store = True
    await site.start()
    assert (await site.post(mention()))[0] == 200, "the same delivery may come again"


async def test_a_replayed_signature_is_rejected_after_a_restart_too(site: Site):
    body = mention()
    await site.post(body)
    assert (await site.post(body))[0] == 409
    cursor = site.batches[-1].cursor
    await site.stop()
    again = Site()
    await again.start(cursor)
    assert (await again.post(body))[0] == 409
    assert again.batches == []
    await again.stop()


async def test_a_delivery_that_is_waiting_at_a_crash_can_be_repeated(site: Site):
    """The cursor stored with one delivery must not contain the signature of the next."""
    await site.stop()
    site = Site()
    listening = site.listener.listen(None)
    await anext(listening)
    first, second = (asyncio.create_task(site.post(mention(number))) for number in (1, 2))
    async with asyncio.timeout(5):
        while site.listener._deliveries.qsize() < 2:
            await asyncio.sleep(0.01)
    batch = await anext(listening)  # stored, and then kill -9
    await site.stop()
    await asyncio.gather(first, second, return_exceptions=True)
    again = Site()
    await again.start(batch.cursor)
    stored, lost = (1, 2) if batch.posts[0].native_id == "site:m1" else (2, 1)
    assert (await again.post(mention(stored)))[0] == 409
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
async def test_a_wrong_or_old_signature_is_rejected_with_its_reason(site: Site, headers: dict):
    status, text = await site.post(mention(), **headers)
    assert status == 401
    assert "Refused:" in text
    assert site.batches == []


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
async def test_an_invalid_row_rejects_the_delivery_with_its_reason(site: Site, body: object, reason: str):
    status, text = await site.post(body)
    assert status == 422
    assert reason in text
    assert site.batches == []


async def test_a_body_of_ten_megabytes_is_rejected(site: Site):
    status, _ = await site.post(b"[" + b" " * 10_000_000 + b"]")
    assert status == 413


@pytest.mark.parametrize("path", ["site", "other"])
async def test_a_compressed_body_is_not_decompressed(site: Site, path: str):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(10_000_000)) for _ in range(20)) + packer.flush()
    url = f"http://127.0.0.1:{site.webhook_server.port}/hooks/{path}"
    async with aiohttp.ClientSession() as http:
        spent = time.process_time()
        with contextlib.suppress(aiohttp.ClientError):
            async with http.post(url, data=BytesIO(bomb), headers={"Content-Encoding": "gzip"}) as response:
                assert response.status in (404, 415)
        assert time.process_time() - spent < 0.2


async def test_two_listeners_that_start_the_server_at_once_start_it_once():
    webhook_server = WebhookServer("127.0.0.1", 0)
    await asyncio.gather(webhook_server.start(), webhook_server.start())
    assert len(webhook_server._runner.addresses) == 1
    await webhook_server.close()


async def test_a_body_that_never_ends_times_out(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("connections.webhooks.BODY_TIMEOUT", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.webhook_server.port)
    writer.write(b"POST /hooks/site HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf of")
    async with asyncio.timeout(5):
        assert b"408" in await reader.readline()
    writer.close()


async def test_an_unregistered_name_is_not_found(site: Site):
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{site.webhook_server.port}/hooks/other") as response,
    ):
        assert response.status == 404


GITHUB = {
    "action": "created",
    "comment": {
        "id": 42, "body": "The form is broken", "created_at": "2026-11-23T08:00:00Z", "html_url": "https://github.example/1#42",
        "user": {"login": "ana", "id": 7},
    },
    "issue": {"number": 1},
}  # fmt: skip
GITHUB_MAPPING = FieldMapping(
    fields={
        "id": "comment.id", "text": "comment.body", "created_at": "comment.created_at", "url": "comment.html_url",
        "author.handle": "comment.user.login", "author.id": "comment.user.id", "thread": "issue.number", "kind": "action",
    }
)  # fmt: skip


def signed(body: object) -> tuple[bytes, dict[str, str]]:
    raw = json.dumps(body).encode()
    return raw, {"X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), raw, "sha256").hexdigest()}


@pytest.fixture
async def github_site():
    site = Site(mapping=GITHUB_MAPPING, signature_header="X-Hub-Signature-256")
    await site.start()
    yield site
    await site.stop()


async def test_other_json_is_mapped_by_the_settings(github_site: Site):
    raw, headers = signed(GITHUB)
    assert (await github_site.post(raw, **headers))[0] == 200
    [post] = github_site.batches[0].posts
    assert (post.native_id, post.text, post.author.handle, post.author.native_id, post.thread) == (
        "site:42", "The form is broken", "ana", "site:7", "site:1",
    )  # fmt: skip


async def test_edits_and_deletions_are_recognized(github_site: Site):
    for action in ("edited", "deleted"):
        raw, headers = signed({**GITHUB, "action": action})
        assert (await github_site.post(raw, **headers))[0] == 200
    assert [p.native_id for p in github_site.batches[0].edits] == ["site:42"]
    assert [deletion.native_id for deletion in github_site.batches[1].deletions] == ["site:42"]


async def test_a_signature_of_the_body_alone_is_verified(github_site: Site):
    raw, headers = signed(GITHUB)
    assert (await github_site.post(raw + b" ", **headers))[0] == 401
    assert (await github_site.post(raw))[0] == 401
    assert not github_site.batches


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
async def test_a_missing_mapped_field_is_reported(github_site: Site, body, reason: str):
    raw, headers = signed(body)
    status, text = await github_site.post(raw, **headers)
    assert status == 422
    assert reason in text or "missing" in text


async def test_rows_nested_in_a_body_are_read():
    site = Site(mapping=FieldMapping(items="data.items"))
    await site.start()
    row = {"id": 1, "text": "x", "author": {"handle": "a"}, "created_at": 1_763_700_000}
    assert (await site.post({"data": {"items": [row, {**row, "id": 2}]}}))[0] == 200
    assert [p.native_id for p in site.batches[0].posts] == ["site:1", "site:2"]
    site.now += 1
    assert (await site.post({"data": []}))[0] == 422
    await site.stop()
