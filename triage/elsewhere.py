"""Answers of ours that were given in a platform's own app: the case is answered, and nobody answers it a second time."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select

from models.case import Case, Reply
from models.mention import Mention, MentionBrand
from models.post import Post
from models.text import clean
from triage import replying
from triage.life import allows
from triage.turn import Turn

KEPT: Final = 4_000


async def answered_there(turn: Turn, post: Post, connection: str, owner: int | None) -> int:
    """The open cases of what a post of ours answers end with it; returns how many. What we published ourselves is no news."""
    if await turn.session.scalar(
        select(Reply.id).where(Reply.platform == post.platform, Reply.native_id == post.native_id)
    ):
        return 0
    rows = await turn.session.scalars(
        select(Case)
        .join(MentionBrand, MentionBrand.case_id == Case.id)
        .join(Mention, Mention.id == MentionBrand.mention_id)
        .where(Mention.platform == post.platform, Mention.native_id == post.parent)
        .distinct()
    )
    count = 0
    for case in rows.all():
        if _speaks_for(turn, case, post, connection, owner) and not await _went_on(turn, case, post):
            count += await _end(turn, case, post)
    return count


def _speaks_for(turn: Turn, case: Case, post: Post, connection: str, owner: int | None) -> bool:
    """Whether who wrote the post is the brand's voice, and not the one of another brand that the mention concerns too."""
    brand = turn.brand(case)
    member = turn.catalogue.members.get(turn.catalogue.member_at(post.platform, post.author.native_id))
    if member is not None:
        return member.sees(brand.slug)
    if post.ours and (owner == case.brand_id or brand.publish.get(post.platform) == connection):
        return True
    names = {name.lstrip("@").casefold() for name in brand.own.get(post.platform, ())}
    return bool(names & {post.author.handle.lstrip("@").casefold(), post.author.native_id.casefold()})


async def _went_on(turn: Turn, case: Case, post: Post) -> bool:
    """Whether the author has written since: an answer from before that is heard late answers nothing of it."""
    last = await turn.session.scalar(
        select(func.max(Mention.created_at))
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.case_id == case.id)
    )
    return last is not None and last > post.created_at


async def _end(turn: Turn, case: Case, post: Post) -> bool:
    replies = (
        await turn.session.scalars(
            select(Reply).where(Reply.case_id == case.id, Reply.state.in_(("approved", "sending", "unknown")))
        )
    ).all()
    if any(reply.state != "approved" for reply in replies):
        return False  # it is ours that was just said, or whoever settles it will see
    await _withdraw(turn, case, replies)
    if not allows(case.state, "answer"):
        return False
    await replying.found_answered(turn, case, clean(post.text, KEPT), post.url)
    return True


async def _withdraw(turn: Turn, case: Case, replies: Sequence[Reply]) -> None:
    """What was approved and not yet said stays unsaid: the colleague was faster."""
    for reply in replies:
        reply.state, reply.error = "withdrawn", None
        await replying.called_off(turn, case)
