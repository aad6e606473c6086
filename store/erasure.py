"""What is erased here because it was deleted on its platform."""

from datetime import datetime

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.incoming import Deletion
from models.tables.ai_draft import AiDraft
from models.tables.alert import Alert
from models.tables.mention import Mention, MentionBrand, MentionVersion, erased_values
from models.tables.reply import Reply, ReplyVersion
from store import cursors
from store.engine import Store
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
    await session.execute(delete(AiDraft).where(AiDraft.mention_id == mention.id))
    await _erase_alerts(session, mention.id)
    await cursors.save(session, "erasure", "", now.isoformat(), now)
    await forget_mention(session, mention.id)
    await record_on_cases(session, mention.id, "deleted", now)
    return WriteResult(deleted=1)


async def _erase_alerts(session: AsyncSession, mention_id: int) -> None:
    """What its alerts quote, in the database and, by their new revision, on their cards."""
    case_ids = select(MentionBrand.case_id).where(
        MentionBrand.mention_id == mention_id, MentionBrand.case_id.is_not(None)
    )
    await session.execute(
        update(Alert)
        .where(Alert.case_id.in_(case_ids), Alert.kind == "severe")
        .values(words=(), keyword="", revision=Alert.revision + 1)
    )


async def purge(store: Store) -> bool:
    """Takes what was erased out of the search index and the write-ahead log too; returns whether there was anything.

    The index is rewritten whole, which takes about a second for each hundred thousand mentions.
    """
    async with store.reading() as session:
        if await cursors.load(session, "erasure", "") is None:
            return False
    async with store.writing(notify=False) as session:
        await cursors.remove(session, "erasure", "")
        await session.execute(text("INSERT INTO mention_search(mention_search) VALUES ('optimize')"))
    await store.truncate_log()
    return True
