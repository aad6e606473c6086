"""Published replies, to be compared with what is to be answered now."""

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.tables.case import Case
from models.tables.mention import Author, Mention
from models.tables.reply import Reply


class PastReply(NamedTuple):
    """`author` and `answered` are whom and what it answered (folded); topics and severity are its case's."""

    case: int
    text: str
    author: Author
    answered: str
    topics: tuple[str, ...]
    severity: str | None


async def published_replies(session: AsyncSession, brand_id: int, language: str, limit: int) -> list[PastReply]:
    """The newest replies of a brand in a language: what was right long ago may be wrong today."""
    rows = await session.execute(
        select(Reply.case_id, Reply.text, Author, Mention.folded, Case.topics, Case.severity)
        .join(Case, Case.id == Reply.case_id)
        .join(Author, Author.id == Case.author_id)
        .join(Mention, Mention.id == Reply.mention_id)
        .where(Case.brand_id == brand_id, Reply.language == language, Reply.state == "published")
        .order_by(Reply.id.desc())
        .limit(limit)
    )
    return [PastReply(*row) for row in rows.all()]
