import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from ascolto import supervisor as module
from ascolto.supervisor import Supervisor, Watch, backoff, until_stopped
from models.errors import OperatorError, Rejected, Unauthorized, Unavailable


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "FIRST", 0.01)
    monkeypatch.setattr(module, "LONGEST", 0.02)
    monkeypatch.setattr(module, "HUMAN", 0.02)
    monkeypatch.setattr(module, "DRAIN", 0.5)


@pytest.fixture
async def keeper(fast):
    keeper = Supervisor(lambda: datetime.now(UTC))
    yield keeper
    await keeper.stop()


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("error", "health", "fix"),
    [
        (Unavailable("down"), "backing off", ""),
        (Unauthorized("revoked", "make a new one"), "needs you", "make a new one"),
        (Rejected("not a feed"), "needs you", "Check this connection in ascolto.toml."),
        (OperatorError("disk full", "free some"), "needs you", "free some"),
        (ZeroDivisionError("a bug"), "backing off", ""),
    ],
)
async def test_each_way_to_fail_has_its_state_and_is_tried_again(
    keeper: Supervisor, error: Exception, health: str, fix: str
):
    tries = 0

    async def run(watch: Watch) -> None:
        nonlocal tries
        tries += 1
        raise error

    watch = keeper.start(run, "x", "ear")
    await until(lambda: tries >= 3)
    assert (watch.health, watch.fix) == (health, fix)


async def test_one_that_fails_never_stops_another(keeper: Supervisor):
    heard = 0

    async def fails(watch: Watch) -> None:
        raise Unavailable("down")

    async def works(watch: Watch) -> None:
        nonlocal heard
        while not watch.stopping.is_set():
            heard += 1
            watch.good(event=True)
            await asyncio.sleep(0.01)

    keeper.start(fails, "a", "ear")
    well = keeper.start(works, "b", "ear")
    await until(lambda: heard > 10)
    assert well.health == "ok"


async def test_going_away_and_coming_back_are_logged_once_each(keeper: Supervisor):
    tries = 0

    async def run(watch: Watch) -> None:
        nonlocal tries
        tries += 1
        if tries < 6:
            raise Unavailable("down")
        watch.good()
        await watch.stopping.wait()

    with capture_logs() as logs:
        keeper.start(run, "x", "ear")
        await until(lambda: tries == 6)
        await asyncio.sleep(0.02)
    assert [line["event"] for line in logs] == ["away", "back"]


async def test_what_connects_only_to_fail_at_once_is_tried_ever_more_seldom(keeper: Supervisor):
    async def run(watch: Watch) -> None:
        watch.good()
        raise Unavailable("down again")

    watch = keeper.start(run, "x", "ear")
    await until(lambda: watch.failures >= 5)


async def test_a_wait_that_was_asked_for_is_kept(monkeypatch: pytest.MonkeyPatch):
    keeper = Supervisor(lambda: datetime.now(UTC))
    tries = 0

    async def run(watch: Watch) -> None:
        nonlocal tries
        tries += 1
        raise Unavailable("slow down", retry_after=600)

    watch = keeper.start(run, "x", "voice")
    await until(lambda: tries == 1 and watch.until is not None)
    assert (watch.until - watch.since).total_seconds() > 599
    await keeper.stop()


async def test_stop_lets_what_is_in_hand_be_finished(keeper: Supervisor):
    finished = []

    async def run(watch: Watch) -> None:
        await watch.stopping.wait()
        await asyncio.sleep(0.1)
        finished.append(watch.name)

    keeper.start(run, "slow", "ear")
    await asyncio.sleep(0.01)
    await keeper.stop()
    assert finished == ["slow"]


async def test_what_does_not_end_by_itself_is_cancelled_last_started_first(keeper: Supervisor):
    ended = []

    async def run(watch: Watch) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(watch.name)

    for name in ("first", "second"):
        keeper.start(run, name, "ear")
    await asyncio.sleep(0.01)
    await keeper.stop()
    assert ended == ["second", "first"]


async def test_a_source_is_asked_for_more_only_after_what_it_gave_was_dealt_with():
    done = []

    async def source() -> AsyncGenerator[int, None]:
        for number in range(3):
            yield number
            assert done == list(range(number + 1))

    stopping = asyncio.Event()
    async for number in until_stopped(source(), stopping):
        done.append(number)  # noqa: PERF401 - one by one is what is tested
    assert done == [0, 1, 2]


async def test_a_source_that_waits_is_left_when_the_house_stops():
    closed = []

    async def source() -> AsyncGenerator[int, None]:
        try:
            yield 1
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    stopping = asyncio.Event()
    async with asyncio.timeout(2):
        async for _ in until_stopped(source(), stopping):
            asyncio.get_running_loop().call_later(0.05, stopping.set)
    assert closed == [True]


def test_waits_grow_to_a_limit_and_are_never_the_same():
    waits = [backoff(n) for n in range(1, 40)]
    assert waits[0] < 2
    assert all(wait <= 360 for wait in waits)
    assert len({backoff(5) for _ in range(10)}) > 1


async def test_a_source_without_a_sign_of_life_is_taken_for_dead():
    async def quiet() -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.sleep(60)

    with pytest.raises(Unavailable, match="no sign of life"):
        async for _ in until_stopped(quiet(), asyncio.Event(), patience=0.05):
            pass


async def test_nobody_puts_us_off_for_ever(keeper: Supervisor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PAUSE", 0.05)
    tries = 0

    async def run(watch: Watch) -> None:
        nonlocal tries
        tries += 1
        raise Unavailable("come back in a thousand years", 1e12)

    keeper.start(run, "rude")
    await until(lambda: tries > 2)
