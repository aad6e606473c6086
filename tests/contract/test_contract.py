"""The contract that every listener and responder fulfils, under the real supervisor and with a real database.

Rules that cannot apply to a platform are exempt in stages.py, with the reason, and nowhere else.
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

from ascolto import supervisor, workers
from ascolto.application import Application
from ascolto.supervisor import Supervisor, Watch
from listener import Listener, discord
from models.configuration import Brand, BrandQuery, ConfigurationFile, Member
from models.sentiment import Reader, load
from models.tables.case import Case
from models.tables.mention import Mention
from models.tables.reply import Reply
from publishing import approvals, replies
from responders import Responder
from store.configuration import apply_changes

COMPLAINT = "@ferroviola #ferroviola pessimo servizio, tre ore di ritardo e nessuno risponde"


@pytest.fixture(scope="module")
def reader() -> Reader:
    return load(languages=("it", "en"))


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch):
    for name in ("FIRST_RETRY", "LAST_RETRY", "FIRST_HUMAN_RETRY", "LAST_HUMAN_RETRY"):
        monkeypatch.setattr(supervisor, name, 0.05)
    monkeypatch.setattr("connections.discord.GUILD_READY_TIMEOUT", 0.05)
    monkeypatch.setattr(discord, "HEARTBEAT", 0.2)
    monkeypatch.setattr(discord.DiscordListener, "silence_timeout", 1.5)  # the time that the SDK has to resume
    monkeypatch.setattr(workers, "CURSOR_INTERVAL", 0.0)


@pytest.fixture(params=STAGES)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with STAGES[request.param]() as stage:
        yield stage


@pytest.fixture
async def application(database: Path, reader: Reader, stage: Stage) -> AsyncIterator[Application]:
    application = Application(database, reader, backfill_max_age=timedelta(days=36_500))  # recorded posts are old
    application.monotonic = None  # approvals are made due at once
    brand = Brand(
        slug="ferroviola",
        name="Ferroviola",
        queries=(BrandQuery(slug="name", text="ferroviola"),),
        publish={stage.platform: "here"},
    )
    async with application.store.writing() as session:
        file = ConfigurationFile(brands=(brand,), members=(Member(slug="ana", name="Ana", role="admin"),))
        await apply_changes(session, file, application.now())
    yield application
    await application.close()


@asynccontextmanager
async def running(application: Application, part: Listener | Responder) -> AsyncIterator[Watch]:
    """A listener or responder under the supervisor, stopped as the program stops it."""
    program = Supervisor(application.now)
    worker = workers.run_responder if hasattr(part, "publish") else workers.run_listener
    watch = program.start(partial(worker, application, part), "here", "listener", part.platform)
    try:
        yield watch
    finally:
        await program.stop()
        await part.close()


def require(stage: Stage, rule: str) -> None:
    if rule in stage.EXEMPT:
        pytest.skip(f"{stage.platform} is exempt: {stage.EXEMPT[rule]}")


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def received_words(application: Application) -> list[str]:
    """The last word of each mention that was not deleted."""
    async with application.store.reading() as session:
        rows = await session.scalars(select(Mention).where(Mention.deleted_at.is_(None)).order_by(Mention.id))
        return [row.text.rpartition(" ")[2] for row in rows]


async def wait_for_words(application: Application, *words: str) -> None:
    """Exactly the mentions with these last words are received, each once."""

    async def received() -> bool:
        return sorted(await received_words(application)) == sorted(words)

    try:
        await until(received)
    except TimeoutError:
        pytest.fail(f"received {await received_words(application)}, not {words}")


async def wait_for_health(watch: Watch, health: str) -> None:
    async def reached() -> bool:
        return watch.health == health

    try:
        await until(reached)
    except TimeoutError:
        pytest.fail(f"{watch.health} ({watch.reason}), not {health}")


async def receive_first(application: Application, stage: Stage, watch: Watch) -> None:
    """Connects, and receives the first post."""
    await wait_for_health(watch, "connected")
    await stage.wait_until_listening()
    await stage.post(f"{COMPLAINT} first")
    await wait_for_words(application, "first")


async def test_a_listener_that_starts_offline_recovers(stage: Stage, application: Application):
    require(stage, "offline")
    await stage.go_offline()
    async with running(application, stage.listener()) as watch:
        await wait_for_health(watch, "backing off")
        await stage.go_online()
        await receive_first(application, stage, watch)


async def test_an_outage_is_logged_once_and_its_end_once(stage: Stage, application: Application):
    require(stage, "offline")
    with capture_logs() as logs:
        async with running(application, stage.listener()) as watch:
            await receive_first(application, stage, watch)
            await stage.go_offline()
            await wait_for_health(watch, "backing off")
            await asyncio.sleep(0.4)  # retries a few times
            await stage.go_online()
            await wait_for_health(watch, "connected")
            await stage.post(f"{COMPLAINT} again")
            await wait_for_words(application, "first", "again")
    events = [entry["event"] for entry in logs if entry["event"] in ("failed", "recovered")]
    assert events.count("recovered") == 1
    assert events.count("failed") <= 2  # that it broke, and that it cannot be reached
    assert events[-1] == "recovered"


async def test_a_lost_connection_neither_loses_nor_duplicates_posts(stage: Stage, application: Application):
    require(stage, "drop")
    async with running(application, stage.listener()) as watch:
        await receive_first(application, stage, watch)
        await stage.drop()
        for word in ("one", "two"):
            await stage.post(f"{COMPLAINT} {word}")
        await wait_for_words(application, "first", "one", "two")


async def test_revoked_credentials_need_the_operator_and_work_again_once_restored(
    stage: Stage, application: Application
):
    require(stage, "revoked")
    stage.revoke_credentials()
    async with running(application, stage.listener()) as watch:
        await wait_for_health(watch, "needs you")
        assert watch.fix
        stage.restore_credentials()
    async with running(application, stage.listener()) as watch:
        await receive_first(application, stage, watch)


@pytest.mark.parametrize("seconds", [7, None], ids=["with a header", "without"])
async def test_a_rate_limited_listener_waits(stage: Stage, application: Application, seconds: int | None):
    require(stage, "limited")
    if stage.platform == "discord" and seconds:
        pytest.skip("the SDK itself waits for short limits (responders/test_discord.py)")
    stage.rate_limit(seconds)
    async with running(application, stage.listener()) as watch:
        await wait_for_health(watch, "backing off")
        assert watch.until is not None
        wait = (watch.until - datetime.now(UTC)).total_seconds()
        assert wait > 5 if seconds else wait < 1


async def test_duplicates_edits_and_deletions_are_applied(stage: Stage, application: Application):
    async with running(application, stage.listener()) as watch:
        await receive_first(application, stage, watch)
        post = await stage.post(f"{COMPLAINT} before")
        await wait_for_words(application, "first", "before")
        await stage.repeat(post)
        await stage.edit(post, f"{COMPLAINT} after")
        await wait_for_words(application, "first", "after")
        if "deletions" not in stage.EXEMPT and stage.platform not in ("x", "reddit"):  # checked once a day
            await stage.delete(post)
            await wait_for_words(application, "first")


async def test_malformed_and_huge_data_does_not_stop_later_posts(stage: Stage, application: Application):
    async with running(application, stage.listener()) as watch:
        await receive_first(application, stage, watch)
        await stage.send_malformed()
        await stage.post(f"{COMPLAINT} one")
        await wait_for_words(application, "first", "one")
        await stage.send_huge()
        await stage.post(f"{COMPLAINT} two")
        await wait_for_words(application, "first", "one", "two")


async def test_a_stopped_listener_resumes_without_gaps_or_duplicates(stage: Stage, application: Application):
    async with running(application, stage.listener()) as watch:
        await receive_first(application, stage, watch)
        sending = asyncio.ensure_future(_post_numbers(stage, 20))
        await asyncio.sleep(0.05)
    if stage.platform == "webhook":
        async with running(application, stage.listener()):
            await sending
    await sending
    async with running(application, stage.listener()) as watch:
        await wait_for_words(application, "first", *(str(n) for n in range(20)))


async def _post_numbers(stage: Stage, count: int) -> None:
    for n in range(count):
        await stage.post(f"{COMPLAINT} {n}")
        await asyncio.sleep(0.005)


# Responders.


def responder_of(stage: Stage) -> Responder:
    if not stage.can_reply:
        pytest.skip(f"{stage.platform} has no responder")
    return stage.responder()


async def received_case(application: Application, stage: Stage) -> Case:
    """The case of a post that was received from the platform."""
    async with running(application, stage.listener()) as watch:
        await receive_first(application, stage, watch)
    while await application.classification.analyze_batch(await application.configuration(), application.now()):
        pass
    async with application.store.reading() as session:
        [case] = (await session.scalars(select(Case))).all()
        return case


async def approve(application: Application, stage: Stage, case: Case) -> int:
    """A member claims the case and approves a reply, which is due at once; returns the reply's id."""
    configuration = await application.configuration()
    async with application.store.writing() as session:
        context = application.context(session, configuration)
        application.capabilities["here"] = stage.responder().capabilities
        draft = await replies.save_draft(context, case.id, 1, "@rita ci scusiamo molto")
        reply = await approvals.approve(context, draft.id, draft.revision, 1)
        reply.due_at = context.now
        return reply.id


