"""How much ears can take: Bluesky's firehose from a file, and a thousand messages a second of Discord's and Telegram's.

The firehose is played through the Bluesky ear's own functions, from the text of a frame to the mentions that are kept, against
1,000 queries; its yardstick is json.loads of the same frames. The messages come from a far side in a process of its own, over the
real SDKs; what is measured is that none is missing, and for how long the event loop stood still.
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
from bench.matching import QUERIES, made_up

from connections.discord import Discord
from connections.telegram import Telegram
from listener import Ear
from listener.bluesky import BATCH, decode_counted, to_heard
from listener.discord import DiscordEar
from listener.telegram import TelegramEar
from models.catalogue import Brand, BrandQuery, Catalogue
from triage.matching import Matching

EVENTS = 150_000
A_SECOND = 1_000
SECONDS = 10
TOKENS = {"discord": "discord.token.secret", "telegram": "1234567:TEST-abcdefghijklmnopqrstuvwxyz0123456"}


def measure() -> list[Figure]:
    return [_firehose(), *(asyncio.run(_messages(name)) for name in TOKENS)]


def _firehose() -> Figure:
    queries, _ = made_up(texts())
    brands = {1: Brand(slug="b", name="B", queries=tuple(_query(n, text) for n, text in enumerate(queries)))}
    matching = Matching(Catalogue(1, brands, {}, {}, {}))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "firehose.jsonl"
        file.write_text("\n".join(_frames(EVENTS)))
        began = time.perf_counter()
        with file.open() as lines:
            for line in lines:
                json.loads(line)
        plain = EVENTS / (time.perf_counter() - began)
        best = 0.0
        for _ in range(2):
            began, kept = time.perf_counter(), 0
            with file.open() as lines:
                while batch := list(islice(lines, BATCH)):
                    events = [event for line in batch if (event := decode_counted(line)) is not None]
                    kept += len(matching.kept(to_heard(events, "", "did:plc:ours").posts, "bluesky"))
            best = max(best, EVENTS / (time.perf_counter() - began))
    what = f"Bluesky's firehose against {QUERIES:,} queries ({kept / EVENTS:.0%} kept)"
    return Figure(what, rate(best), f"{rate(plain)} json.loads alone", times(best / plain), "≥ 50,000/s")


def _query(number: int, text: str) -> BrandQuery:
    return BrandQuery(slug=f"q{number}", text=text)


def _frames(count: int) -> Iterator[str]:
    """What the network says: posts, one in three an answer, one in ten with pictures, and deletions."""
    chance, said = random.Random(11), texts()
    kind = "network.bsky.jetstream.subscribeEvents#commit"
    for seq in range(1, count + 1):
        did = f"did:plc:{chance.getrandbits(60):024x}"
        at = f"2026-11-23T08:{seq // 60 % 60:02d}:{seq % 60:02d}.123456Z"
        payload: dict[str, object] = {
            "$type": kind, "seq": seq, "did": did, "time": at, "witnessedAt": at, "rev": "3kfoo", "operation": "create",
            "collection": "app.bsky.feed.post", "rkey": f"3k{seq:011d}",
        }  # fmt: skip
        if chance.random() < 0.1:
            payload["operation"] = "delete"
        else:
            record: dict[str, object] = {
                "$type": "app.bsky.feed.post", "text": said[seq % len(said)], "createdAt": at, "langs": ["it"],
            }  # fmt: skip
            if chance.random() < 0.33:
                above = {"uri": f"at://{did}/app.bsky.feed.post/3kroot", "cid": "bafyreib" + "a" * 50}
                record["reply"] = {"root": above, "parent": above}
            if chance.random() < 0.1:
                image = {"$type": "blob", "ref": {"$link": "bafkrei" + "b" * 52}, "mimeType": "image/jpeg", "size": 1}
                record["embed"] = {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": image}]}
            payload |= {"record": record, "cid": "bafyreic" + "c" * 50}
        yield json.dumps({"$type": "message", "payload": payload}, ensure_ascii=False)


async def _messages(name: str) -> Figure:
    far = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.far", name, str(A_SECOND), str(SECONDS), stdout=subprocess.PIPE
    )
    assert far.stdout is not None
    url = (await far.stdout.readline()).decode().strip()
    ear = _ear(name, url)
    lags: list[float] = []
    watching = asyncio.ensure_future(_watch(lags))
    heard: set[str] = set()
    began = time.perf_counter()
    try:
        async with asyncio.timeout(SECONDS * 4):
            async for told in ear.listen(None):
                if told.posts and not heard:
                    began = time.perf_counter()
                    lags.clear()
                heard |= {post.native_id for post in told.posts}
                if len(heard) >= A_SECOND * SECONDS:
                    break
    except TimeoutError:
        pass
    took = time.perf_counter() - began
    watching.cancel()
    far.kill()
    await far.wait()
    await ear.close()
    lags.sort()
    p99, worst = lags[int(len(lags) * 0.99)], lags[-1]
    missing = A_SECOND * SECONDS - len(heard)
    what = f"{name}: {A_SECOND:,} messages/s for {SECONDS} s through its ear"
    said = (
        f"{rate(len(heard) / took)}, {missing} missing; loop late p99 {p99 * 1000:.0f} ms, worst {worst * 1000:.0f} ms"
    )
    return Figure(what, said, "", "", "none missing, p99 ≤ 50 ms")


def _ear(name: str, url: str) -> Ear:
    if name == "discord":
        gateway = "ws" + url.removeprefix("http") + "/gateway"
        return DiscordEar(Discord("discord", TOKENS[name], api=f"{url}/api/v10", gateway=gateway))
    return TelegramEar(
        Telegram("telegram", TOKENS[name], base_url=f"{url}/bot", base_file_url=url, poll=5, readers=("ear",))
    )


async def _watch(lags: list[float]) -> None:
    """By how much the loop wakes later than asked."""
    while True:
        asked = time.perf_counter()
        await asyncio.sleep(0.005)
        lags.append(time.perf_counter() - asked - 0.005)
