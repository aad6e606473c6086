"""Every worker, on one page.

    platform → listener → store → analysis → triage → card on a desk → suggestion → a member approves → recorded as sending
             → published → receipt → digest

Each worker below reads rows, does its part and writes rows. None of them knows the next: whoever writes notifies, and whoever
wakes looks for rows that are its own. Stop the program anywhere and start it again: every worker finds its work where it was.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Final

import structlog

from actions.perform import perform_chat_action
from analysis.brand_matching import BrandMatcher
from analysis.second_opinion import LanguageModel, SecondOpinions
from ascolto.application import Application
from ascolto.supervisor import Watch, until_stopped
from cards import scheduled_digests
from cards.action_queue import ActionQueue
from cards.card_sync import CardSync
from desk import Desk
from listener import Listener
from models.incoming import Deletion, IncomingPost, ListenerBatch, normalized
from publishing import external_replies
from publishing.ai_drafts import Drafter
from publishing.sending import ReplyPublisher
from responders import Responder
from store import cursors, erasure, mentions, queued_actions
from store.mentions import MatchedPost, WriteResult
from triage.deletion_check import DeletionCheck, DeletionSource
from triage.schedule import deadlines
from triage.thread_context import ContextFetcher

log = structlog.get_logger("ascolto")

SECOND: Final = 1.0
SWEEP: Final = 5.0
"""Seconds after which a worker looks for work though nothing notified it."""
COALESCE: Final = 0.05
"""Seconds in which notifications are gathered before a worker looks: fifty writes a second become twenty looks."""
TRAINING_INTERVAL: Final = 600.0
"""Seconds between looks whether it is night and there is something to learn from."""
PURGE_INTERVAL: Final = 1800.0
"""Seconds between looks whether anything was erased."""
DELETION_CHECK_INTERVAL: Final = 600.0
"""Seconds between looks whether a new day has begun."""
CURSOR_INTERVAL: Final = 5.0
"""Seconds between saved cursors while nothing that was received concerned a brand."""


async def run_listener(application: Application, listener: Listener, watch: Watch) -> None:
    """Stores what a listener receives together with its cursor, and only then asks for more."""
    await listener.connect()
    if watch.failures == 0:  # after a failure, received data proves that it is back, and not that somebody answers
        watch.mark_healthy()
    async with application.store.reading() as session:
        cursor = await cursors.load(session, "listener", listener.name)
    saved_at = application.now()
    async for batch in until_stopped(listener.listen(cursor), watch.stopping, listener.silence_timeout):
        watch.mark_healthy(event=bool(batch.posts or batch.edits or batch.deletions))
        recently = (application.now() - saved_at).total_seconds() < CURSOR_INTERVAL
        if await store_batch(application, listener, batch, skip_empty=recently):
            saved_at = application.now()


async def store_batch(
    application: Application, listener: Listener, batch: ListenerBatch, *, skip_empty: bool
) -> WriteResult | None:
    """One transaction: mentions, edits, deletions and cursor. With `skip_empty`, a cursor alone is not stored.

    Our own posts are no mentions but answers: the cases they answer end.
    """
    name = listener.name
    matcher = await application.matcher()
    owner = await application.owner(name)
    outside = matcher.outside_desks(_normalized(batch.posts, name), name)
    posts = [matched for matched in _matched(matcher, outside, name, owner) if matched.matches]
    ours = [post for post in outside if post.parent and matcher.is_ours(post)]
    edits = _matched(matcher, matcher.outside_desks(_normalized(batch.edits, name), name), name, owner)
    edits, deletions = await _applicable(application, listener, posts, edits, batch.deletions)
    if skip_empty and not (posts or ours or edits or deletions):
        return None
    async with application.store.writing() as session:
        shares = listener.platform != "webhook"
        result = await mentions.write_posts(session, name, posts, application.now(), shares=shares)
        for edit in edits:
            await mentions.write_edit(session, name, edit, application.now())
        for deletion in deletions:
            await erasure.erase_deleted(session, deletion, application.now())
        context = application.context(session, matcher.configuration)
        for post in ours:
            await external_replies.record_answer(context, post, name, owner)
        await cursors.save(session, "listener", name, batch.cursor, application.now())
    return result


def _normalized(posts: Iterable[IncomingPost], connection: str) -> list[IncomingPost]:
    """Without those that cannot be brought into a post's domain: the item suffers, and not the source."""
    result = []
    for post in posts:
        try:
            result.append(normalized(post))
        except (ValueError, TypeError, OverflowError) as error:
            log.warning("post left out", connection=connection, id=post.native_id[:100], reason=str(error)[:200])
    return result


