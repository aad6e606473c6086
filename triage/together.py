"""A storm answered at once: one reply, adapted to each who says the same; every text is seen before anybody says yes to it."""

import re
import zlib
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import and_, exists, or_, select

from models.case import Case, Reply
from models.mention import Author, Mention, MentionBrand
from triage import guards, replying
from triage.checks import Finding
from triage.turn import Turn

MOST: Final = 50
"""Answered at once: as many names as somebody can look through."""
SHORTEST_NAME: Final = 3


class Same(msgspec.Struct, frozen=True, kw_only=True):
    """One of those who say the same: `said` is what, `text` what they would be told."""

    case: int
    author: str
    said: str
    text: str
    findings: tuple[Finding, ...]

    @property
    def fits(self) -> bool:
        return not any(finding.stops for finding in self.findings)


async def others(turn: Turn, case_id: int, member_id: int) -> list[Same]:
    """Who else says the same as a case that this member answers, and waits for an answer; the oldest first, at most MOST.

    Nobody is in it whom a colleague is answering, nor to whom the member has begun to write something else.
    """
    case = await guards.seen(turn, case_id, member_id)
    text = await _reply_to(turn, case, member_id)
    if case.storm_id is None or not text:
        return []
    own = await turn.session.get_one(Author, case.author_id)
    free = or_(Case.state.in_(("waiting", "snoozed")), and_(Case.state == "claimed", Case.claimed_by == member_id))
    begun = exists().where(Reply.case_id == Case.id, Reply.state.in_(("draft", "proposed")), Reply.text != "")
    rows = await turn.session.execute(
        select(Case, Author)
        .join(Author, Author.id == Case.author_id)
        .where(Case.storm_id == case.storm_id, Case.id != case.id, free, ~begun)
        .order_by(Case.id)
        .limit(MOST)
    )
    return [await _same(turn, other, author, adapted(text, own, author)) for other, author in rows.all()]


async def _reply_to(turn: Turn, case: Case, member_id: int) -> str:
    """What this member is about to say, or what was said, to one of them."""
    own = and_(Reply.state.in_(("draft", "proposed")), Reply.author_id == member_id)
    wanted = or_(Reply.state.in_(("approved", "sending", "published")), own)
    newest = select(Reply.text).where(Reply.case_id == case.id, wanted).order_by(Reply.id.desc()).limit(1)
    return await turn.session.scalar(newest) or ""


async def _same(turn: Turn, case: Case, author: Author, text: str) -> Same:
    said = await turn.session.scalar(
        select(Mention.text)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.case_id == case.id)
        .order_by(Mention.id.desc())
        .limit(1)
    )
    connection = turn.brand(case).publish.get(case.platform, "")
    draft = await replying.to_check(turn, case, author, text, connection)
    return Same(
        case=case.id, author=author.handle, said=said or "", text=text, findings=tuple(turn.checker.check(draft))
    )


def adapted(text: str, own: Author, other: Author) -> str:
    """The same words to somebody else: the handle and the name of the first give way to those of the other."""
    handle = re.compile(rf"@{re.escape(own.handle.lstrip('@'))}(?![\w])", re.IGNORECASE)
    text = handle.sub(lambda _: f"@{other.handle.lstrip('@')}", text)
    if len(own.name) >= SHORTEST_NAME:
        name = re.compile(rf"(?<![\w@]){re.escape(own.name)}(?!\w)")
        text = name.sub(lambda _: other.name or other.handle, text)
    return text


def mark(found: Sequence[Same]) -> str:
    """Another one when anybody came, went, or would be told something else: what was seen is what is approved."""
    return f"{zlib.crc32(msgspec.json.encode([(one.case, one.text) for one in found])):08x}"


async def answer(turn: Turn, case_id: int, member_id: int, text: str) -> Reply:
    """Claims one of them, and says yes to a text that the member has seen; where the queue wants more eyes, proposes it."""
    reply = await replying.draft(turn, case_id, member_id, text)
    return await replying.approve(turn, reply.id, reply.revision, member_id)
