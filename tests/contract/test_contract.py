"""Every ear and every voice through the same life, under the real supervisor and with a real database.

What a platform cannot live through is named with its reason in stages.py, and nowhere else.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from contract.stages import STAGES, Stage
from sqlalchemy import select
from structlog.testing import capture_logs

from ascolto import flow, supervisor
from ascolto.house import House
from ascolto.supervisor import Supervisor, Watch
from listener import Ear, discord
from models.case import Case, Reply
from models.catalogue import Brand, BrandQuery, Contents, Member
from models.mention import Mention
from models.sentiment import Reader, load
from responders import Voice
from store import catalogue as catalogues
from triage import replying

GRIPE = "@ferroviola #ferroviola pessimo servizio, tre ore di ritardo e nessuno risponde"


@pytest.fixture(scope="module")
def reader() -> Reader:
    return load(languages=("it", "en"))


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch):
    for name in ("FIRST", "LONGEST", "HUMAN", "LONGEST_HUMAN"):
        monkeypatch.setattr(supervisor, name, 0.05)
    monkeypatch.setattr("connections.discord.GATHERED", 0.05)
    monkeypatch.setattr(discord, "PULSE", 0.2)
    monkeypatch.setattr(discord.DiscordEar, "silence", 1.5)  # for so long the SDK may try to resume
    monkeypatch.setattr(flow, "QUIET_SAVE", 0.0)


@pytest.fixture(params=STAGES)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with STAGES[request.param]() as stage:
        yield stage


@pytest.fixture
async def house(database: Path, reader: Reader, stage: Stage) -> AsyncIterator[House]:
    house = House(database, reader)
    brand = Brand(
        slug="ferroviola",
        name="Ferroviola",
        queries=(BrandQuery(slug="name", text="ferroviola"),),
        publish={stage.platform: "here"},
    )
    async with house.store.writing() as session:
        contents = Contents(brands=(brand,), members=(Member(slug="ana", name="Ana", role="admin"),))
        await catalogues.apply(session, contents, house.now())
    yield house
    await house.close()


@asynccontextmanager
async def running(house: House, part: Ear | Voice) -> AsyncIterator[Watch]:
    """An ear or a voice under the supervisor, stopped as the program stops it."""
    keeper = Supervisor(house.now)
    step = flow.speak if hasattr(part, "publish") else flow.hear
    watch = keeper.start(partial(step, house, part), "here", "ear", part.platform)
    try:
        yield watch
    finally:
        await keeper.stop()
        await part.close()


def needs(stage: Stage, rule: str) -> None:
    if rule in stage.EXEMPT:
        pytest.skip(f"{stage.platform} is exempt: {stage.EXEMPT[rule]}")


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def texts(house: House) -> list[str]:
    async with house.store.reading() as session:
        rows = await session.scalars(select(Mention).where(Mention.deleted_at.is_(None)).order_by(Mention.id))
        return [row.text.rpartition(" ")[2] for row in rows]


async def hears(house: House, *words: str) -> None:
    """Exactly these were heard, each once."""

    async def heard() -> bool:
        return sorted(await texts(house)) == sorted(words)

    try:
        await until(heard)
    except TimeoutError:
        pytest.fail(f"heard {await texts(house)}, not {words}")


async def becomes(watch: Watch, health: str) -> None:
    async def is_so() -> bool:
        return watch.health == health

    try:
        await until(is_so)
    except TimeoutError:
        pytest.fail(f"{watch.health} ({watch.reason}), not {health}")


async def caught_up(house: House, stage: Stage, watch: Watch) -> None:
    """Listens, and has heard the first word."""
    await becomes(watch, "ok")
    await stage.listening()
    await stage.post(f"{GRIPE} first")
    await hears(house, "first")


async def test_it_starts_offline_and_recovers(stage: Stage, house: House):
    needs(stage, "offline")
    await stage.offline()
    async with running(house, stage.ear()) as watch:
        await becomes(watch, "backing off")
        await stage.online()
        await caught_up(house, stage, watch)


async def test_an_outage_is_said_once_and_once_that_it_is_over(stage: Stage, house: House):
    needs(stage, "offline")
    with capture_logs() as logs:
        async with running(house, stage.ear()) as watch:
            await caught_up(house, stage, watch)
            await stage.offline()
            await becomes(watch, "backing off")
            await asyncio.sleep(0.4)  # tries again some times
            await stage.online()
            await becomes(watch, "ok")
            await stage.post(f"{GRIPE} again")
            await hears(house, "first", "again")
    states = [entry["event"] for entry in logs if entry["event"] in ("away", "back")]
    assert states.count("back") == 1
    assert states.count("away") <= 2  # how it broke, and that it does not answer
    assert states[-1] == "back"


async def test_a_lost_connection_loses_and_doubles_nothing(stage: Stage, house: House):
    needs(stage, "drop")
    async with running(house, stage.ear()) as watch:
        await caught_up(house, stage, watch)
        await stage.drop()
        for word in ("one", "two"):
            await stage.post(f"{GRIPE} {word}")
        await hears(house, "first", "one", "two")


async def test_who_is_refused_asks_for_a_human_and_goes_on_when_mended(stage: Stage, house: House):
    needs(stage, "revoked")
    stage.revoke()
    async with running(house, stage.ear()) as watch:
        await becomes(watch, "needs you")
        assert watch.fix
        stage.restore()
    async with running(house, stage.ear()) as watch:
        await caught_up(house, stage, watch)


@pytest.mark.parametrize("seconds", [7, None], ids=["with a header", "without"])
async def test_who_is_limited_waits(stage: Stage, house: House, seconds: int | None):
    needs(stage, "limited")
    if stage.platform == "discord" and seconds:
        pytest.skip("the SDK waits short limits out by itself (responders/test_discord.py)")
    stage.limit(seconds)
    async with running(house, stage.ear()) as watch:
        await becomes(watch, "backing off")
        assert watch.until is not None
        wait = (watch.until - datetime.now(UTC)).total_seconds()
        assert wait > 5 if seconds else wait < 1


async def test_duplicates_edits_and_deletions(stage: Stage, house: House):
    async with running(house, stage.ear()) as watch:
        await caught_up(house, stage, watch)
        post = await stage.post(f"{GRIPE} before")
        await hears(house, "first", "before")
        await stage.again(post)
        await stage.edit(post, f"{GRIPE} after")
        await hears(house, "first", "after")
        if "deletions" not in stage.EXEMPT and stage.platform not in ("x", "reddit"):  # those are looked at once a day
            await stage.delete(post)
            await hears(house, "first")


async def test_rubbish_keeps_nobody_from_what_comes_after(stage: Stage, house: House):
    async with running(house, stage.ear()) as watch:
        await caught_up(house, stage, watch)
        await stage.malformed()
        await stage.post(f"{GRIPE} one")
        await hears(house, "first", "one")
        await stage.huge()
        await stage.post(f"{GRIPE} two")
        await hears(house, "first", "one", "two")


async def test_stopped_in_the_middle_it_resumes_without_a_gap_or_a_double(stage: Stage, house: House):
    async with running(house, stage.ear()) as watch:
        await caught_up(house, stage, watch)
        sending = asyncio.ensure_future(_say(stage, 20))
        await asyncio.sleep(0.05)
    if stage.platform == "webhook":
        async with running(house, stage.ear()):
            await sending
    await sending
    async with running(house, stage.ear()) as watch:
        await hears(house, "first", *(str(n) for n in range(20)))


async def _say(stage: Stage, count: int) -> None:
    for n in range(count):
        await stage.post(f"{GRIPE} {n}")
        await asyncio.sleep(0.005)


# Voices.


def speaking(stage: Stage) -> Voice:
    if not stage.speaks:
        pytest.skip(f"{stage.platform} has no voice")
    return stage.voice()


async def opened(house: House, stage: Stage) -> Case:
    """A case heard from the platform."""
    async with running(house, stage.ear()) as watch:
        await caught_up(house, stage, watch)
    while await house.triage.read_batch(await house.catalogue(), house.now()):
        pass
    async with house.store.reading() as session:
        [case] = (await session.scalars(select(Case))).all()
        return case


async def approve(house: House, stage: Stage, case: Case) -> int:
    """A manager takes it and answers; the reply is due at once."""
    catalogue = await house.catalogue()
    async with house.store.writing() as session:
        turn = house.turn(session, catalogue)
        house.capabilities["here"] = stage.voice().capabilities
        draft = await replying.draft(turn, case.id, 1, "@rita ci scusiamo molto")
        reply = await replying.approve(turn, draft.id, draft.revision, 1)
        reply.due_at = turn.now
        return reply.id


async def approved(house: House, stage: Stage) -> int:
    return await approve(house, stage, await opened(house, stage))


async def settled(house: House, number: int, *states: str) -> Reply:
    async def is_so() -> bool:
        async with house.store.reading() as session:
            return (await session.get_one(Reply, number)).state in states

    await until(is_so)
    async with house.store.reading() as session:
        return await session.get_one(Reply, number)


async def test_an_approved_reply_is_said_once_and_its_address_kept(stage: Stage, house: House):
    voice = speaking(stage)
    number = await approved(house, stage)
    async with running(house, voice):
        reply = await settled(house, number, "published")
    assert len(stage.said()) == 1
    assert "ci scusiamo molto" in stage.said()[0]
    assert reply.native_id


async def test_a_reply_whose_answer_was_lost_is_never_said_twice(stage: Stage, house: House, monkeypatch):
    monkeypatch.setattr("triage.publishing.LOOK_AFTER", timedelta(0))
    voice = speaking(stage)
    number = await approved(house, stage)
    stage.lose_answer()
    async with running(house, voice):
        await settled(house, number, "published" if stage.tells else "unknown")
    assert len(stage.said()) == 1


async def test_a_voice_that_is_offline_waits_and_then_speaks(stage: Stage, house: House, monkeypatch):
    monkeypatch.setattr("triage.publishing.FIRST_RETRY", 0.05)
    voice = speaking(stage)
    number = await approved(house, stage)
    await stage.offline()
    async with running(house, voice) as watch:
        await becomes(watch, "backing off")
        assert stage.said() == []
        await stage.online()
        await settled(house, number, "published")
    assert len(stage.said()) == 1


async def test_a_voice_whose_rights_are_gone_gives_the_case_back(stage: Stage, house: House):
    needs(stage, "revoked")
    voice = speaking(stage)
    case = await opened(house, stage)
    async with running(house, voice) as watch:
        await becomes(watch, "ok")
        stage.revoke()
        reply = await settled(house, await approve(house, stage, case), "failed")
        await becomes(watch, "needs you")
    assert reply.error
    assert stage.said() == []
    async with house.store.reading() as session:
        [case] = (await session.scalars(select(Case))).all()
    assert (case.state, case.claimed_by) == ("claimed", 1)