def _matched(
    matcher: BrandMatcher, posts: Iterable[IncomingPost], connection: str, owner: int | None
) -> list[MatchedPost]:
    result = []
    for post in posts:
        try:
            result.append(matcher.match(post, connection, owner))
        except (ValueError, TypeError, RecursionError, OverflowError):
            log.exception("post left out", connection=connection, id=post.native_id[:100])
    return result


async def _applicable(
    application: Application,
    listener: Listener,
    posts: list[MatchedPost],
    edits: list[MatchedPost],
    deletions: tuple[Deletion, ...],
) -> tuple[list[MatchedPost], tuple[Deletion, ...]]:
    """The edits and deletions of mentions: the rest concerns nobody.

    A webhook names posts of any platform, and changes only those that it brought.
    """
    if not (edits or deletions):
        return edits, deletions
    async with application.store.reading() as session:
        keys = {edit.post.key for edit in edits} | {deletion.key for deletion in deletions}
        stored = await mentions.stored_keys(session, keys)
        webhook = listener.platform == "webhook"
        foreign = await mentions.stored_keys(session, stored, not_from=listener.name) if webhook else set()
    stored -= foreign
    edits = [
        edit
        for edit in edits
        if edit.post.key not in foreign and (edit.post.key in stored or (edit.matches and not edit.post.only_if_known))
    ]
    stored |= {matched.post.key for matched in (*posts, *edits)}  # posted and deleted in the same batch
    return edits, tuple(deletion for deletion in deletions if deletion.key in stored)


async def run_analysis(application: Application, watch: Watch) -> None:
    """Classifies new mentions and attaches them to cases."""

    async def step() -> int:
        return await application.classification.analyze_batch(await application.configuration(), application.now())

    await _on_changes(application, watch, step)


async def run_explanations(application: Application, watch: Watch) -> None:
    """Computes which words influenced the sentiment, for mentions of open cases, so that classification never waits for it."""

    async def step() -> int:
        return await application.explainer.explain_batch(application.now())

    await _on_changes(application, watch, step)


async def run_context_fetcher(application: Application, listener: Listener, watch: Watch) -> None:
    """Fetches earlier posts and author profiles for mentions of open cases, so that listening never waits for it."""
    fetcher = ContextFetcher(application.store, listener)

    async def step() -> int:
        return await fetcher.fetch_batch(await application.configuration(), application.now())

    await _on_changes(application, watch, step)


async def run_deletion_check(application: Application, source: DeletionSource, days: int, watch: Watch) -> None:
    """Where a platform does not report deletions: once a day, checks whether recent mentions still exist."""
    check = DeletionCheck(application.store, source, days)

    async def step() -> int:
        return await check.check_batch(application.now())

    await _on_changes(application, watch, step, sweep=DELETION_CHECK_INTERVAL)


async def run_second_opinions(
    application: Application, opinions: SecondOpinions, model: LanguageModel, watch: Watch
) -> None:
    """Asks for second opinions; the mentions are then analyzed again with the answer."""

    async def step() -> int:
        return await opinions.ask_batch(model, application.now())

    await _on_changes(application, watch, step)


async def run_drafter(application: Application, drafter: Drafter, model: LanguageModel, watch: Watch) -> None:
    """Has a language model draft replies to claimed cases, while their holders read."""

    async def step() -> int:
        return await drafter.draft_batch(model, await application.configuration(), application.now())

    await _on_changes(application, watch, step, idle_is_healthy=False)


async def run_scheduler(application: Application, watch: Watch) -> None:
    """Expired claims, ended snoozes, passed deadlines, due digests. Time notifies nobody, so it looks every second."""
    while not watch.stopping.is_set():
        await run_due(application)
        watch.mark_healthy()
        with suppress(TimeoutError):
            await asyncio.wait_for(watch.stopping.wait(), SECOND)


