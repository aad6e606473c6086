"""From approved to published: stored as sending before the platform is called, with its address after.

A reply that was being sent when the program stopped, or whose call broke off, is looked up on its platform before anything
else is done with it; where that is not possible, a member is asked. Nothing is ever published twice.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import select, update

from languages import mark
from models.configuration import Configuration
from models.errors import Paused, Rejected, Unauthorized, Unavailable, Uncertain
from models.outgoing import Address, LookupResult, Outgoing
from models.tables.case import Case
from models.tables.mention import Author, Mention
from models.tables.reply import Reply
from publishing.replies import record_published
from publishing.undo import UNDO_WINDOW
from store import failed_items
from store.engine import Store
from store.failed_items import ItemFailed, isolated
from triage import labels
from triage.context import Context
from triage.lifecycle import next_state
from triage.transitions import CLAIM_MINUTES

SENDING_TIMEOUT: Final = timedelta(minutes=2)
"""A call that takes longer is considered dead, and its reply is looked up."""
LOOKUP_DELAY: Final = timedelta(seconds=15)
"""A call that broke off may still be arriving: the platform is asked only after this."""
FIRST_RETRY: Final = 5.0
LAST_RETRY: Final = 900.0
"""Seconds between tries, doubling from the first to the last."""
MAX_RETRY_AFTER: Final = 3600.0
"""Seconds for which a platform may put a reply off."""
MAX_TRIES: Final = 12
BATCH: Final = 20
NONE_BLOCKED: Final[Mapping[str, str]] = {}
NO_CONNECTION: Final = mark("The connection that publishes this is not running.")


class Responder(Protocol):
    """What publishing needs of a platform."""

    @property
    def name(self) -> str: ...
    async def publish(self, reply: Outgoing) -> Address: ...
    async def find(self, reply: Outgoing) -> LookupResult: ...


class ReplyPublisher:
    """Publishes the due replies of one responder."""

    def __init__(self, store: Store, responder: Responder, monotonic: Callable[[], float] | None = None) -> None:
        """With `monotonic`, in seconds, no jump of the clock shortens the time in which a reply can be undone.

        None where the time is handed in.
        """
        self.store = store
        self.responder = responder
        self._monotonic = monotonic
        self._seen: dict[tuple[int, datetime | None], float] = {}
        """(reply, when it was approved) → when it was seen first."""

    async def publish_due(self, configuration: Configuration, now: datetime) -> int:
        """Looks up replies of unknown fate, then publishes what is due; returns how many replies were touched.

        Raises Unavailable or Unauthorized after storing what became of the reply, so that the responder backs off.
        """
        interrupted = await self._pending("sending", now)
        for reply, _ in interrupted:
            await self._look_up(configuration, now, reply)
        ripe = await self._ripe()
        due = [] if interrupted else await self._pending("approved", now)
        due = [(reply, changed) for reply, changed in due if ripe is None or reply.id in ripe]
        for reply, changed in due:
            if changed:
                await self._fail(configuration, now, reply, changed)
            else:
                await self._publish(configuration, now, reply)
        return len(interrupted) + len(due)

    async def _ripe(self) -> set[int] | None:
        """The approved replies that this process has seen for as long as they can be undone; None where nobody counts."""
        if self._monotonic is None:
            return None
        async with self.store.reading() as session:
            approved = await session.execute(
                select(Reply.id, Reply.approved_at).where(
                    Reply.connection == self.responder.name, Reply.state == "approved"
                )
            )
            keys = [(number, approved_at) for number, approved_at in approved.all()]
        now = self._monotonic()
        self._seen = {key: self._seen.get(key, now) for key in keys}
        return {key[0] for key, seen in self._seen.items() if now - seen >= UNDO_WINDOW.total_seconds()}

    async def requeue_interrupted(self, now: datetime) -> None:
        """At start: what was being sent when the program stopped is looked up once it must have arrived."""
        soon = now + LOOKUP_DELAY
        async with self.store.writing() as session:
            await session.execute(
                update(Reply)
                .where(Reply.connection == self.responder.name, Reply.state == "sending", Reply.due_at > soon)
                .values(due_at=soon)
            )

    async def _pending(self, state: str, now: datetime) -> Sequence[tuple[Outgoing, str]]:
        """The due replies in a state, each with how its post differs from what the approver saw; empty where it does not."""
        async with self.store.reading() as session:
            rows = await session.execute(
                select(Reply, Mention, Author)
                .join(Mention, Mention.id == Reply.mention_id)
                .join(Author, Author.id == Mention.author_id)
                .where(Reply.connection == self.responder.name, Reply.state == state, Reply.due_at <= now)
                .order_by(Reply.due_at)
                .limit(BATCH)
            )
            return [
                (_to_outgoing(reply, mention, author), _post_changed(reply, mention)) for reply, mention, author in rows
            ]

    async def _publish(self, configuration: Configuration, now: datetime, reply: Outgoing) -> None:
        if not await self._mark_sending(reply, now):
            return
        try:
            with isolated():
                address = await self.responder.publish(reply)
        except Rejected as error:
            await self._fail(configuration, now, reply, error.reason)
        except Uncertain:
            await self._look_up_later(reply, now)
            raise
        except Paused as error:
            await self._fail(configuration, now, reply, f"{error.reason}. {error.fix}")
            raise
        except Unavailable as error:
            await self._retry(configuration, now, reply, error)
            raise
        except Unauthorized as error:
            await self._fail(configuration, now, reply, str(error))
            raise
        except ItemFailed as failure:  # a bug with this reply; it may have gone out
            await self._record_failure_of_ours(reply, failure.error, now)
            await self._look_up_later(reply, now)
        else:
            await self._published(configuration, now, reply, address)

    async def _look_up(self, configuration: Configuration, now: datetime, reply: Outgoing) -> None:
        try:
            with isolated():
                result = await self.responder.find(reply)
        except Rejected:  # the place is gone or closed to us: only a person can look there
            result = "unknown"
        except ItemFailed as failure:  # this reply alone cannot be looked up: a person can
            await self._record_failure_of_ours(reply, failure.error, now)
            result = "unknown"
        if isinstance(result, Address):
            await self._published(configuration, now, reply, result)
        elif result == "none":
            await self._publish_again(reply, now)
        else:
            await self._ask_member(configuration, now, reply)

    async def _mark_sending(self, reply: Outgoing, now: datetime) -> bool:
        async with self.store.writing() as session:
            marked = await session.execute(
                update(Reply)
                .where(Reply.id == reply.id, Reply.state == "approved", Reply.due_at <= now)
                .values(state="sending", due_at=now + SENDING_TIMEOUT, tries=Reply.tries + 1)
            )
            return bool(marked.rowcount == 1)  # type: ignore[attr-defined]

    async def _published(self, configuration: Configuration, now: datetime, reply: Outgoing, address: Address) -> None:
        async with self.store.writing() as session:
            context = Context(session, configuration, now)
            row = await session.get_one(Reply, reply.id)
            row.state, row.published_at, row.error = "published", now, None
            row.native_id, row.url = address.native_id, address.url
            await record_published(context, await session.get_one(Case, row.case_id), row)

    async def _fail(self, configuration: Configuration, now: datetime, reply: Outgoing, reason: str) -> None:
        async with self.store.writing() as session:
            await _record_failure(Context(session, configuration, now), await session.get_one(Reply, reply.id), reason)

    async def _retry(self, configuration: Configuration, now: datetime, reply: Outgoing, error: Unavailable) -> None:
        async with self.store.writing() as session:
            row = await session.get_one(Reply, reply.id)
            backoff = min(FIRST_RETRY * 2 ** (row.tries - 1), LAST_RETRY)
            wait = min(error.retry_after or 0.0, MAX_RETRY_AFTER) or backoff
            if row.tries < MAX_TRIES:
                row.state, row.due_at, row.error = "approved", now + timedelta(seconds=wait), error.reason
                case = await session.get_one(Case, row.case_id)
                case.revision += 1
                return
        await self._fail(configuration, now, reply, error.reason)

    async def _record_failure_of_ours(self, reply: Outgoing, error: Exception, now: datetime) -> None:
        async with self.store.writing() as session:
            await failed_items.record_failure(
                session, f"reply on {self.responder.name}", str(reply.id), error, now, tries=failed_items.MAX_TRIES
            )

    async def _look_up_later(self, reply: Outgoing, now: datetime) -> None:
        async with self.store.writing() as session:
            row = await session.get_one(Reply, reply.id)
            row.due_at = now + LOOKUP_DELAY

    async def _publish_again(self, reply: Outgoing, now: datetime) -> None:
        async with self.store.writing() as session:
            row = await session.get_one(Reply, reply.id)
            row.state, row.due_at = "approved", now

    async def _ask_member(self, configuration: Configuration, now: datetime, reply: Outgoing) -> None:
        async with self.store.writing() as session:
            context = Context(session, configuration, now)
            row = await session.get_one(Reply, reply.id)
            row.state = "unknown"
            context.record_event(await session.get_one(Case, row.case_id), "unknown", reply=row.id)


def _post_changed(reply: Reply, mention: Mention) -> str:
    if mention.deleted_at is not None:
        return labels.POST_DELETED
    approved_at = reply.approved_at
    edited = mention.edited_at is not None and approved_at is not None and mention.edited_at > approved_at
    return labels.POST_EDITED if edited else ""


def _to_outgoing(reply: Reply, mention: Mention, author: Author) -> Outgoing:
    return Outgoing(
        id=reply.id,
        key=reply.key,
        text=reply.text,
        language=reply.language,
        platform=reply.platform,
        in_reply_to=mention.native_id,
        thread=mention.thread,
        url=mention.url,
        author=author.handle,
    )


async def fail_undeliverable(
    store: Store,
    configuration: Configuration,
    now: datetime,
    responders: Sequence[str],
    blocked: Mapping[str, str] = NONE_BLOCKED,
) -> int:
    """Fails approved replies that no running responder publishes, so that their managers learn of it; returns how many.

    `blocked` maps connections that need a person to the reason.
    """
    async with store.writing() as session:
        context = Context(session, configuration, now)
        rows = await session.scalars(
            select(Reply).where(
                Reply.state == "approved",
                Reply.due_at <= now - SENDING_TIMEOUT,
                Reply.connection.not_in(responders),
            )
        )
        replies = rows.all()
        for reply in replies:
            await _record_failure(context, reply, blocked.get(reply.connection) or NO_CONNECTION)
        return len(replies)


async def _record_failure(context: Context, reply: Reply, reason: str) -> None:
    """The case goes back to whoever approved the reply, with the reason."""
    case = await context.session.get_one(Case, reply.case_id)
    reply.state, reply.error = "failed", reason
    case.state = next_state(case.state, "fail")
    case.claimed_by = reply.approved_by
    case.claim_until = context.now + timedelta(minutes=CLAIM_MINUTES)
    context.record_event(case, "failed", None, reason)
