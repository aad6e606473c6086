"""The way of a mention, on one page.

    platform → listener → store → triage → case → card on a desk → suggestion → a manager approves
             → reply written down → published → address written down → digest

Each step below reads what is written, does its part, and writes down what it did. None of them knows the next: whoever
writes rings the doorbell, and whoever wakes looks for rows that are its own. Stop the program anywhere, start it again,
and every step finds its work where it left it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from ascolto.house import House
from ascolto.supervisor import Watch, until_stopped
from desk import Desk
from insights import digests
from listener import Ear
from models.post import Heard
from responders import Voice
from store import desks, mentions
from store.mentions import Written
from triage import clock, elsewhere
from triage.boards import Board
from triage.drafting import Drafter
from triage.mirroring import Looks as Mirrored
from triage.mirroring import Mirror
from triage.opinions import Asker, Opinions
from triage.publishing import Mouth
from triage.surroundings import Surveyor

log = structlog.get_logger("ascolto")

SECOND: Final = 1.0
SWEEP: Final = 5.0
"""Seconds after which a step looks for work though nobody rang."""
GATHER: Final = 0.05
"""Seconds in which rings are gathered before a step looks: fifty writes a second are then twenty looks."""
LEARN: Final = 600.0
"""Seconds between looks whether it is night, and there is something to learn from."""
MIRROR: Final = 600.0
"""Seconds between looks whether a new day has begun."""
QUIET_SAVE: Final = 5.0
"""Seconds between bookmarks saved while nothing that was heard concerned us."""


async def hear(house: House, ear: Ear, watch: Watch) -> None:
    """An ear: what it hears is written together with how far it has heard, and only then is it asked for more."""
    await ear.connect()
    if watch.failures == 0:  # after a failure what is heard proves that it is back, and not that somebody answers
        watch.good()
    async with house.store.reading() as session:
        bookmark = await mentions.bookmark_of(session, ear.name)
    saved = house.now()
    async for heard in until_stopped(ear.listen(bookmark), watch.stopping, ear.silence):
        watch.good(event=bool(heard.posts or heard.edits or heard.deletions))
        if await write(house, ear, heard, quiet=(house.now() - saved).total_seconds() < QUIET_SAVE):
            saved = house.now()


async def write(house: House, ear: Ear, heard: Heard, *, quiet: bool) -> Written | None:
    """One transaction: mentions, edits, deletions and bookmark. With `quiet`, a bookmark alone is not worth one.

    Our own posts are no mentions, but answers: what they answer is answered.
    """
    matching = await house.matching()
    owner = await house.owner(ear.name)
    outside = matching.outside(heard.posts, ear.name)
    posts = matching.kept(outside, ear.name, owner)
    ours = [post for post in outside if post.parent and matching.is_ours(post)]
    edits = [matching.one(post, ear.name, owner) for post in matching.outside(heard.edits, ear.name)]
    deletions = heard.deletions
    if edits or deletions:
        async with house.store.reading() as session:
            known = await mentions.known(session, {p.key for p in heard.edits} | {gone.key for gone in deletions})
            # A webhook names posts of any platform, and speaks for those alone that it brought.
            others = await mentions.known(session, known, but=ear.name) if ear.platform == "webhook" else set()
        known -= others
        edits = [kept for kept in edits if kept.post.key not in others and (kept.concerns or kept.post.key in known)]
        known |= {kept.post.key for kept in (*posts, *edits)}  # said and gone in one breath
        deletions = tuple(gone for gone in deletions if gone.key in known)
    if quiet and not (posts or ours or edits or deletions):
        return None
    async with house.store.writing() as session:
        written = await mentions.write_posts(session, ear.name, posts, house.now())
        for kept in edits:
            await mentions.write_edit(session, ear.name, kept, house.now())
        for gone in deletions:
            await mentions.empty(session, gone, house.now())
        for post in ours:
            await elsewhere.answered_there(house.turn(session, matching.catalogue), post, ear.name, owner)
        await mentions.save_bookmark(session, ear.name, heard.bookmark, house.now())
    return written


async def read(house: House, watch: Watch) -> None:
    """Triage: unread mentions are read, weighed and put into cases."""

    async def step() -> int:
        return await house.triage.read_batch(await house.catalogue(), house.now())

    await _whenever_rung(house, watch, step)


async def explain(house: House, watch: Watch) -> None:
    """Why the reader read what it read: found for what stands in open cases, after the reading, so that nothing waits."""

    async def step() -> int:
        return await house.explainer.explain_batch(house.now())

    await _whenever_rung(house, watch, step)


async def surround(house: House, ear: Ear, watch: Watch) -> None:
    """What was said before, and who says it: asked for what stands in open cases, so that hearing never waits for it."""
    surveyor = Surveyor(house.store, ear)

    async def step() -> int:
        return await surveyor.look_batch(await house.catalogue(), house.now())

    await _whenever_rung(house, watch, step)


async def mirror(house: House, ear: Mirrored, days: int, watch: Watch) -> None:
    """Where a platform tells of no deletions: once a day, whether what was heard is still there."""
    mirror = Mirror(house.store, ear, days)

    async def step() -> int:
        return await mirror.look_batch(house.now())

    await _whenever_rung(house, watch, step, sweep=MIRROR)


async def ask(house: House, opinions: Opinions, asker: Asker, watch: Watch) -> None:
    """A second opinion on what the reader was unsure of; what is said is read again, into the case where it belongs."""

    async def step() -> int:
        return await opinions.ask_batch(asker, house.now())

    await _whenever_rung(house, watch, step)


async def draft(house: House, drafter: Drafter, asker: Asker, watch: Watch) -> None:
    """Drafts by a language model for what somebody has taken; while they think, and never in their way."""

    async def step() -> int:
        return await drafter.draft_batch(asker, await house.catalogue(), house.now())

    await _whenever_rung(house, watch, step, proves=False)


async def tick(house: House, watch: Watch) -> None:
    """The clock: claims run out, cases wake, deadlines pass, digests come due. Nobody rings for time, so it looks."""
    while not watch.stopping.is_set():
        await clock_step(house)
        watch.good()
        with suppress(TimeoutError):
            await asyncio.wait_for(watch.stopping.wait(), SECOND)


async def clock_step(house: House) -> int:
    """All that is due now; a transaction is opened only when something is."""
    catalogue, now = await house.catalogue(), house.now()
    async with house.store.reading() as session:
        anything = await clock.is_due(session, catalogue, now) or await digests.due(session, catalogue, now)
    if not anything:
        return 0
    async with house.store.writing() as session:
        turn = house.turn(session, catalogue)
        return await clock.tick(turn) + await digests.write_due(turn)


async def learn(house: House, watch: Watch) -> None:
    """In the small hours the reader learns from what managers corrected, and what it learned is used where it is better."""
    while not watch.stopping.is_set():
        for one in await house.learn_overnight():
            log.info("learned", corrections=one.corrections, before=one.before, after=one.after, used=one.better)
        watch.good()
        with suppress(TimeoutError):
            await asyncio.wait_for(watch.stopping.wait(), LEARN)


async def speak(house: House, voice: Voice, watch: Watch) -> None:
    """A voice: approved replies that are due are said, after what is in doubt was looked for."""
    await voice.connect()
    house.capabilities[voice.name] = voice.capabilities
    mouth = Mouth(house.store, voice)
    await mouth.doubt_all(house.now())
    watch.good()

    async def step() -> int:
        count = await mouth.speak(await house.catalogue(), house.now())
        if count:
            watch.good(event=True)
        return count

    await _whenever_rung(house, watch, step, sweep=1.0, proves=False)


async def show(house: House, desk: Desk, watch: Watch) -> None:
    """A desk's face: every card that shows less than the latest revision is drawn again."""
    await desk.connect()
    watch.good()
    board = Board(house.store, desk, house.checker, house.web)

    async def step() -> int:
        return await board.redraw(await house.catalogue(), house.now(), watch.good)

    await _whenever_rung(house, watch, step, sweep=SECOND)


