"""What was answered lately, to be compared with what is to be answered now."""

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.case import Case, Reply
from models.mention import Author, Mention


class Precedent(NamedTuple):
    """A reply in public: `folded` is what it answered, `about` the topics of its case, `grave` why that was grave, if it was."""

    case: int
    text: str
    told: Author
    folded: str
    about: tuple[str, ...]
    grave: str | None


async def answered(session: AsyncSession, brand_id: int, language: str, limit: int) -> list[Precedent]:
    """The newest replies of a brand in a language: what was right long ago may be wrong today."""
    rows = await session.execute(
        select(Reply.case_id, Reply.text, Author, Mention.folded, Case.topics, Case.grave)
        .join(Case, Case.id == Reply.case_id)
        .join(Author, Author.id == Case.author_id)
        .join(Mention, Mention.id == Reply.mention_id)
        .where(Case.brand_id == brand_id, Reply.language == language, Reply.state == "published")
        .order_by(Reply.id.desc())
        .limit(limit)
    )
    return [Precedent(*row) for row in rows.all()]
