"""What was answered to mentions that share words with another, found by the same index that searches them.

bm25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009), as SQLite's FTS5 counts it.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Text, cast, false, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from models.case import Case, Reply
from models.mention import Author, Mention

LOOKED_THROUGH: Final = 100_000
"""Newest mentions: what was right long ago may be wrong today."""


class Precedent(NamedTuple):
    reply: Reply
    told: Author
    folded: str
    """What it answered."""
    topics: tuple[str, ...]


async def answered_like(
    session: AsyncSession, brand_id: int, language: str, beginnings: Sequence[str], limit: int
) -> list[Precedent]:
    """Published replies to mentions with words that begin so, the likest first."""
    terms = [f'"{word}"*' for word in beginnings if word.isalnum()]
    if not terms:
        return []
    found = await session.execute(
        text(
            "SELECT reply.id FROM mention_search JOIN reply ON reply.mention_id = mention_search.rowid"
            ' JOIN "case" ON "case".id = reply.case_id'
            " WHERE mention_search MATCH :terms AND mention_search.rowid > (SELECT MAX(id) FROM mention) - :newest"
            " AND reply.state = 'published' AND reply.language = :language AND \"case\".brand_id = :brand"
            " ORDER BY bm25(mention_search) LIMIT :limit"
        ),
        {
            "terms": " OR ".join(terms),
            "newest": LOOKED_THROUGH,
            "language": language,
            "brand": brand_id,
            "limit": limit,
        },
    )
    return await _precedents(session, [number for (number,) in found])


async def answered_about(
    session: AsyncSession, brand_id: int, language: str, topics: Sequence[str], limit: int
) -> list[Precedent]:
    """Published replies in cases about one of these topics, the newest first."""
    about = or_(false(), *(func.instr(cast(Case.topics, Text), f'"{topic}"') > 0 for topic in topics))
    numbers = await session.scalars(
        select(Reply.id)
        .join(Case, Case.id == Reply.case_id)
        .where(Case.brand_id == brand_id, Reply.language == language, Reply.state == "published", about)
        .order_by(Reply.id.desc())
        .limit(limit)
    )
    return await _precedents(session, list(numbers))


async def _precedents(session: AsyncSession, numbers: Sequence[int]) -> list[Precedent]:
    """In the order of the replies' numbers as they are given."""
    rows = await session.execute(
        select(Reply, Author, Mention.folded, Case.topics)
        .join(Case, Case.id == Reply.case_id)
        .join(Author, Author.id == Case.author_id)
        .join(Mention, Mention.id == Reply.mention_id)
        .where(Reply.id.in_(numbers))
    )
    by_id = {reply.id: Precedent(reply, told, folded, topics) for reply, told, folded, topics in rows.all()}
    return [by_id[number] for number in numbers]