async def attend(house: House, desk: Desk, watch: Watch) -> None:
    """A desk's ear: what members do there is written down before it is acted on, once however often it is told."""
    await desk.connect()
    async with house.store.reading() as session:
        bookmark = await mentions.bookmark_of(session, desks.bookmark_name(desk.name))
    async for did in until_stopped(desk.actions(bookmark), watch.stopping):
        watch.good(event=bool(did.actions))
        if did.actions or did.bookmark != bookmark:
            async with house.store.writing() as session:
                await desks.write_actions(session, desk.name, did.actions, house.now())
                await mentions.save_bookmark(session, desks.bookmark_name(desk.name), did.bookmark, house.now())
            bookmark = did.bookmark


async def act(house: House, desk: Desk, watch: Watch) -> None:
    """What was written down is done, in order, and each who asked is answered."""
    board = Board(house.store, desk, house.checker, proofreader=house.proofreader)

    async def step() -> int:
        return await board.act(await house.catalogue(), house.now())

    await _whenever_rung(house, watch, step)


async def _whenever_rung(
    house: House, watch: Watch, step: Callable[[], Awaitable[int]], sweep: float = SWEEP, *, proves: bool = True
) -> None:
    """Does steps until there is nothing left to do, then waits for the bell; what rings soon after is gathered.

    Finding nothing to do `proves` that all is well where it took a call to find out.
    """
    while not watch.stopping.is_set():
        seen = house.store.doorbell.rings
        if await step() == 0:
            if proves:
                watch.good()
            await house.wait(seen, sweep, watch.stopping)
            await asyncio.sleep(GATHER)
