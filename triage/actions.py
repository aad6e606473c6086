"""Everything a member can do, whatever desk it was done on.

Each action is one turn: who may do it is checked here, the state is swapped only if it is still what the member saw, what
happened is written down, and the case's revision counts up so that every desk draws it again. What cannot be done raises
Refused with a sentence to show.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.case import Case, CaseEvent, Reply
from models.catalogue import EVERYONE, Member
from models.errors import Refused
from models.mention import Author, AuthorMute, Mention, MentionBrand, Sentiment
from models.text import clean
from triage import alerts, cards, cases
from triage.checks import Draft
from triage.life import Move, after
from triage.matching import BY_HAND, TO_US
from triage.turn import Turn

UNDO: Final = timedelta(seconds=10)
"""Approved means due after this; until then it can be taken back."""
CLAIM_MINUTES: Final = 30
"""Of cases that wait in no queue."""
MAX_NOTE: Final = 4_000


async def claim(turn: Turn, case_id: int, member_id: int) -> Case:
    """Takes a case for a while; claiming one's own again renews the claim."""
    case = await _seen(turn, case_id, member_id)
    if case.state == "claimed" and case.claimed_by == member_id:
        case.claim_until = _lease(turn, case)
        return case
    if case.state == "claimed":
        raise await taken(turn, case)
    await _swap(turn, case, "claim")
    case.claimed_by, case.claim_until, case.snoozed_until = member_id, _lease(turn, case), None
    turn.note(case, "claimed", member_id)
    return case


async def release(turn: Turn, case_id: int, member_id: int) -> Case:
    case = await _mine(turn, case_id, member_id)
    await _swap(turn, case, "release")
    case.claimed_by = case.claim_until = None
    turn.note(case, "released", member_id)
    return case


async def assign(turn: Turn, case_id: int, member_id: int, to: str, note: str = "") -> Case:
    """Gives a case to a colleague by slug; one that somebody else has claimed only a lead may move."""
    case = await _seen(turn, case_id, member_id)
    found = turn.catalogue.members.named(to)
    if found is None or found[1].archived:
        raise Refused("There is no member {member}.", member=to)
    if not found[1].sees(turn.brand(case).slug):
        raise Refused("{member} does not see {brand}.", member=found[1].name, brand=turn.brand(case).name)
    if case.claimed_by not in (None, member_id) and not _member(turn, member_id).at_least("lead"):
        raise Refused("Only a lead may move a case that a colleague has claimed.")
    await _swap(turn, case, "assign")
    case.claimed_by, case.claim_until, case.snoozed_until = found[0], _lease(turn, case), None
    turn.note(case, "assigned", member_id, clean(note, MAX_NOTE), to=to)
    return case


async def snooze(turn: Turn, case_id: int, member_id: int, until: datetime) -> Case:
    case = await _free_or_mine(turn, case_id, member_id)
    if until <= turn.now:
        raise Refused("That time has passed already.")
    if until > turn.now + timedelta(days=30):
        raise Refused("A case can sleep for thirty days at most.")
    await _swap(turn, case, "snooze")
    case.snoozed_until, case.claimed_by, case.claim_until = until, None, None
    turn.note(case, "snoozed", member_id, until=until.isoformat())
    return case


async def dismiss(turn: Turn, case_id: int, member_id: int, reason: str) -> Case:
    """Not worth an answer, with the reason."""
    case = await _free_or_mine(turn, case_id, member_id)
    reason = clean(reason, MAX_NOTE)
    if not reason:
        raise Refused("Say why, in a word or two.")
    await _swap(turn, case, "dismiss")
    await _end(turn, case, reason)
    turn.note(case, "dismissed", member_id, reason)
    return case


async def reopen(turn: Turn, case_id: int, member_id: int) -> Case:
    """Takes back a dismissal, or goes on with an answered case."""
    case = await _seen(turn, case_id, member_id)
    other = await turn.session.scalar(
        select(Case.id).where(
            Case.brand_id == case.brand_id,
            Case.author_id == case.author_id,
            Case.thread == case.thread,
            Case.id > case.id,
        )
    )
    if other is not None:
        raise Refused("Case {case} goes on with this conversation already.", case=other)
    await _swap(turn, case, "reopen")
    case.ended_at = case.ended_reason = case.claimed_by = case.claim_until = None
    case.level = 0
    case.step_due = turn.now + timedelta(minutes=CLAIM_MINUTES)
    turn.note(case, "reopened", member_id)
    await cards.place_case(turn, case)
    return case


async def escalate(turn: Turn, case_id: int, member_id: int, reason: str = "") -> Case:
    """Calls the next of the queue's chain, because a member asks."""
    case = await _seen(turn, case_id, member_id)
    if case.ended_at is not None:
        raise Refused("This case has ended.")
    called = next_called(turn, case)
    case.level += 1
    reason = clean(reason, MAX_NOTE)
    turn.note(case, "escalated", member_id, reason, called=",".join(called), level=str(case.level))
    await alerts.escalated(turn, case, reason, called)
    return case


