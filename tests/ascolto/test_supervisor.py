import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from ascolto import supervisor as module
from ascolto.supervisor import Supervisor, Watch, backoff, until_stopped
from models.errors import OperatorError, Rejected, Unauthorized, Unavailable


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "FIRST_RETRY", 0.01)
    monkeypatch.setattr(module, "LAST_RETRY", 0.02)
    monkeypatch.setattr(module, "FIRST_HUMAN_RETRY", 0.02)
    monkeypatch.setattr(module, "DRAIN", 0.5)


@pytest.fixture
async def supervisor(short_waits):
    supervisor = Supervisor(lambda: datetime.now(UTC))
    yield supervisor
    await supervisor.stop()


async def until(condition: Callable[[], bool]) -> None:
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
async def test_each_error_has_its_state_and_is_retried(supervisor: Supervisor, error: Exception, health: str, fix: str):
    tries = 0

    async def worker(watch: Watch) -> None:
        nonlocal tries
        tries += 1
        raise error

    watch = supervisor.start(worker, "x", "listener")
    await until(lambda: tries >= 3)
    assert (watch.health, watch.fix) == (health, fix)


async def test_a_failing_worker_never_stops_another(supervisor: Supervisor):
    received = 0

    async def failing(watch: Watch) -> None:
        raise Unavailable("down")

    async def working(watch: Watch) -> None:
        nonlocal received
        while not watch.stopping.is_set():
            received += 1
            watch.mark_healthy(event=True)
            await asyncio.sleep(0.01)

    supervisor.start(failing, "a", "listener")
    watch = supervisor.start(working, "b", "listener")
    await until(lambda: received > 10)
    assert watch.health == "connected"


async def test_a_failure_and_a_recovery_are_logged_once_each(supervisor: Supervisor):
    tries = 0

    async def worker(watch: Watch) -> None:
        nonlocal tries
        tries += 1
        if tries < 6:
            raise Unavailable("down")
        watch.mark_healthy()
        await watch.stopping.wait()

    with capture_logs() as logs:
        supervisor.start(worker, "x", "listener")
        await until(lambda: tries == 6)
        await asyncio.sleep(0.02)
    assert [line["event"] for line in logs] == ["failed", "recovered"]


async def test_the_wait_grows_for_what_connects_only_to_fail_at_once(supervisor: Supervisor):
    async def worker(watch: Watch) -> None:
        watch.mark_healthy()
        raise Unavailable("down again")

    watch = supervisor.start(worker, "x", "listener")
    await until(lambda: watch.failures >= 5)


async def test_retry_after_is_respected():
    supervisor = Supervisor(lambda: datetime.now(UTC))
    tries = 0

    async def worker(watch: Watch) -> None:
        nonlocal tries
        tries += 1
        raise Unavailable("slow down", retry_after=600)

    watch = supervisor.start(worker, "x", "responder")
    await until(lambda: tries == 1 and watch.until is not None)
    assert (watch.until - watch.since).total_seconds() > 599
    await supervisor.stop()


async def test_stop_lets_a_worker_finish_what_it_is_doing(supervisor: Supervisor):
    finished = []

    async def worker(watch: Watch) -> None:
        await watch.stopping.wait()
        await asyncio.sleep(0.1)
        finished.append(watch.name)

    supervisor.start(worker, "slow", "listener")
    await asyncio.sleep(0.01)
    await supervisor.stop()
    assert finished == ["slow"]


async def test_workers_that_do_not_end_are_cancelled_last_started_first(supervisor: Supervisor):
    ended = []

    async def worker(watch: Watch) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(watch.name)

    for name in ("first", "second"):
        supervisor.start(worker, name, "listener")
    await asyncio.sleep(0.01)
    await supervisor.stop()
    assert ended == ["second", "first"]


async def test_a_source_is_asked_for_more_only_after_each_batch_is_processed():
    processed = []

    async def source() -> AsyncGenerator[int, None]:
        for number in range(3):
            yield number
            assert processed == list(range(number + 1))

    stopping = asyncio.Event()
    async for number in until_stopped(source(), stopping):
        processed.append(number)  # noqa: PERF401 - one by one is what is tested
    assert processed == [0, 1, 2]


async def test_a_waiting_source_is_closed_when_the_program_stops():
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


def test_the_backoff_grows_to_a_limit_and_is_jittered():
    waits = [backoff(n) for n in range(1, 40)]
    assert waits[0] < 2
    assert all(wait <= 360 for wait in waits)
    assert len({backoff(5) for _ in range(10)}) > 1


async def test_a_source_that_yields_nothing_is_considered_dead():
    async def silent() -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.sleep(60)

    with pytest.raises(Unavailable, match="No data"):
        async for _ in until_stopped(silent(), asyncio.Event(), silence_timeout=0.05):
            pass


async def test_an_excessive_retry_after_is_capped(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_RETRY_AFTER", 0.05)
    tries = 0

    async def worker(watch: Watch) -> None:
        nonlocal tries
        tries += 1
        raise Unavailable("come back in a thousand years", 1e12)

    supervisor.start(worker, "x")
    await until(lambda: tries > 2)
