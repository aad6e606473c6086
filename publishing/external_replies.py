"""Answers that one of us gave in a platform's own app: they end the case, so that nobody answers a second time."""

from typing import Final

from sqlalchemy import func, select

from models.incoming import IncomingPost
from models.tables.case import Case
from models.tables.mention import Mention, MentionBrand
from models.tables.reply import Reply
from models.text import clean
from publishing.replies import recall, record_external_reply
from triage.context import Context
from triage.lifecycle import allows

MAX_TEXT: Final = 4_000


async def record_answer(context: Context, post: IncomingPost, connection: str, owner: int | None) -> int:
    """Ends the open cases that a post of ours answers; returns how many. Replies published by Ascolto change nothing."""
    if await context.session.scalar(
        select(Reply.id).where(Reply.platform == post.platform, Reply.native_id == post.native_id)
    ):
        return 0
    rows = await context.session.scalars(
        select(Case)
        .join(MentionBrand, MentionBrand.case_id == Case.id)
        .join(Mention, Mention.id == MentionBrand.mention_id)
        .where(Mention.platform == post.platform, Mention.native_id == post.parent)
        .distinct()
    )
    count = 0
    for case in rows.all():
        if _is_from_brand(context, case, post, connection, owner) and not await _author_continued(context, case, post):
            count += await _end(context, case, post)
    return count


def _is_from_brand(context: Context, case: Case, post: IncomingPost, connection: str, owner: int | None) -> bool:
    """Whether the post's author publishes for the case's brand, and not for another brand that the mention concerns too."""
    brand = context.brand(case)
    configuration = context.configuration
    member = configuration.members.get(configuration.member_by_identity(post.platform, post.author.native_id))
    if member is not None:
        return member.can_see(brand.slug)
    if post.ours and (owner == case.brand_id or brand.publish.get(post.platform) == connection):
        return True
    names = {name.lstrip("@").casefold() for name in brand.own_accounts.get(post.platform, ())}
    return bool(names & {post.author.handle.lstrip("@").casefold(), post.author.native_id.casefold()})


async def _author_continued(context: Context, case: Case, post: IncomingPost) -> bool:
    """Whether the author has posted since: an earlier answer that is received late does not answer that."""
    last = await context.session.scalar(
        select(func.max(Mention.created_at))
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.case_id == case.id)
    )
    return last is not None and last > post.created_at


async def _end(context: Context, case: Case, post: IncomingPost) -> bool:
    in_flight = (
        await context.session.scalars(
            select(Reply).where(Reply.case_id == case.id, Reply.state.in_(("approved", "sending", "unknown")))
        )
    ).all()
    if any(reply.state != "approved" for reply in in_flight):
        return False  # it is our own reply arriving, or whoever resolves the unknown one will see it
    for reply in in_flight:  # the colleague was faster
        reply.state, reply.error = "withdrawn", None
        await recall(context, case)
    if not allows(case.state, "answer"):
        return False
    await record_external_reply(context, case, clean(post.text, MAX_TEXT), post.url)
    return True
