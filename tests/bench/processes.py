"""What the program takes as a process: the time until it listens, and its memory, idle and after 100,000 mentions."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, texts

from ascolto.house import utc_now
from models.catalogue import Brand, BrandQuery, Contents
from models.post import Post, PostAuthor
from store import catalogue, schema
from store.engine import Store
from store.mentions import Concern, Kept, write_posts

MENTIONS = 100_000
BARE = """
import time
began = time.perf_counter()
import aiohttp, jinja2, lingua, numpy, onnxruntime, pydantic, sqlalchemy.ext.asyncio, tokenizers
print(time.perf_counter() - began, flush=True)
input()
"""


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ascolto.toml").write_text("[web]\nport = 0\n")
        schema.prepare(folder / "ascolto.db")
        bare_start, bare_memory = _bare()
        start, idle = _running(folder, wait=2)
        asyncio.run(_fill(folder / "ascolto.db"))
        _, full = _running(folder, until_read=folder / "ascolto.db")
    return [
        Figure(
            "start until it listens",
            f"{start:.2f} s",
            f"{bare_start:.2f} s importing its libraries",
            f"{start / bare_start:.1f}×",
        ),
        Figure(
            "memory, idle",
            f"{idle:.0f} MB",
            f"{bare_memory:.0f} MB with its libraries imported",
            f"{idle / bare_memory:.1f}×",
        ),
        Figure(
            f"memory after reading {MENTIONS:,} mentions",
            f"{full:.0f} MB",
            f"{bare_memory:.0f} MB",
            f"{full / bare_memory:.1f}×",
        ),
    ]


def _bare() -> tuple[float, float]:
    process = subprocess.Popen([sys.executable, "-c", BARE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if process.stdout is None:
        raise RuntimeError
    took = float(process.stdout.readline())
    memory = _resident(process.pid)
    process.communicate("\n")
    return took, memory


def _running(folder: Path, wait: float = 0, until_read: Path | None = None) -> tuple[float, float]:
    command = [sys.executable, "-m", "ascolto", "run", "--config", str(folder / "ascolto.toml")]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if process.stdout is None:
        raise RuntimeError
    process.stdout.readline()
    took = time.perf_counter() - began
    time.sleep(wait)
    if until_read:
        _until_read(until_read)
    memory = _resident(process.pid)
    process.send_signal(signal.SIGTERM)
    process.wait()
    process.stdout.close()
    return took, memory


def _until_read(database: Path) -> None:
    connection = sqlite3.connect(database)
    while connection.execute("SELECT 1 FROM mention_brand WHERE read_at IS NULL LIMIT 1").fetchone():
        time.sleep(1)
    connection.close()


async def _fill(path: Path) -> None:
    store = Store(path)
    brand = Brand(slug="b", name="B", queries=(BrandQuery(slug="n", text="ferroviola"),))
    async with store.writing() as session:
        await catalogue.apply(session, Contents(brands=(brand,)), utc_now())
        known = await catalogue.load(session)
    concern = (Concern(known.brands.id_of("b") or 0, "n", "ferroviola"),)
    said = texts()
    for start in range(0, MENTIONS, 5_000):
        posts = [_post(number, said[number % len(said)]) for number in range(start, start + 5_000)]
        async with store.writing() as session:
            await write_posts(session, "bench", [Kept(post, concern) for post in posts], utc_now())
    await store.close()


def _post(number: int, text: str) -> Post:
    author = PostAuthor(handle=f"a{number % 20_000}")
    return Post(platform="x", native_id=str(number), author=author, text=text, created_at=utc_now(), origin="import")


def _resident(pid: int) -> float:
    """Megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")
