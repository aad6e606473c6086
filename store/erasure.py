"""What is erased here because it was deleted on its platform."""

from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.incoming import Deletion
from models.tables.mention import Mention, MentionBrand, MentionVersion, erased_values
from models.tables.reply import Reply, ReplyVersion
from store.failed_items import forget_mention
from store.mentions import WriteResult, record_on_cases


async def erase_deleted(session: AsyncSession, deletion: Deletion, now: datetime) -> WriteResult:
    """What was deleted on its platform is erased here: text, search, versions, matched words, and drafts that answer it."""
    mention = await session.scalar(
        select(Mention).where(
            Mention.platform == deletion.platform, Mention.native_id == deletion.native_id, Mention.deleted_at.is_(None)
        )
    )
    if mention is None:
        return WriteResult()
    for field, value in erased_values(Mention).items():
        setattr(mention, field, value)
    mention.deleted_at = now
    await session.execute(delete(MentionVersion).where(MentionVersion.mention_id == mention.id))
    await session.execute(
        update(MentionBrand)
        .where(MentionBrand.mention_id == mention.id)
        .values(analyzed_at=func.coalesce(MentionBrand.analyzed_at, now), **erased_values(MentionBrand))
    )
    drafts = select(Reply.id).where(Reply.mention_id == mention.id, Reply.state.in_(("draft", "proposed")))
    await session.execute(delete(ReplyVersion).where(ReplyVersion.reply_id.in_(drafts)))
    await session.execute(
        update(Reply).where(Reply.id.in_(drafts)).values(state="draft", text="", revision=Reply.revision + 1)
    )
    await forget_mention(session, mention.id)
    await record_on_cases(session, mention.id, "deleted", now)
    return WriteResult(deleted=1)
