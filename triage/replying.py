"""What we say: drafts, who must say yes to them, and what became of them.

A draft is approved in the revision that was shown. Where the queue wants more eyes, its author's yes only proposes it: as many
approvers as the queue names must say yes to the same text, and may change it first; both versions are kept.
"""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete, func, select, update

from models.case import Approval, Case, Reply, ReplyVersion
from models.catalogue import Member
from models.errors import Refused
from models.mention import Author, Mention, MentionBrand
from models.text import clean
from triage import alerts, guards
from triage.actions import MAX_NOTE, claim
from triage.checks import Draft
from triage.matching import TO_US
from triage.turn import Turn

UNDO: Final = timedelta(seconds=10)
"""Approved means due after this; until then it can be taken back."""


def _(message: str) -> str:
    return message


CHANGED: Final = _("The text has changed since you saw it. Read it again, then approve.")


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
        select(Reply).where(
            Reply.case_id == case_id, Reply.author_id == member_id, Reply.state.in_(("draft", "proposed"))
        )
    )
    if reply is None:
        reply = await _new_draft(turn, case, member_id, mention_id)
        turn.session.add(reply)
    elif reply.text == text:
        return reply
    else:
        reply.revision += 1
    if reply.state == "proposed":  # its author goes on writing: whoever looked at it looked at another text
        reply.state = "draft"
        turn.note(case, "undone", member_id)
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
    """The one door to the public: this member says yes to exactly this text.

    The reply is approved then, or, where its queue wants more eyes, proposed to those who may be the next to say yes.
    """
    reply = await turn.session.get(Reply, reply_id)
    if reply is None:
        raise Refused("There is no such draft.")
    if reply.state == "proposed":
        return await _second(turn, reply, revision, member_id)
    case = await guards.mine(turn, reply.case_id, member_id)
    await _fit_to_publish(turn, case, reply)
    if wanted(turn, case) == 0:
        await _move(turn, reply, "draft", revision, state="approved", **_approved(turn, member_id))
        await guards.swap(turn, case, "approve")
        _file(turn, case, reply)
        turn.note(case, "approved", member_id, reply=str(reply.id))
        return reply
    await _move(turn, reply, "draft", revision, state="proposed", error=None)
    await _keep_version(turn, reply, member_id)
    turn.note(case, "proposed", member_id, reply=str(reply.id))
    if may_second(turn, case, reply, member_id):  # a colleague's draft that an approver took over
        return await _second(turn, reply, revision, member_id)
    others = [m.slug for n, m in able(turn, case).items() if n not in (member_id, reply.author_id)]
    await alerts.approval(turn, case, reply, others)
    return reply


def wanted(turn: Turn, case: Case) -> int:
    """How many approvers beside the author must say yes."""
    queue = turn.queue(case)
    if queue is None:
        return 0
    risky = case.grave is not None or case.intent == "crisis"
    return max(queue.approvals, queue.risky_approvals) if risky else queue.approvals


def may_second(turn: Turn, case: Case, reply: Reply, member_id: int) -> bool:
    """An approver who sees the brand, and did not write the reply."""
    return member_id != reply.author_id and member_id in able(turn, case)


def able(turn: Turn, case: Case) -> dict[int, Member]:
    """Who may give a second yes: the approvers of the team, and whoever leads."""
    brand, queue = turn.brand(case).slug, turn.queue(case)
    team = queue.team if queue else ()
    return {
        n: m
        for n, m in turn.catalogue.members
        if m.sees(brand) and not m.archived and m.at_least("approver" if m.slug in team else "lead")
    }


async def _second(turn: Turn, reply: Reply, revision: int, member_id: int) -> Reply:
    """Another's yes to a proposed reply; the last one that was wanted approves it."""
    case = await guards.seen(turn, reply.case_id, member_id)
    if member_id == reply.author_id:
        raise Refused("You wrote it: somebody else must say yes.")
    if not may_second(turn, case, reply, member_id):
        raise Refused("Only an approver may say yes to a colleague's reply.")
    if reply.revision != revision:
        raise Refused(CHANGED)
    await _fit_to_publish(turn, case, reply)
    known = set(
        await turn.session.scalars(
            select(Approval.member_id).where(Approval.reply_id == reply.id, Approval.revision == revision)
        )
    )
    if member_id not in known:
        turn.session.add(Approval(reply_id=reply.id, revision=revision, member_id=member_id, at=turn.now))
        turn.note(case, "seconded", member_id, reply=str(reply.id))
    if len(known | {member_id}) < wanted(turn, case):
        return reply
    await _move(turn, reply, "proposed", revision, state="approved", **_approved(turn, member_id))
    if case.state in ("waiting", "snoozed"):
        await guards.swap(turn, case, "claim")
        case.claimed_by, case.snoozed_until = reply.author_id, None
    await guards.swap(turn, case, "approve")
    _file(turn, case, reply)
    turn.note(case, "approved", member_id, reply=str(reply.id))
    return reply


def files_under(turn: Turn, case: Case, reply: Reply) -> tuple[str, ...]:
    """The topics under which a saved reply files the case that it answers, and which it has not yet."""
    brand = turn.brand(case).slug
    saved = next(
        (one for _, one in turn.catalogue.saved_replies if (one.brand, one.code) == (brand, reply.suggestion)), None
    )
    return tuple(topic for topic in (saved.files_under if saved else ()) if topic not in case.topics)


def _file(turn: Turn, case: Case, reply: Reply) -> None:
    case.topics = (*case.topics, *files_under(turn, case, reply))


