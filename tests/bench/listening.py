"""The throughput of listeners: Bluesky's firehose from a file, and a thousand messages per second from Discord and Telegram.

The firehose goes through the functions of the Bluesky listener, from the text of a frame to the posts that match, against
1,000 queries; the yardstick is json.loads of the same frames. The messages come from a server in a process of its own, over the
real SDKs; measured are how many are missing, and for how long the event loop was blocked.
"""

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bench.figures import Figure, rate, texts, times
from bench.matching import QUERIES, make_queries

from analysis.brand_matching import BrandMatcher
from connections.discord import Discord
from connections.telegram import Telegram
from listener import Listener
from listener.bluesky import BATCH, decode_v2, to_batch
from listener.discord import DiscordListener
from listener.telegram import TelegramListener
from models.configuration import Brand, BrandQuery, Configuration

EVENTS = 150_000
PER_SECOND = 1_000
SECONDS = 10
TOKENS = {"discord": "discord.token.secret", "telegram": "1234567:TEST-abcdefghijklmnopqrstuvwxyz0123456"}


def measure() -> list[Figure]:
    return [_firehose(), *(asyncio.run(_messages(name)) for name in TOKENS)]


def _firehose() -> Figure:
    queries, _ = make_queries(texts())
    brands = {1: Brand(slug="b", name="B", queries=tuple(_query(n, text) for n, text in enumerate(queries)))}
    matcher = BrandMatcher(Configuration(1, brands, {}, {}, {}))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "firehose.jsonl"
        file.write_text("\n".join(_frames(EVENTS)))
        started = time.perf_counter()
        with file.open() as lines:
            for line in lines:
                json.loads(line)
        json_loads = EVENTS / (time.perf_counter() - started)
        best = 0.0
        for _ in range(2):
            started, matched = time.perf_counter(), 0
            with file.open() as lines:
                while batch := list(islice(lines, BATCH)):
                    events = [event for line in batch if (event := decode_v2(line)) is not None]
                    matched += len(matcher.matching(to_batch(events, "", "did:plc:ours").posts, "bluesky"))
            best = max(best, EVENTS / (time.perf_counter() - started))
    what = f"Bluesky's firehose against {QUERIES:,} queries ({matched / EVENTS:.0%} match)"
    return Figure(what, rate(best), f"{rate(json_loads)} json.loads alone", times(best / json_loads), "≥ 50,000/s")


def _query(number: int, text: str) -> BrandQuery:
    return BrandQuery(slug=f"q{number}", text=text)


def _frames(count: int) -> Iterator[str]:
    """Frames of the firehose: posts, a third of them replies and a tenth with images, and deletions."""
    rng, messages = random.Random(11), texts()
    kind = "network.bsky.jetstream.subscribeEvents#commit"
    for seq in range(1, count + 1):
        did = f"did:plc:{rng.getrandbits(60):024x}"
        at = f"2026-11-23T08:{seq // 60 % 60:02d}:{seq % 60:02d}.123456Z"
        payload: dict[str, object] = {
            "$type": kind, "seq": seq, "did": did, "time": at, "witnessedAt": at, "rev": "3kfoo", "operation": "create",
            "collection": "app.bsky.feed.post", "rkey": f"3k{seq:011d}",
        }  # fmt: skip
        if rng.random() < 0.1:
            payload["operation"] = "delete"
        else:
            record: dict[str, object] = {
                "$type": "app.bsky.feed.post", "text": messages[seq % len(messages)], "createdAt": at, "langs": ["it"],
            }  # fmt: skip
            if rng.random() < 0.33:
                parent = {"uri": f"at://{did}/app.bsky.feed.post/3kroot", "cid": "bafyreib" + "a" * 50}
                record["reply"] = {"root": parent, "parent": parent}
            if rng.random() < 0.1:
                image = {"$type": "blob", "ref": {"$link": "bafkrei" + "b" * 52}, "mimeType": "image/jpeg", "size": 1}
                record["embed"] = {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": image}]}
            payload |= {"record": record, "cid": "bafyreic" + "c" * 50}
        yield json.dumps({"$type": "message", "payload": payload}, ensure_ascii=False)


async def _messages(name: str) -> Figure:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.chat_server", name, str(PER_SECOND), str(SECONDS), stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    url = (await server.stdout.readline()).decode().strip()
    listener = _listener(name, url)
    lags: list[float] = []
    measuring = asyncio.ensure_future(_measure_lag(lags))
    received: set[str] = set()
    started = time.perf_counter()
    try:
        async with asyncio.timeout(SECONDS * 4):
            async for batch in listener.listen(None):
                if batch.posts and not received:
                    started = time.perf_counter()
                    lags.clear()
                received |= {post.native_id for post in batch.posts}
                if len(received) >= PER_SECOND * SECONDS:
                    break
    except TimeoutError:
        pass
    elapsed = time.perf_counter() - started
    measuring.cancel()
    server.kill()
    await server.wait()
    await listener.close()
    lags.sort()
    p99, worst = lags[int(len(lags) * 0.99)], lags[-1]
    missing = PER_SECOND * SECONDS - len(received)
    what = f"{name}: {PER_SECOND:,} messages/s for {SECONDS} s through its listener"
    lag = f"loop late p99 {p99 * 1000:.0f} ms, worst {worst * 1000:.0f} ms"
    value = f"{rate(len(received) / elapsed)}, {missing} missing; {lag}"
    return Figure(what, value, "", "", "none missing, p99 ≤ 50 ms")


def _listener(name: str, url: str) -> Listener:
    if name == "discord":
        gateway = "ws" + url.removeprefix("http") + "/gateway"
        return DiscordListener(Discord("discord", TOKENS[name], api=f"{url}/api/v10", gateway=gateway))
    return TelegramListener(
        Telegram("telegram", TOKENS[name], base_url=f"{url}/bot", base_file_url=url, poll=5, readers=("listener",))
    )


async def _measure_lag(lags: list[float]) -> None:
    """How much later than requested the loop wakes."""
    while True:
        started = time.perf_counter()
        await asyncio.sleep(0.005)
        lags.append(time.perf_counter() - started - 0.005)
