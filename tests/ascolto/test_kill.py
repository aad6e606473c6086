"""`ascolto run` as a process of its own, killed with -9 at the worst moments and started again."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from aiohttp import web
from conftest import CONTENTS, House
from sqlalchemy import select

from ascolto.demo.square import Square
from ascolto.house import utc_now
from models.case import Case, Reply
from models.mention import Mention, MentionBrand
from store import catalogue
from store.engine import Store
from store.schema import prepare
from triage import actions, replying

ROOT = Path(__file__).parents[2]


class Town(Square):
    """A square that can kill who speaks to it, before it listens or before it answers."""

    def __init__(self) -> None:
        super().__init__(utc_now)
        self.asked: list[str] = []
        self.before = self.after = lambda: None

    async def _say(self, request: web.Request) -> web.Response:
        self.asked.append((await request.json())["key"])
        self.before()
        if request.transport is None or request.transport.is_closing():
            return web.Response()
        answer = await super()._say(request)
        self.after()
        return answer


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

    async def gone(self) -> int:
        assert self.process is not None
        async with asyncio.timeout(15):
            return await self.process.wait()

    async def stop(self) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.gone()


@pytest.fixture
async def town():
    town = Town()
    await town.start()
    yield town
    await town.stop()


@pytest.fixture
async def house(tmp_path: Path):
    """The same rows, seen from the test's own process."""
    prepare(tmp_path / "ascolto.db")
    store = Store(tmp_path / "ascolto.db")
    async with store.writing() as session:
        await catalogue.apply(session, CONTENTS, utc_now())
        known = await catalogue.load(session)
    house = House(store, known)
    yield house
    await store.close()


@pytest.fixture
async def program(tmp_path: Path, town: Town, house: House):
    program = Program(tmp_path, town)
    yield program
    await program.stop()


async def until(ask, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await ask():
            await asyncio.sleep(0.05)


async def count_of(house: House, *conditions: object) -> int:
    async with house.store.reading() as session:
        return len((await session.scalars(select(Mention.native_id).where(*conditions))).all())


async def test_no_mention_is_lost_and_none_is_twice(program: Program, town: Town, house: House):
    wanted = []
    for batch in range(4):
        await program.start()
        for number in range(40):
            name = f"m{batch}-{number}"
            wanted.append(name)
            town.post(id=name, author=f"a{number}", text=f"Ferroviola in ritardo {name}, che vergogna")
            if number == 10 * (batch + 1) % 40:
                program.kill()
            await asyncio.sleep(0.005)
        if program.process and program.process.returncode is None:
            program.kill()
        await program.gone()
    await program.start()

    async def all_read() -> bool:
        async with house.store.reading() as session:
            read = (
                await session.scalars(select(MentionBrand.mention_id).where(MentionBrand.read_at.is_not(None)))
            ).all()
            return len(read) == len(wanted)

    await until(all_read)
    async with house.store.reading() as session:
        heard = (await session.scalars(select(Mention.native_id))).all()
        cases = (await session.scalars(select(Case.thread))).all()
    assert sorted(heard) == sorted(wanted)
    assert len(cases) == len(set(cases))


async def _approve(house: House, town: Town) -> Reply:
    town.post(id="p1", author="rita", text="Buongiorno, vorrei abbonarmi a Ferroviola")

    async def opened() -> bool:
        return bool(await house.cases())

    await until(opened)
    house.now = utc_now()
    case, ana = (await house.cases())[0], house.member("ana")
    await house.do(actions.claim, case.id, ana)
    reply = await house.do(replying.draft, case.id, ana, "Ci scusiamo molto.")
    house.now = utc_now() - replying.UNDO  # the ten seconds have passed
    return await house.do(replying.approve, reply.id, reply.revision, ana)


async def _published(house: House, reply: Reply) -> bool:
    return (await house.get(Reply, reply.id)).state == "published"


async def _wait_is_over(house: House, reply: Reply) -> None:
    """As if the time had passed after which a call that broke off must have arrived."""
    async with house.store.writing() as session:
        (await session.get_one(Reply, reply.id)).due_at = house.now


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_killed_while_a_reply_is_being_said_it_is_said_once(
    program: Program, town: Town, house: House, moment: str
):
    await program.start()
    setattr(town, moment, program.kill)
    reply = await _approve(house, town)
    await program.gone()
    assert (await house.get(Reply, reply.id)).state == "sending"
    town.before = town.after = lambda: None
    await _wait_is_over(house, reply)
    await program.start()
    await until(lambda: _published(house, reply))
    assert [said.text for said in town.said] == ["Ci scusiamo molto."]
    assert (await house.get(Case, reply.case_id)).state == "answered"


async def test_asked_to_stop_it_ends_well_and_at_once(program: Program, house: House):
    await program.start()
    assert await program.stop() == 0


async def test_a_second_program_on_the_same_database_is_refused(program: Program, house: House, tmp_path: Path):
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
    _, said = await second.communicate()
    assert second.returncode == 1
    assert b"Another Ascolto" in said
    assert b"Traceback" not in said


async def test_a_brand_applied_from_another_process_is_heard_at_once(program: Program, town: Town, house: House):
    import msgspec

    from models.catalogue import BrandQuery, Contents

    await program.start()
    town.post(id="x1", author="a", text="la nuova parola è girandola, pessima")
    brand = house.catalogue.brands[house.brand("panegrano")]
    wider = msgspec.structs.replace(brand, queries=(*brand.queries, BrandQuery(slug="new", text="girandola")))
    await house.apply(Contents(brands=(wider,)))
    await asyncio.sleep(1)
    town.post(id="x2", author="b", text="ancora girandola, pessima")

    async def heard() -> bool:
        return await count_of(house, Mention.native_id == "x2") == 1

    await until(heard)