async def approved_reply(application: Application, stage: Stage) -> int:
    return await approve(application, stage, await received_case(application, stage))


async def wait_for_state(application: Application, reply_id: int, state: str) -> Reply:
    async def reached() -> bool:
        async with application.store.reading() as session:
            return (await session.get_one(Reply, reply_id)).state == state

    await until(reached)
    async with application.store.reading() as session:
        return await session.get_one(Reply, reply_id)


async def test_an_approved_reply_is_published_once_and_its_address_stored(stage: Stage, application: Application):
    responder = responder_of(stage)
    reply_id = await approved_reply(application, stage)
    async with running(application, responder):
        reply = await wait_for_state(application, reply_id, "published")
    assert len(stage.published()) == 1
    assert "ci scusiamo molto" in stage.published()[0]
    assert reply.native_id


async def test_a_reply_whose_response_was_lost_is_never_published_twice(
    stage: Stage, application: Application, monkeypatch
):
    monkeypatch.setattr("publishing.sending.LOOKUP_DELAY", timedelta(0))
    responder = responder_of(stage)
    reply_id = await approved_reply(application, stage)
    stage.lose_response()
    async with running(application, responder):
        await wait_for_state(application, reply_id, "published" if stage.can_look_up else "unknown")
    assert len(stage.published()) == 1


async def test_a_responder_that_is_offline_waits_and_then_publishes(
    stage: Stage, application: Application, monkeypatch
):
    monkeypatch.setattr("publishing.sending.FIRST_RETRY", 0.05)
    responder = responder_of(stage)
    reply_id = await approved_reply(application, stage)
    await stage.go_offline()
    async with running(application, responder) as watch:
        await wait_for_health(watch, "backing off")
        assert stage.published() == []
        await stage.go_online()
        await wait_for_state(application, reply_id, "published")
    assert len(stage.published()) == 1


async def test_a_responder_whose_credentials_are_revoked_returns_the_case(stage: Stage, application: Application):
    require(stage, "revoked")
    responder = responder_of(stage)
    case = await received_case(application, stage)
    async with running(application, responder) as watch:
        await wait_for_health(watch, "connected")
        stage.revoke_credentials()
        reply = await wait_for_state(application, await approve(application, stage, case), "failed")
        await wait_for_health(watch, "needs you")
    assert reply.error
    assert stage.published() == []
    async with application.store.reading() as session:
        [case] = (await session.scalars(select(Case))).all()
    assert (case.state, case.claimed_by) == ("claimed", 1)
