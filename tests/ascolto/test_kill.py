"""`ascolto run` as a process of its own, killed with -9 at the worst moments and started again."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from conftest import CONFIGURATION, Harness
from sqlalchemy import select

from ascolto.application import utc_now
from ascolto.demo.square import Square
from models.configuration import EMPTY, BrandQuery, ConfigurationFile
from models.tables.case import Case
from models.tables.mention import Mention, MentionBrand
from models.tables.reply import Reply
from publishing import approvals, replies, undo
from store.engine import Store
from store.schema import prepare
from triage import case_actions

ROOT = Path(__file__).parents[2]


class KillingSquare(Square):
    """A square that can kill its client before it stores a reply, or after, before it responds."""

    def __init__(self) -> None:
        super().__init__(utc_now)
        self.before = self.after = lambda: None

    async def _publish(self, request: web.Request) -> web.Response:
        await request.read()
        self.before()
        if request.transport is None or request.transport.is_closing():
            return web.Response()
        response = await super()._publish(request)
        self.after()
        return response


class Program:
    """The program as an operator runs it."""

    def __init__(self, folder: Path, square: Square) -> None:
        self.folder = folder
        (folder / "ascolto.toml").write_text(
            f'[web]\nport = 0\n[[connections]]\nname = "square"\nplatform = "square"\nurl = "{square.url}"\n'
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ascolto",
            "run",
            "--config",
            str(self.folder / "ascolto.toml"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            assert b"is listening" in await self.process.stdout.readline()

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)

    async def wait(self) -> int:
        """The exit status, once it has ended."""
        assert self.process is not None
        async with asyncio.timeout(15):
            return await self.process.wait()

    async def stop(self) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.wait()


@pytest.fixture
async def square():
    square = KillingSquare()
    await square.start()
    yield square
    await square.stop()


@pytest.fixture
async def harness(tmp_path: Path):
    """The program's database, opened by the test's own process."""
    prepare(tmp_path / "ascolto.db")
    store = Store(tmp_path / "ascolto.db")
    harness = Harness(store, EMPTY)
    harness.now = utc_now()
    await harness.apply(CONFIGURATION)
    yield harness
    await store.close()


@pytest.fixture
async def program(tmp_path: Path, square: KillingSquare, harness: Harness):
    program = Program(tmp_path, square)
    yield program
    await program.stop()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_no_mention_is_lost_and_none_is_stored_twice(program: Program, square: KillingSquare, harness: Harness):
    posted = []
    for batch in range(4):
        await program.start()
        for number in range(40):
            name = f"m{batch}-{number}"
            posted.append(name)
            square.post(id=name, author=f"a{number}", text=f"Ferroviola in ritardo {name}, che vergogna")
            if number == 10 * (batch + 1) % 40:
                program.kill()
            await asyncio.sleep(0.005)
        if program.process and program.process.returncode is None:
            program.kill()
        await program.wait()
    await program.start()

    async def all_analyzed() -> bool:
        async with harness.store.reading() as session:
            analyzed = await session.scalars(
                select(MentionBrand.mention_id).where(MentionBrand.analyzed_at.is_not(None))
            )
            return len(analyzed.all()) == len(posted)

    await until(all_analyzed)
    async with harness.store.reading() as session:
        stored = (await session.scalars(select(Mention.native_id))).all()
        threads = (await session.scalars(select(Case.thread))).all()
    assert sorted(stored) == sorted(posted)
    assert len(threads) == len(set(threads))


async def _approve_reply(harness: Harness, square: KillingSquare) -> Reply:
    square.post(id="p1", author="rita", text="Buongiorno, vorrei abbonarmi a Ferroviola")

    async def is_case_open() -> bool:
        return bool(await harness.cases())

    await until(is_case_open)
    harness.now = utc_now()
    case, ana = (await harness.cases())[0], harness.member("ana")
    await harness.do(case_actions.claim, case.id, ana)
    reply = await harness.do(replies.save_draft, case.id, ana, "Ci scusiamo molto.")
    harness.now = utc_now() - undo.UNDO_WINDOW  # the ten seconds have passed
    return await harness.do(approvals.approve, reply.id, reply.revision, ana)


async def _is_published(harness: Harness, reply: Reply) -> bool:
    return (await harness.get(Reply, reply.id)).state == "published"


async def _end_wait(harness: Harness, reply: Reply) -> None:
    """As if the time had passed after which an interrupted call must have arrived."""
    async with harness.store.writing() as session:
        (await session.get_one(Reply, reply.id)).due_at = harness.now


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_kill_during_publication_publishes_the_reply_once(
    program: Program, square: KillingSquare, harness: Harness, moment: str
):
    await program.start()
    setattr(square, moment, program.kill)
    reply = await _approve_reply(harness, square)
    await program.wait()
    assert (await harness.get(Reply, reply.id)).state == "sending"
    square.before = square.after = lambda: None
    await _end_wait(harness, reply)
    await program.start()
    await until(lambda: _is_published(harness, reply))
    assert [published.text for published in square.replies] == ["Ci scusiamo molto."]
    assert (await harness.get(Case, reply.case_id)).state == "answered"


async def test_a_request_to_stop_ends_the_program_cleanly(program: Program):
    await program.start()
    assert await program.stop() == 0


async def test_a_second_program_on_the_same_database_is_refused(program: Program, tmp_path: Path):
    await program.start()
    second = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ascolto",
        "run",
        "--config",
        str(tmp_path / "ascolto.toml"),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await second.communicate()
    assert second.returncode == 1
    assert b"Another Ascolto" in errors
    assert b"Traceback" not in errors


async def test_a_query_applied_by_another_process_is_used_at_once(
    program: Program, square: KillingSquare, harness: Harness
):
    await program.start()
    square.post(id="x1", author="a", text="la nuova parola è girandola, pessima")
    brand = harness.configuration.brands[harness.brand("panegrano")]
    wider = msgspec.structs.replace(brand, queries=(*brand.queries, BrandQuery(slug="new", text="girandola")))
    await harness.apply(ConfigurationFile(brands=(wider,)))
    await asyncio.sleep(1)
    square.post(id="x2", author="b", text="ancora girandola, pessima")

    async def is_stored() -> bool:
        return len(await harness.all(Mention, Mention.native_id == "x2")) == 1

    await until(is_stored)