def next_called(turn: Turn, case: Case) -> tuple[str, ...]:
    """The slugs of those whose turn is next in the chain; past its end, and without one, everyone of the team."""
    queue = turn.queue(case)
    if queue is None:
        return ()
    step = queue.chain[case.level] if case.level < len(queue.chain) else EVERYONE
    return queue.team if step == EVERYONE else (step,)


async def note(turn: Turn, case_id: int, member_id: int, text: str) -> Case:
    """Words among us. No code path leads from a note to a voice."""
    case = await _seen(turn, case_id, member_id)
    text = clean(text, MAX_NOTE)
    if not text:
        raise Refused("The note is empty.")
    turn.note(case, "noted", member_id, text)
    return case


async def draft(
    turn: Turn, case_id: int, member_id: int, text: str, suggestion: str | None = None, mention_id: int | None = None
) -> Reply:
    """Keeps what a member types, and the claim with it; each change of the text is a new revision."""
    case = await _free_or_mine(turn, case_id, member_id)
    if case.state != "claimed":
        case = await claim(turn, case_id, member_id)
    case.claim_until = _lease(turn, case)
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
    case = await _mine(turn, reply.case_id, member_id)
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
    await _swap(turn, case, "approve")
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
    case = await _seen(turn, reply.case_id, member_id)
    taken_back = await turn.session.execute(
        update(Reply)
        .where(Reply.id == reply_id, Reply.state == "approved")
        .values(state="draft", approved_by=None, approved_at=None, due_at=None)
        .execution_options(synchronize_session="fetch")
    )
    if taken_back.rowcount != 1:  # type: ignore[attr-defined]
        raise Refused("It has been sent already. It can only be deleted on the platform now.")
    await _swap(turn, case, "undo")
    case.claim_until = _lease(turn, case)
    turn.note(case, "undone", member_id)
    return reply


async def answered_by_hand(turn: Turn, case_id: int, member_id: int, url: str = "") -> Case:
    """The member copied the draft and said it on the platform; what was said is kept as published by them."""
    case = await _mine(turn, case_id, member_id)
    reply = await turn.session.scalar(
        select(Reply).where(Reply.case_id == case_id, Reply.author_id == member_id, Reply.state == "draft")
    )
    if reply is not None:
        reply.state, reply.approved_by, reply.approved_at = "published", member_id, turn.now
        reply.published_at, reply.url = turn.now, clean(url, 2_000) or None
    await _swap(turn, case, "answer")
    case.first_answered_at = case.first_answered_at or turn.now
    await _end(turn, case, None)
    turn.note(case, "copied", member_id, clean(url, 2_000))
    return case


async def settle(turn: Turn, reply_id: int, member_id: int, *, published: bool) -> Reply:
    """A member has looked at the platform for a reply of unknown fate: it is there, or it is sent again."""
    reply = await turn.session.get(Reply, reply_id)
    if reply is None or reply.state not in ("unknown", "failed"):
        raise Refused("This reply is settled already.")
    case = await _seen(turn, reply.case_id, member_id)
    if published:
        if reply.state != "unknown":
            raise Refused("This reply was refused by the platform.")
        reply.state, reply.published_at, reply.error = "published", turn.now, None
        await answered(turn, case, reply)
        return reply
    if reply.state == "failed":
        await _still_mine(turn, case, member_id)
        await _swap(turn, case, "approve")
    reply.state, reply.error, reply.tries = "approved", None, 0
    reply.approved_by, reply.approved_at, reply.due_at = member_id, turn.now, turn.now + UNDO
    turn.note(case, "approved", member_id, reply=str(reply.id))
    return reply


async def answered(turn: Turn, case: Case, reply: Reply) -> None:
    """The case has its answer in public."""
    await _swap(turn, case, "publish")
    case.first_answered_at = case.first_answered_at or turn.now
    await _end(turn, case, None)
    turn.note(case, "published", reply.approved_by, reply.url or "", reply=str(reply.id))


async def found_answered(turn: Turn, case: Case, text: str, url: str) -> None:
    """One of ours answered in the platform's own app."""
    await _swap(turn, case, "answer")
    case.first_answered_at = case.first_answered_at or turn.now
    await _end(turn, case, None)
    turn.note(case, "answered there", None, text, url=url)


async def called_off(turn: Turn, case: Case) -> None:
    """An approved reply will not be said; the case is in the hands of who approved it."""
    await _swap(turn, case, "undo")


async def correct(
    turn: Turn, case_id: int, member_id: int, sentiment: Sentiment, mention_id: int | None = None
) -> Case:
    """The reader was wrong: what the member says counts, and is kept to learn from."""
    case = await _seen(turn, case_id, member_id)
    wanted = select(MentionBrand).where(MentionBrand.case_id == case_id)
    if mention_id is not None:
        wanted = wanted.where(MentionBrand.mention_id == mention_id)
    read = await turn.session.scalar(wanted.order_by(MentionBrand.mention_id.desc()).limit(1))
    if read is None:
        raise Refused("There is no such mention in this case.")
    before = read.felt
    read.corrected, read.corrected_by = sentiment, member_id
    case.sentiment = sentiment
    await cases.weigh(turn, case)
    turn.note(case, "corrected", member_id, was=before or "", now=sentiment)
    return case


