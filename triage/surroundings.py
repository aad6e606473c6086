"""What stands around the mentions of open cases: what was said before them, and what is known of who wrote them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy import select

from models.case import OPEN, Case
from models.catalogue import Catalogue
from models.errors import Rejected
from models.mention import Author, Mention, MentionBrand
from models.post import NOTHING_AROUND, Around, PostAuthor, Sought
from models.text import clean
from store import mentions
from store.engine import Store
from triage import cases
from triage.turn import Turn

BATCH: Final = 8


class Looks(Protocol):
    """What is needed of an ear."""

    @property
    def name(self) -> str: ...
    async def around(self, sought: Sought) -> Around: ...


class Surveyor:
    def __init__(self, store: Store, ear: Looks) -> None:
        self.store = store
        self.ear = ear

    async def look_batch(self, catalogue: Catalogue, now: datetime) -> int:
        """Looks around the next mentions of open cases, the newest first; returns how many there were.

        Raises Unavailable and Unauthorized: they are looked at again when the platform is back.
        """
        async with self.store.reading() as session:
            rows = list(
                await session.execute(
                    select(Mention, Author)
                    .join(Author, Author.id == Mention.author_id)
                    .join(MentionBrand, MentionBrand.mention_id == Mention.id)
                    .join(Case, Case.id == MentionBrand.case_id)
                    .where(Mention.connection == self.ear.name, Mention.before.is_(None), Case.state.in_(OPEN))
                    .order_by(Mention.id.desc())
                    .distinct()
                    .limit(BATCH)
                )
            )
        for mention, author in rows:
            around = await self._around(mention, author)
            async with self.store.writing() as session:
                await _write(Turn(session, catalogue, now), mention.id, around)
        return len(rows)

    async def _around(self, mention: Mention, author: Author) -> Around:
        sought = Sought(
            native_id=mention.native_id, thread=mention.thread, parent=mention.parent, author=author.native_id
        )
        try:
            return await self.ear.around(sought)
        except Rejected:
            return NOTHING_AROUND


async def _write(turn: Turn, mention_id: int, around: Around) -> None:
    """Not for what was deleted while we looked. The cases that show it are weighed and drawn again where it tells something."""
    mention = await turn.session.get_one(Mention, mention_id)
    if mention.deleted_at is not None:
        mention.before = ()
        return
    mention.before = mentions.earlier(around.before)
    author = await turn.session.get_one(Author, mention.author_id)
    if not (_learn(author, around.author) or mention.before):
        return
    for case in await _cases(turn, mention_id):
        await cases.weigh(turn, case)
        case.revision += 1


def _learn(author: Author, known: PostAuthor | None) -> bool:
    """What a platform says of an author is written down; returns whether that is news."""
    if known is None:
        return False
    before = (author.handle, author.name, author.followers, author.url)
    author.handle = clean(known.handle, 200) or author.handle
    author.name = clean(known.name, 200) or author.name
    author.followers = author.followers if known.followers is None else known.followers
    author.url = known.url or author.url
    return before != (author.handle, author.name, author.followers, author.url)


async def _cases(turn: Turn, mention_id: int) -> Sequence[Case]:
    """The open cases that hold a mention."""
    rows = await turn.session.scalars(
        select(Case)
        .join(MentionBrand, MentionBrand.case_id == Case.id)
        .where(MentionBrand.mention_id == mention_id, Case.state.in_(OPEN))
        .distinct()
    )
    return rows.all()
