"""The program as a process: the time until it is ready, and its memory, idle and after 100,000 mentions."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, texts

from ascolto.application import utc_now
from models.configuration import Brand, BrandQuery, ConfigurationFile
from models.incoming import IncomingAuthor, IncomingPost
from store import schema
from store.configuration import apply_changes, load_configuration
from store.engine import Store
from store.mentions import BrandMatch, MatchedPost, write_posts

MENTIONS = 100_000
IMPORT_LIBRARIES = """
import time
started = time.perf_counter()
import aiohttp, jinja2, lingua, numpy, onnxruntime, pydantic, sqlalchemy.ext.asyncio, tokenizers
print(time.perf_counter() - started, flush=True)
input()
"""


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ascolto.toml").write_text("[web]\nport = 0\n")
        schema.prepare(folder / "ascolto.db")
        libraries_start, libraries_memory = _libraries()
        start, idle_memory = _ascolto(folder, wait=2)
        asyncio.run(_fill(folder / "ascolto.db"))
        _, memory = _ascolto(folder, until_analyzed=folder / "ascolto.db")
    return [
        Figure(
            "start until it is ready",
            f"{start:.2f} s",
            f"{libraries_start:.2f} s importing its libraries",
            f"{start / libraries_start:.1f}×",
        ),
        Figure(
            "memory, idle",
            f"{idle_memory:.0f} MB",
            f"{libraries_memory:.0f} MB with its libraries imported",
            f"{idle_memory / libraries_memory:.1f}×",
        ),
        Figure(
            f"memory after analyzing {MENTIONS:,} mentions",
            f"{memory:.0f} MB",
            f"{libraries_memory:.0f} MB",
            f"{memory / libraries_memory:.1f}×",
        ),
    ]


def _libraries() -> tuple[float, float]:
    """Seconds to import the libraries, and the memory with them, in MB."""
    command = [sys.executable, "-c", IMPORT_LIBRARIES]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if process.stdout is None:
        raise RuntimeError
    seconds = float(process.stdout.readline())
    memory = _resident(process.pid)
    process.communicate("\n")
    return seconds, memory


def _ascolto(folder: Path, wait: float = 0, until_analyzed: Path | None = None) -> tuple[float, float]:
    """Seconds until `ascolto run` prints its first line, and its memory after `wait` seconds or the analysis, in MB."""
    command = [sys.executable, "-m", "ascolto", "run", "--config", str(folder / "ascolto.toml")]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if process.stdout is None:
        raise RuntimeError
    process.stdout.readline()
    seconds = time.perf_counter() - started
    time.sleep(wait)
    if until_analyzed:
        _wait_until_analyzed(until_analyzed)
    memory = _resident(process.pid)
    process.send_signal(signal.SIGTERM)
    process.wait()
    process.stdout.close()
    return seconds, memory


def _wait_until_analyzed(database: Path) -> None:
    connection = sqlite3.connect(database)
    while connection.execute("SELECT 1 FROM mention_brand WHERE analyzed_at IS NULL LIMIT 1").fetchone():
        time.sleep(1)
    connection.close()


async def _fill(path: Path) -> None:
    store = Store(path)
    brand = Brand(slug="b", name="B", queries=(BrandQuery(slug="n", text="ferroviola"),))
    async with store.writing() as session:
        await apply_changes(session, ConfigurationFile(brands=(brand,)), utc_now())
        configuration = await load_configuration(session)
    brand_id = configuration.brands.id_of("b") or 0
    match = BrandMatch(brand_id=brand_id, matched_by="query", query="n", words="ferroviola")
    contents = texts()
    for start in range(0, MENTIONS, 5_000):
        posts = [_post(number, contents[number % len(contents)]) for number in range(start, start + 5_000)]
        async with store.writing() as session:
            await write_posts(session, "bench", [MatchedPost(post, (match,)) for post in posts], utc_now())
    await store.close()


def _post(number: int, text: str) -> IncomingPost:
    author = IncomingAuthor(handle=f"a{number % 20_000}")
    return IncomingPost(
        platform="x", native_id=str(number), author=author, text=text, created_at=utc_now(), origin="import"
    )


def _resident(pid: int) -> float:
    """Memory in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")
