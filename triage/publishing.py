"""From approved to published: written down as sending before the platform is called, its address after.

A reply that was being sent when the program died, or whose call broke off, is looked for on its platform before anything
else is done about it; where that cannot be told, a member is asked. Nothing is ever said twice.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import select, update

from models.case import Case, Reply
from models.catalogue import Catalogue
from models.errors import Paused, Rejected, Unauthorized, Unavailable, Uncertain
from models.mention import Author, Mention
from models.reply import Address, Found, Outgoing
from store.engine import Store
from triage import guards, replying, wording
from triage.life import after
from triage.turn import Turn

SENDING: Final = timedelta(minutes=2)
"""A call that takes longer is taken for dead, and its reply is looked for."""
LOOK_AFTER: Final = timedelta(seconds=15)
"""A call that broke off may still be arriving: the platform is asked only after this."""
FIRST_RETRY: Final = 5.0
LAST_RETRY: Final = 900.0
"""Seconds between tries, doubling from the first to the last."""
LONGEST_WAIT: Final = 3600.0
"""Seconds for which a platform may put us off at once."""
MAX_TRIES: Final = 12
NOBODY: Final[Mapping[str, str]] = {}


class Voice(Protocol):
    """What publishing needs of a platform."""

    @property
    def name(self) -> str: ...
    async def publish(self, reply: Outgoing) -> Address: ...
    async def find(self, reply: Outgoing) -> Found: ...


class Mouth:
    """Publishes the replies that are due through one voice."""

    def __init__(self, store: Store, voice: Voice) -> None:
        self.store = store
        self.voice = voice

    async def speak(self, catalogue: Catalogue, now: datetime) -> int:
        """Settles what is in doubt, then says what is due; returns how many replies were touched.

        Raises Unavailable or Unauthorized after writing down what became of the reply, so that the voice is backed off.
        """
        doubted = await self._pending("sending", now)
        for reply, _ in doubted:
            await self._settle(catalogue, now, reply)
        due = [] if doubted else await self._pending("approved", now)
        for reply, changed in due:
            if changed:
                await self._failed(catalogue, now, reply, changed)
            else:
                await self._say(catalogue, now, reply)
        return len(doubted) + len(due)

    async def doubt_all(self, now: datetime) -> None:
        """At start: whatever this voice was saying when it last ended is in doubt, and looked for once it must have arrived."""
        soon = now + LOOK_AFTER
        async with self.store.writing() as session:
            await session.execute(
                update(Reply)
                .where(Reply.connection == self.voice.name, Reply.state == "sending", Reply.due_at > soon)
                .values(due_at=soon)
            )

    async def _pending(self, state: str, now: datetime) -> Sequence[tuple[Outgoing, str]]:
        """What is due, and how the post that it answers is not what the approver saw; empty where it is."""
        async with self.store.reading() as session:
            rows = await session.execute(
                select(Reply, Mention, Author)
                .join(Mention, Mention.id == Reply.mention_id)
                .join(Author, Author.id == Mention.author_id)
                .where(Reply.connection == self.voice.name, Reply.state == state, Reply.due_at <= now)
                .order_by(Reply.due_at)
                .limit(20)
            )
            return [(_outgoing(reply, mention, author), _changed(reply, mention)) for reply, mention, author in rows]

    async def _say(self, catalogue: Catalogue, now: datetime, reply: Outgoing) -> None:
        if not await self._mark_sending(reply, now):
            return
        try:
            address = await self.voice.publish(reply)
        except Rejected as error:
            await self._failed(catalogue, now, reply, error.reason)
        except Uncertain:
            await self._in_doubt(reply, now)
            raise
        except Paused as error:
            await self._failed(catalogue, now, reply, f"{error.reason}. {error.fix}")
            raise
        except Unavailable as error:
            await self._later(catalogue, now, reply, error)
            raise
        except Unauthorized as error:
            await self._failed(catalogue, now, reply, str(error))
            raise
        else:
            await self._said(catalogue, now, reply, address)

    async def _settle(self, catalogue: Catalogue, now: datetime, reply: Outgoing) -> None:
        try:
            found = await self.voice.find(reply)
        except Rejected:  # its place is gone, or closed to us: nobody but a human can look there
            found = "cannot tell"
        if isinstance(found, Address):
            await self._said(catalogue, now, reply, found)
        elif found == "none":
            await self._again(reply, now)
        else:
            await self._ask(catalogue, now, reply)

    async def _mark_sending(self, reply: Outgoing, now: datetime) -> bool:
        async with self.store.writing() as session:
            marked = await session.execute(
                update(Reply)
                .where(Reply.id == reply.id, Reply.state == "approved", Reply.due_at <= now)
                .values(state="sending", due_at=now + SENDING, tries=Reply.tries + 1)
            )
            return bool(marked.rowcount == 1)  # type: ignore[attr-defined]

    async def _said(self, catalogue: Catalogue, now: datetime, reply: Outgoing, address: Address) -> None:
        async with self.store.writing() as session:
            turn = Turn(session, catalogue, now)
            row = await session.get_one(Reply, reply.id)
            row.state, row.published_at, row.error = "published", now, None
            row.native_id, row.url = address.native_id, address.url
            await replying.answered(turn, await session.get_one(Case, row.case_id), row)

    async def _failed(self, catalogue: Catalogue, now: datetime, reply: Outgoing, reason: str) -> None:
        async with self.store.writing() as session:
            await _fail(Turn(session, catalogue, now), await session.get_one(Reply, reply.id), reason)

    async def _later(self, catalogue: Catalogue, now: datetime, reply: Outgoing, error: Unavailable) -> None:
        async with self.store.writing() as session:
            row = await session.get_one(Reply, reply.id)
            wait = min(error.retry_after or 0.0, LONGEST_WAIT) or min(FIRST_RETRY * 2 ** (row.tries - 1), LAST_RETRY)
            if row.tries < MAX_TRIES:
                row.state, row.due_at, row.error = "approved", now + timedelta(seconds=wait), error.reason
                case = await session.get_one(Case, row.case_id)
                case.revision += 1
                return
        await self._failed(catalogue, now, reply, error.reason)

    async def _in_doubt(self, reply: Outgoing, now: datetime) -> None:
        async with self.store.writing() as session:
            row = await session.get_one(Reply, reply.id)
            row.due_at = now + LOOK_AFTER

    async def _again(self, reply: Outgoing, now: datetime) -> None:
        async with self.store.writing() as session:
            row = await session.get_one(Reply, reply.id)
            row.state, row.due_at = "approved", now

    async def _ask(self, catalogue: Catalogue, now: datetime, reply: Outgoing) -> None:
        async with self.store.writing() as session:
            turn = Turn(session, catalogue, now)
            row = await session.get_one(Reply, reply.id)
            row.state = "unknown"
            turn.note(await session.get_one(Case, row.case_id), "unknown", reply=str(row.id))


def _changed(reply: Reply, mention: Mention) -> str:
    if mention.deleted_at is not None:
        return wording.GONE
    since = reply.approved_at
    edited = mention.edited_at is not None and since is not None and mention.edited_at > since
    return wording.EDITED if edited else ""


def _outgoing(reply: Reply, mention: Mention, author: Author) -> Outgoing:
    return Outgoing(
        id=reply.id,
        key=reply.key,
        text=reply.text,
        language=reply.language,
        platform=reply.platform,
        under=mention.native_id,
        thread=mention.thread,
        url=mention.url,
        author=author.handle,
    )


async def fail_unspoken(
    store: Store, catalogue: Catalogue, now: datetime, voices: Sequence[str], mute: Mapping[str, str] = NOBODY
) -> int:
    """Approved replies whose connection is not among those that speak would wait for ever: their managers are told.

    `mute` holds the connections that need a human before they speak again, and why.
    """
    async with store.writing() as session:
        turn = Turn(session, catalogue, now)
        rows = await session.scalars(
            select(Reply).where(
                Reply.state == "approved", Reply.due_at <= now - SENDING, Reply.connection.not_in(voices)
            )
        )
        unspoken = rows.all()
        for row in unspoken:
            await _fail(turn, row, mute.get(row.connection) or f"No connection named {row.connection} is running.")
        return len(unspoken)


async def _fail(turn: Turn, reply: Reply, reason: str) -> None:
    """Back to the hands of who approved it, with the reason."""
    case = await turn.session.get_one(Case, reply.case_id)
    reply.state, reply.error = "failed", reason
    case.state = after(case.state, "fail")
    case.claimed_by = reply.approved_by
    case.claim_until = turn.now + timedelta(minutes=guards.CLAIM_MINUTES)
    turn.note(case, "failed", None, reason)