async def missing(turn: Turn, reply: Reply) -> int:
    """How many more must say yes to a proposed reply."""
    case = await turn.session.get_one(Case, reply.case_id)
    given = select(func.count()).where(Approval.reply_id == reply.id, Approval.revision == reply.revision)
    return max(wanted(turn, case) - (await turn.session.scalar(given) or 0), 0)


async def amend(turn: Turn, reply_id: int, revision: int, member_id: int, text: str) -> Reply:
    """An approver changes a proposed reply before saying yes to it; what its author wrote is kept."""
    reply = await turn.session.get(Reply, reply_id)
    if reply is None or reply.state != "proposed":
        raise Refused("There is no such draft.")
    case = await guards.seen(turn, reply.case_id, member_id)
    if not may_second(turn, case, reply, member_id):
        raise Refused("Only an approver may say yes to a colleague's reply.")
    text = clean(text)
    if text == reply.text and revision == reply.revision:
        return reply
    await _move(turn, reply, "proposed", revision, text=text, revision=revision + 1)
    await _keep_version(turn, reply, member_id)
    turn.note(case, "amended", member_id, reply=str(reply.id))
    return reply


async def send_back(turn: Turn, reply_id: int, member_id: int, why: str = "") -> Reply:
    """An approver says no: it is a draft of its author's again, with the reason."""
    reply = await turn.session.get(Reply, reply_id)
    if reply is None or reply.state != "proposed":
        raise Refused("There is no such draft.")
    case = await guards.seen(turn, reply.case_id, member_id)
    if not may_second(turn, case, reply, member_id):
        raise Refused("Only an approver may send back a colleague's reply.")
    await _move(turn, reply, "proposed", reply.revision, state="draft")
    if case.state == "claimed":
        case.claim_until = guards.lease(turn, case)
    turn.note(case, "sent back", member_id, clean(why, MAX_NOTE))
    return reply


async def proposal(turn: Turn, case_id: int) -> Reply | None:
    """The reply of a case that waits for another's yes."""
    return await turn.session.scalar(select(Reply).where(Reply.case_id == case_id, Reply.state == "proposed").limit(1))


def _approved(turn: Turn, member_id: int) -> dict[str, Any]:
    return {"approved_by": member_id, "approved_at": turn.now, "due_at": turn.now + UNDO, "error": None}


async def _move(turn: Turn, reply: Reply, old: str, seen: int, **values: Any) -> None:
    """Changes a reply only if it is still in the state and the revision that was shown."""
    moved = await turn.session.execute(
        update(Reply)
        .where(Reply.id == reply.id, Reply.state == old, Reply.revision == seen)
        .values(**values)
        .execution_options(synchronize_session="fetch")
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise Refused(CHANGED)
    if old == "proposed" and "state" in values:
        await alerts.decided(turn, reply)


async def _keep_version(turn: Turn, reply: Reply, member_id: int) -> None:
    known = await turn.session.get(ReplyVersion, (reply.id, reply.revision))
    if known is None:
        turn.session.add(
            ReplyVersion(reply_id=reply.id, revision=reply.revision, member_id=member_id, text=reply.text, at=turn.now)
        )


async def _fit_to_publish(turn: Turn, case: Case, reply: Reply) -> None:
    """Raises Refused for what may not go out, whoever says yes."""
    if not reply.connection:
        raise Refused(
            "Ascolto cannot answer on {platform} for this brand: copy the reply and open the post.",
            platform=reply.platform,
        )
    author = await turn.session.get_one(Author, case.author_id)
    for finding in turn.checker.check(await to_check(turn, case, author, reply.text, reply.connection)):
        if finding.stops:
            raise Refused(finding.message, **finding.values)


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
    """Takes an approved or a proposed reply back to draft, as long as it is not on its way."""
    reply = await turn.session.get(Reply, reply_id)
    if reply is None:
        raise Refused("There is no such reply.")
    case = await guards.seen(turn, reply.case_id, member_id)
    if reply.state == "proposed":
        await guards.still_mine(turn, case, member_id)
        await _move(turn, reply, "proposed", reply.revision, state="draft")
        turn.note(case, "undone", member_id)
        return reply
    taken_back = await turn.session.execute(
        update(Reply)
        .where(Reply.id == reply_id, Reply.state == "approved")
        .values(state="draft", approved_by=None, approved_at=None, due_at=None)
        .execution_options(synchronize_session="fetch")
    )
    if taken_back.rowcount != 1:  # type: ignore[attr-defined]
        raise Refused("It has been sent already. It can only be deleted on the platform now.")
    await turn.session.execute(delete(Approval).where(Approval.reply_id == reply_id))
    await guards.swap(turn, case, "undo")
    case.claim_until = guards.lease(turn, case)
    turn.note(case, "undone", member_id)
    return reply


async def answered_by_hand(turn: Turn, case_id: int, member_id: int, url: str = "") -> Case:
    """The member copied the draft and said it on the platform; what was said is kept as published by them."""
    case = await guards.mine(turn, case_id, member_id)
    reply = await turn.session.scalar(
        select(Reply).where(
            Reply.case_id == case_id, Reply.author_id == member_id, Reply.state.in_(("draft", "proposed"))
        )
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
    """A member has looked at the platform for a reply of unknown fate: it is there, or it is sent again. One that was refused
    there may be tried again, with as many a yes as are wanted now."""
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
    newest = select(func.max(Reply.id)).where(Reply.case_id == case.id, Reply.text != "")
    if reply.id != await turn.session.scalar(newest):
        raise Refused("There is a newer reply to this case.")
    if reply.state == "failed":
        await guards.still_mine(turn, case, member_id)
        reply.state, reply.error, reply.tries = "draft", None, 0
        await turn.session.flush()
        return await approve(turn, reply.id, reply.revision, member_id)
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
