"""Fetches the context of open cases' mentions: earlier posts of the thread, and what the platform knows of the author."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from sqlalchemy import select

from models.configuration import Configuration
from models.errors import Rejected
from models.incoming import NO_CONTEXT, ContextRequest, IncomingAuthor, ThreadContext
from models.tables.case import OPEN, Case
from models.tables.mention import Author, Mention, MentionBrand
from models.text import clean
from store import mentions
from store.engine import Store
from store.failed_items import not_set_aside, process_each
from triage import intake
from triage.context import Context

STEP: Final = "context"
BATCH: Final = 8


class ContextSource(Protocol):
    """What is needed of a listener."""

    @property
    def name(self) -> str: ...
    async def fetch_context(self, request: ContextRequest) -> ThreadContext: ...


class ContextFetcher:
    def __init__(self, store: Store, source: ContextSource) -> None:
        self.store = store
        self.source = source

    async def fetch_batch(self, configuration: Configuration, now: datetime) -> int:
        """Fetches for the next mentions of open cases, newest first; returns how many there were.

        Raises Unavailable and Unauthorized: they are tried again when the platform is back.
        """
        async with self.store.reading() as session:
            rows = list(
                await session.execute(
                    select(Mention, Author)
                    .join(Author, Author.id == Mention.author_id)
                    .join(MentionBrand, MentionBrand.mention_id == Mention.id)
                    .join(Case, Case.id == MentionBrand.case_id)
                    .where(
                        Mention.connection == self.source.name,
                        Mention.earlier_posts.is_(None),
                        Case.state.in_(OPEN),
                        not_set_aside(STEP, Mention.id),
                    )
                    .order_by(Mention.id.desc())
                    .distinct()
                    .limit(BATCH)
                )
            )
        work = [(str(m.id), partial(self._fetch_one, configuration, now, m, author)) for m, author in rows]
        return await process_each(self.store, STEP, now, work)

    async def _fetch_one(self, configuration: Configuration, now: datetime, mention: Mention, author: Author) -> None:
        thread_context = await self._fetch(mention, author)
        async with self.store.writing() as session:
            await _write(Context(session, configuration, now), mention.id, thread_context)

    async def _fetch(self, mention: Mention, author: Author) -> ThreadContext:
        request = ContextRequest(
            native_id=mention.native_id, thread=mention.thread, parent=mention.parent, author=author.native_id
        )
        try:
            return await self.source.fetch_context(request)
        except Rejected:
            return NO_CONTEXT


async def _write(context: Context, mention_id: int, thread_context: ThreadContext) -> None:
    """Skips what was deleted meanwhile. Cases that show something new because of it get a new score and revision."""
    mention = await context.session.get_one(Mention, mention_id)
    if mention.deleted_at is not None:
        mention.earlier_posts = ()
        return
    mention.earlier_posts = mentions.to_earlier_posts(thread_context.earlier_posts)
    author = await context.session.get_one(Author, mention.author_id)
    if not (_update_author(author, thread_context.author) or mention.earlier_posts):
        return
    for case in await _open_cases(context, mention_id):
        await intake.update_score(context, case)
        case.revision += 1


def _update_author(author: Author, profile: IncomingAuthor | None) -> bool:
    """Stores what the platform says of an author; returns whether anything changed."""
    if profile is None:
        return False
    before = (author.handle, author.name, author.followers, author.url)
    author.handle = clean(profile.handle, mentions.MAX_NAME) or author.handle
    author.name = clean(profile.name, mentions.MAX_NAME) or author.name
    author.followers = author.followers if profile.followers is None else profile.followers
    author.url = profile.url or author.url
    return before != (author.handle, author.name, author.followers, author.url)


async def _open_cases(context: Context, mention_id: int) -> Sequence[Case]:
    rows = await context.session.scalars(
        select(Case)
        .join(MentionBrand, MentionBrand.case_id == Case.id)
        .where(MentionBrand.mention_id == mention_id, Case.state.in_(OPEN))
        .distinct()
    )
    return rows.all()
