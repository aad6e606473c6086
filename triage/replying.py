"""What we say: drafts, who must say yes to them, and what became of them.

A draft is approved in the revision that was shown. Where the queue wants more eyes, its author's yes only proposes it: as many
approvers as the queue names must say yes to the same text, and may change it first; both versions are kept.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import select, update

from models.case import Case, Reply
from models.errors import Refused
from models.mention import Author, Mention, MentionBrand
from models.text import clean
from triage import guards
from triage.actions import claim
from triage.checks import Draft
from triage.matching import TO_US
from triage.turn import Turn

UNDO: Final = timedelta(seconds=10)
"""Approved means due after this; until then it can be taken back."""


async def draft(
    turn: Turn, case_id: int, member_id: int, text: str, suggestion: str | None = None, mention_id: int | None = None
) -> Reply:
    """Keeps what a member types, and the claim with it; each change of the text is a new revision."""
    case = await guards.free_or_mine(turn, case_id, member_id)
    if case.state != "claimed":
        case = await claim(turn, case_id, member_id)
    case.claim_until = guards.lease(turn, case)
    text = clean(text)
    reply = await turn.session.scalar(
        select(Reply).where(Reply.case_id == case_id, Reply.author_id == member_id, Reply.state == "draft")
    )
    if reply is None:
        reply = await _new_draft(turn, case, member_id, mention_id)
        turn.session.add(reply)
    elif reply.text == text:
        return reply
    else:
        reply.revision += 1
    reply.text, reply.drafted_at = text, turn.now
    reply.suggestion = suggestion if suggestion is not None else reply.suggestion
    await turn.session.flush()
    return reply


async def _new_draft(turn: Turn, case: Case, member_id: int, mention_id: int | None) -> Reply:
    under = mention_id or await turn.session.scalar(
        select(MentionBrand.mention_id)
        .join(Mention, Mention.id == MentionBrand.mention_id)
        .where(MentionBrand.case_id == case.id, Mention.deleted_at.is_(None))
        .order_by(Mention.id.desc())
        .limit(1)
    )
    if under is None:
        raise Refused("The post was deleted on its platform: there is nothing left to answer.")
    count = len((await turn.session.scalars(select(Reply.id).where(Reply.case_id == case.id))).all())
    return Reply(
        case_id=case.id,
        mention_id=under,
        platform=case.platform,
        connection=turn.brand(case).publish.get(case.platform, ""),
        state="draft",
        text="",
        language=case.language,
        revision=1,
        author_id=member_id,
        drafted_at=turn.now,
        key=f"c{case.id}-{count + 1}-{int(turn.now.timestamp() * 1000):x}",
        tries=0,
    )


async def approve(turn: Turn, reply_id: int, revision: int, member_id: int) -> Reply:
    """The one door to the public: this member says yes to exactly this text."""
    reply = await turn.session.get(Reply, reply_id)
    if reply is None:
        raise Refused("There is no such draft.")
    case = await guards.mine(turn, reply.case_id, member_id)
    if not reply.connection:
        raise Refused(
            "Ascolto cannot answer on {platform} for this brand: copy the reply and open the post.",
            platform=reply.platform,
        )
    author = await turn.session.get_one(Author, case.author_id)
    for finding in turn.checker.check(await to_check(turn, case, author, reply.text, reply.connection)):
        if finding.stops:
            raise Refused(finding.message, **finding.values)
    approved = await turn.session.execute(
        update(Reply)
        .where(Reply.id == reply_id, Reply.state == "draft", Reply.revision == revision)
        .values(state="approved", approved_by=member_id, approved_at=turn.now, due_at=turn.now + UNDO, error=None)
        .execution_options(synchronize_session="fetch")
    )
    if approved.rowcount != 1:  # type: ignore[attr-defined]
        raise Refused("The text has changed since you saw it. Read it again, then approve.")
    await guards.swap(turn, case, "approve")
    turn.note(case, "approved", member_id, reply=str(reply.id))
    return reply


async def to_check(turn: Turn, case: Case, author: Author, text: str, connection: str) -> Draft:
    """A text as the checks want it."""
    asked_us = select(MentionBrand.mention_id).where(MentionBrand.case_id == case.id, MentionBrand.query == TO_US)
    return Draft(
        text=text,
        language=case.language,
        brand=turn.brand(case),
        connection=connection,
        author=author.handle,
        complaint=case.intent in ("complaint", "crisis"),
        asked_us=await turn.session.scalar(asked_us.limit(1)) is not None,
    )


async def undo(turn: Turn, reply_id: int, member_id: int) -> Reply:
    """Takes an approved reply back to draft, as long as it is not on its way."""
    reply = await turn.session.get(Reply, reply_id)
    if reply is None:
        raise Refused("There is no such reply.")
    case = await guards.seen(turn, reply.case_id, member_id)
    taken_back = await turn.session.execute(
        update(Reply)
        .where(Reply.id == reply_id, Reply.state == "approved")
        .values(state="draft", approved_by=None, approved_at=None, due_at=None)
        .execution_options(synchronize_session="fetch")
    )
    if taken_back.rowcount != 1:  # type: ignore[attr-defined]
        raise Refused("It has been sent already. It can only be deleted on the platform now.")
    await guards.swap(turn, case, "undo")
    case.claim_until = guards.lease(turn, case)
    turn.note(case, "undone", member_id)
    return reply


async def answered_by_hand(turn: Turn, case_id: int, member_id: int, url: str = "") -> Case:
    """The member copied the draft and said it on the platform; what was said is kept as published by them."""
    case = await guards.mine(turn, case_id, member_id)
    reply = await turn.session.scalar(
        select(Reply).where(Reply.case_id == case_id, Reply.author_id == member_id, Reply.state == "draft")
    )
    if reply is not None:
        reply.state, reply.approved_by, reply.approved_at = "published", member_id, turn.now
        reply.published_at, reply.url = turn.now, clean(url, 2_000) or None
    await guards.swap(turn, case, "answer")
    case.first_answered_at = case.first_answered_at or turn.now
    await guards.end(turn, case, None)
    turn.note(case, "copied", member_id, clean(url, 2_000))
    return case


async def settle(turn: Turn, reply_id: int, member_id: int, *, published: bool) -> Reply:
    """A member has looked at the platform for a reply of unknown fate: it is there, or it is sent again."""
    reply = await turn.session.get(Reply, reply_id)
    if reply is None or reply.state not in ("unknown", "failed"):
        raise Refused("This reply is settled already.")
    case = await guards.seen(turn, reply.case_id, member_id)
    if published:
        if reply.state != "unknown":
            raise Refused("This reply was refused by the platform.")
        reply.state, reply.published_at, reply.error = "published", turn.now, None
        await answered(turn, case, reply)
        return reply
    if reply.state == "failed":
        await guards.still_mine(turn, case, member_id)
        await guards.swap(turn, case, "approve")
    reply.state, reply.error, reply.tries = "approved", None, 0
    reply.approved_by, reply.approved_at, reply.due_at = member_id, turn.now, turn.now + UNDO
    turn.note(case, "approved", member_id, reply=str(reply.id))
    return reply


async def answered(turn: Turn, case: Case, reply: Reply) -> None:
    """The case has its answer in public."""
    await guards.swap(turn, case, "publish")
    case.first_answered_at = case.first_answered_at or turn.now
    await guards.end(turn, case, None)
    turn.note(case, "published", reply.approved_by, reply.url or "", reply=str(reply.id))


async def found_answered(turn: Turn, case: Case, text: str, url: str) -> None:
    """One of ours answered in the platform's own app."""
    await guards.swap(turn, case, "answer")
    case.first_answered_at = case.first_answered_at or turn.now
    await guards.end(turn, case, None)
    turn.note(case, "answered there", None, text, url=url)


async def called_off(turn: Turn, case: Case) -> None:
    """An approved reply will not be said; the case is in the hands of who approved it."""
    await guards.swap(turn, case, "undo")