async def mute(turn: Turn, case_id: int, member_id: int, *, muted: bool = True) -> Case:
    """From now on this author opens no cases for this brand; what they write is still stored and counted."""
    case = await _seen(turn, case_id, member_id)
    known = await turn.session.get(AuthorMute, (case.brand_id, case.author_id))
    if muted and known is None:
        turn.session.add(
            AuthorMute(brand_id=case.brand_id, author_id=case.author_id, muted_by=member_id, muted_at=turn.now)
        )
    elif not muted and known is not None:
        await turn.session.delete(known)
    turn.note(case, "muted", member_id, on=str(muted).lower())
    return case


async def open_by_hand(turn: Turn, brand_id: int, mention_id: int, member_id: int) -> Case:
    """A case for a mention that opened none by itself; the open one it belongs to, if there is one."""
    member = _member(turn, member_id)
    if not member.sees(turn.catalogue.brands[brand_id].slug):
        raise Refused("You do not see this brand.")
    read = await turn.session.get(MentionBrand, (mention_id, brand_id))
    mention = await turn.session.get(Mention, mention_id)
    if mention is None:
        raise Refused("This mention is not known for this brand.")
    if read is None:
        read = MentionBrand(
            mention_id=mention_id, brand_id=brand_id, query=BY_HAND, why=member.name, live=True, topics=()
        )
        turn.session.add(read)
    if read.case_id is not None:
        return await _seen(turn, read.case_id, member_id)
    intake = await cases.Intake.of(turn, [mention.author_id])
    author = await turn.session.get_one(Author, mention.author_id)
    return await cases.open_case(turn, intake, mention, author, read, member_id)


async def taken(turn: Turn, case: Case) -> Refused:
    """The refusal for who came second."""
    holder = turn.catalogue.members.get(case.claimed_by)
    name = holder.name if holder else "?"
    since = await _last(turn.session, case.id, ("claimed", "assigned"))
    minutes = int((turn.now - since).total_seconds() // 60) if since else 0
    return Refused("{member} has had this case for {minutes} min.", member=name, minutes=minutes)


async def _last(session: AsyncSession, case_id: int, kinds: tuple[str, ...]) -> datetime | None:
    return await session.scalar(
        select(CaseEvent.at)
        .where(CaseEvent.case_id == case_id, CaseEvent.kind.in_(kinds))
        .order_by(CaseEvent.id.desc())
        .limit(1)
    )


def _member(turn: Turn, member_id: int) -> Member:
    member = turn.catalogue.members.get(member_id)
    if member is None or member.archived:
        raise Refused("You are not a member any more. Ask your lead.")
    return member


async def _seen(turn: Turn, case_id: int, member_id: int) -> Case:
    """The case, if there is one and the member may see its brand; the two refusals sound alike on purpose."""
    member = _member(turn, member_id)
    case = await turn.session.get(Case, case_id)
    if case is None or not member.sees(turn.brand(case).slug):
        raise Refused("There is no case {case} that you can see.", case=case_id)
    return case


async def _mine(turn: Turn, case_id: int, member_id: int) -> Case:
    case = await _seen(turn, case_id, member_id)
    await _still_mine(turn, case, member_id)
    return case


async def _still_mine(turn: Turn, case: Case, member_id: int) -> None:
    if case.claimed_by == member_id:
        return
    if case.claimed_by is not None:
        raise await taken(turn, case)
    if case.ended_at is not None:
        raise Refused("This case has ended.")
    raise Refused("Claim the case first: you do not hold it, or your claim has run out.")


async def _free_or_mine(turn: Turn, case_id: int, member_id: int) -> Case:
    case = await _seen(turn, case_id, member_id)
    if case.claimed_by not in (None, member_id):
        raise await taken(turn, case)
    return case


def _lease(turn: Turn, case: Case) -> datetime:
    queue = turn.queue(case)
    return turn.now + timedelta(minutes=queue.claim_minutes if queue else CLAIM_MINUTES)


async def _swap(turn: Turn, case: Case, move: Move) -> None:
    """Moves the case only if it is still in the state that was read: of two who try, one is told who was first."""
    old, new = case.state, after(case.state, move)
    swapped = await turn.session.execute(
        update(Case)
        .where(Case.id == case.id, Case.state == old)
        .values(state=new)
        .execution_options(synchronize_session="fetch")
    )
    if swapped.rowcount != 1:  # type: ignore[attr-defined]
        raise await taken(turn, case)


async def _end(turn: Turn, case: Case, reason: str | None) -> None:
    case.ended_at, case.ended_reason = turn.now, reason
    case.claimed_by = case.claim_until = case.snoozed_until = case.step_due = None
    if case.storm_id is not None:
        await turn.session.flush()
        await cards.place_case(turn, case)
