"""One reply to a whole duplicate group, adapted to each author; every text is seen before it is approved."""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import and_, exists, or_, select

from models.tables.case import Case
from models.tables.mention import Author, Mention, MentionBrand
from models.tables.reply import Reply
from publishing.approvals import approve, check_text
from publishing.checks import Finding
from publishing.context import ReplyContext
from publishing.replies import save_draft
from triage.permissions import get_visible_case

MAX_CASES: Final = 50
"""As many as somebody can look through."""
MIN_NAME: Final = 3
"""Characters of a name that is replaced in the text."""


class GroupMember(msgspec.Struct, frozen=True, kw_only=True):
    """One case of the group: `post` is what its author wrote, `text` the reply they would get."""

    case: int
    author: str
    post: str
    text: str
    findings: tuple[Finding, ...]

    @property
    def publishable(self) -> bool:
        return not any(finding.blocks for finding in self.findings)


async def unanswered(context: ReplyContext, case_id: int, member_id: int) -> list[GroupMember]:
    """The unanswered cases of the group of a case this member answers, oldest first, at most MAX_CASES.

    Cases that a colleague has claimed, and those to which anybody has begun another reply, are left out.
    """
    case = await get_visible_case(context, case_id, member_id)
    text = await _reply_text(context, case, member_id)
    if case.duplicate_group_id is None or not text:
        return []
    own = await context.session.get_one(Author, case.author_id)
    free = or_(Case.state.in_(("waiting", "snoozed")), and_(Case.state == "claimed", Case.claimed_by == member_id))
    draft = exists().where(Reply.case_id == Case.id, Reply.state.in_(("draft", "proposed")), Reply.text != "")
    rows = await context.session.execute(
        select(Case, Author)
        .join(Author, Author.id == Case.author_id)
        .where(Case.duplicate_group_id == case.duplicate_group_id, Case.id != case.id, free, ~draft)
        .order_by(Case.id)
        .limit(MAX_CASES)
    )
    return [await _group_member(context, other, author, adapted(text, own, author)) for other, author in rows.all()]


async def _reply_text(context: ReplyContext, case: Case, member_id: int) -> str:
    """What this member is about to answer to a case, or what was answered."""
    own = and_(Reply.state.in_(("draft", "proposed")), Reply.author_id == member_id)
    replies = or_(Reply.state.in_(("approved", "sending", "published")), own)
    newest = select(Reply.text).where(Reply.case_id == case.id, replies).order_by(Reply.id.desc()).limit(1)
    return await context.session.scalar(newest) or ""


async def _group_member(context: ReplyContext, case: Case, author: Author, text: str) -> GroupMember:
    post = await context.session.scalar(
        select(Mention.text)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.case_id == case.id)
        .order_by(Mention.id.desc())
        .limit(1)
    )
    connection = context.brand(case).publish.get(case.platform, "")
    findings = await check_text(context, case, author, text, connection)
    return GroupMember(case=case.id, author=author.handle, post=post or "", text=text, findings=tuple(findings))


def adapted(text: str, own: Author, other: Author) -> str:
    """The text for another author: the handle and the name of the first are replaced by those of the other."""
    handle = re.compile(rf"@{re.escape(own.handle.lstrip('@'))}(?![\w])", re.IGNORECASE)
    text = handle.sub(lambda _: f"@{other.handle.lstrip('@')}", text)
    if len(own.name) >= MIN_NAME:
        name = re.compile(rf"(?<![\w@]){re.escape(own.name)}(?!\w)")
        text = name.sub(lambda _: other.name or other.handle, text)
    return text


def fingerprint(members: Sequence[GroupMember]) -> str:
    """Changes when a case joins or leaves, or any text changes: what was seen is what is approved."""
    return hashlib.sha256(msgspec.json.encode([(member.case, member.text) for member in members])).hexdigest()[:16]


async def answer(context: ReplyContext, case_id: int, member_id: int, text: str) -> Reply:
    """Claims one of the cases and approves a text the member has seen; proposes it where more approvals are required."""
    reply = await save_draft(context, case_id, member_id, text)
    return await approve(context, reply.id, reply.revision, member_id)