async def run_due(application: Application) -> int:
    """Everything that is due now; a write transaction is opened only if something is."""
    configuration, now = await application.configuration(), application.now()
    async with application.store.reading() as session:
        due = await deadlines.is_anything_due(session, configuration, now)
        due = due or await scheduled_digests.is_any_due(session, configuration, now)
    if not due:
        return 0
    async with application.store.writing() as session:
        context = application.context(session, configuration)
        return await deadlines.run_due(context) + await scheduled_digests.write_due(context)


async def run_purge(application: Application, watch: Watch) -> None:
    """Within the hour, what was erased leaves the search index and the log of the database."""
    while not watch.stopping.is_set():
        await erasure.purge(application.store)
        watch.mark_healthy()
        with suppress(TimeoutError):
            await asyncio.wait_for(watch.stopping.wait(), PURGE_INTERVAL)


async def run_training(application: Application, watch: Watch) -> None:
    """At night, trains on corrections and activates the result where it is better."""
    while not watch.stopping.is_set():
        for run in await application.train_overnight():
            log.info(
                "trained",
                corrections=run.corrections,
                before=run.accuracy_before,
                after=run.accuracy_after,
                activated=run.improved,
            )
        watch.mark_healthy()
        with suppress(TimeoutError):
            await asyncio.wait_for(watch.stopping.wait(), TRAINING_INTERVAL)


async def run_responder(application: Application, responder: Responder, watch: Watch) -> None:
    """Publishes due replies, after looking up those of unknown fate."""
    await responder.connect()
    application.capabilities[responder.name] = responder.capabilities
    publisher = ReplyPublisher(application.store, responder, application.monotonic)
    await publisher.requeue_interrupted(application.now())
    watch.mark_healthy()

    async def step() -> int:
        count = await publisher.publish_due(await application.configuration(), application.now())
        if count:
            watch.mark_healthy(event=True)
        return count

    await _on_changes(application, watch, step, sweep=SECOND, idle_is_healthy=False)


async def run_card_sync(application: Application, desk: Desk, watch: Watch) -> None:
    """Updates every card that shows less than the latest revision."""
    await desk.connect()
    watch.mark_healthy()
    sync = CardSync(application.store, desk, application.web)

    async def step() -> int:
        return await sync.update_cards(await application.configuration(), application.now(), watch.mark_healthy)

    await _on_changes(application, watch, step, sweep=SECOND)


async def run_action_intake(application: Application, desk: Desk, watch: Watch) -> None:
    """Stores what members do on a desk, once however often the platform repeats it, before it is performed."""
    await desk.connect()
    async with application.store.reading() as session:
        cursor = await cursors.load(session, "desk", desk.name)
    async for batch in until_stopped(desk.actions(cursor), watch.stopping):
        watch.mark_healthy(event=bool(batch.actions))
        if batch.actions or batch.cursor != cursor:
            async with application.store.writing() as session:
                await queued_actions.store_actions(session, desk.name, batch.actions, application.now())
                await cursors.save(session, "desk", desk.name, batch.cursor, application.now())
            cursor = batch.cursor


async def run_actions(application: Application, desk: Desk, watch: Watch) -> None:
    """Performs stored actions in order, and responds to whoever acted."""
    queue = ActionQueue(application.store, desk, perform_chat_action, application.checker, application.grammar)

    async def step() -> int:
        return await queue.run_batch(await application.configuration(), application.now())

    await _on_changes(application, watch, step)


async def _on_changes(
    application: Application,
    watch: Watch,
    step: Callable[[], Awaitable[int]],
    sweep: float = SWEEP,
    *,
    idle_is_healthy: bool = True,
) -> None:
    """Runs steps until there is nothing left to do, then waits for a change; changes soon after it are gathered.

    With `idle_is_healthy`, finding nothing to do counts as healthy, because finding out took a working call.
    """
    while not watch.stopping.is_set():
        seen = application.store.notifier.version
        if await step() == 0:
            if idle_is_healthy:
                watch.mark_healthy()
            await application.wait_for_change(seen, sweep, watch.stopping)
            await asyncio.sleep(COALESCE)
