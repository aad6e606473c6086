"""Everything a member can do with a case, whatever desk it was done on; what is said in public stands in replying.py.

Each action is one turn: who may do it is checked here, the state is swapped only if it is still what the member saw, what
happened is written down, and the case's revision counts up so that every desk draws it again. What cannot be done raises
Refused with a sentence to show.
"""

import re
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from models.case import Case
from models.errors import Refused
from models.mention import Author, AuthorMute, Mention, MentionBrand, Sentiment
from models.text import clean, fold
from triage import alerts, cards, cases, cues, guards
from triage.calling import absence, next_call
from triage.guards import CLAIM_MINUTES
from triage.matching import BY_HAND
from triage.turn import Turn
from triage.wording import IN_PERSON

MAX_NOTE: Final = 4_000


async def claim(turn: Turn, case_id: int, member_id: int) -> Case:
    """Takes a case for a while; claiming one's own again renews the claim."""
    case = await guards.seen(turn, case_id, member_id)
    if case.state == "claimed" and case.claimed_by == member_id:
        case.claim_until = guards.lease(turn, case)
        return case
    if case.state == "claimed":
        raise await guards.taken(turn, case)
    await guards.swap(turn, case, "claim")
    case.claimed_by, case.claim_until, case.snoozed_until = member_id, guards.lease(turn, case), None
    turn.note(case, "claimed", member_id)
    return case


async def release(turn: Turn, case_id: int, member_id: int) -> Case:
    case = await guards.mine(turn, case_id, member_id)
    await guards.shelve(turn, case)
    await guards.swap(turn, case, "release")
    case.claimed_by = case.claim_until = None
    turn.note(case, "released", member_id)
    return case


async def assign(turn: Turn, case_id: int, member_id: int, to: str, note: str = "") -> Case:
    """Gives a case to a colleague by slug; one that somebody else has claimed only a lead may move."""
    case = await guards.seen(turn, case_id, member_id)
    found = turn.catalogue.members.named(to)
    if found is None or found[1].archived:
        raise Refused("There is no member {member}.", member=to)
    gone = absence(found[1], turn.now)
    if gone is not None:
        raise Refused("{member} is away until {day}.", member=found[1].name, day=gone.last.isoformat())
    if not found[1].sees(turn.brand(case).slug):
        raise Refused("{member} does not see {brand}.", member=found[1].name, brand=turn.brand(case).name)
    if case.claimed_by not in (None, member_id) and not guards.member_of(turn, member_id).at_least("lead"):
        raise Refused("Only a lead may move a case that a colleague has claimed.")
    await guards.shelve(turn, case)
    await guards.swap(turn, case, "assign")
    case.claimed_by, case.claim_until, case.snoozed_until = found[0], guards.lease(turn, case), None
    turn.note(case, "assigned", member_id, clean(note, MAX_NOTE), to=to)
    return case


async def snooze(turn: Turn, case_id: int, member_id: int, until: datetime) -> Case:
    case = await guards.free_or_mine(turn, case_id, member_id)
    if until <= turn.now:
        raise Refused("That time has passed already.")
    if until > turn.now + timedelta(days=30):
        raise Refused("A case can sleep for thirty days at most.")
    await guards.shelve(turn, case)
    await guards.swap(turn, case, "snooze")
    case.snoozed_until, case.claimed_by, case.claim_until = until, None, None
    turn.note(case, "snoozed", member_id, until=until.isoformat())
    return case


async def dismiss(turn: Turn, case_id: int, member_id: int, reason: str) -> Case:
    """No answer here, with the reason; what is answered in person is handed to who does that."""
    case = await guards.free_or_mine(turn, case_id, member_id)
    reason = clean(reason, MAX_NOTE)
    if not reason:
        raise Refused("Say why, in a word or two.")
    await guards.swap(turn, case, "dismiss")
    await guards.end(turn, case, reason)
    turn.note(case, "dismissed", member_id, reason)
    if reason == IN_PERSON:
        await cards.place(turn, "handed", case.id, turn.queue(case))
    return case


async def reopen(turn: Turn, case_id: int, member_id: int) -> Case:
    """Takes back a dismissal, or goes on with an answered case."""
    case = await guards.seen(turn, case_id, member_id)
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
    await guards.swap(turn, case, "reopen")
    case.ended_at = case.ended_reason = case.claimed_by = case.claim_until = None
    case.level = 0
    case.step_due = turn.now + timedelta(minutes=CLAIM_MINUTES)
    turn.note(case, "reopened", member_id)
    await cards.place_case(turn, case)
    return case


async def escalate(turn: Turn, case_id: int, member_id: int, reason: str = "") -> Case:
    """Calls the next of the queue's chain, because a member asks."""
    case = await guards.seen(turn, case_id, member_id)
    if case.ended_at is not None:
        raise Refused("This case has ended.")
    call = next_call(turn, case)
    case.level += call.steps
    reason = clean(reason, MAX_NOTE)
    turn.note(case, "escalated", member_id, reason, **call.detail(case.level))
    await alerts.escalated(turn, case, reason, call.slugs)
    return case


async def note(turn: Turn, case_id: int, member_id: int, text: str) -> Case:
    """Words among us. No code path leads from a note to a voice."""
    case = await guards.seen(turn, case_id, member_id)
    text = clean(text, MAX_NOTE)
    if not text:
        raise Refused("The note is empty.")
    turn.note(case, "noted", member_id, text)
    called = _named_in(turn, case, text)
    if called:
        await alerts.noted(turn, case, member_id, text, called)
    return case


def _named_in(turn: Turn, case: Case, text: str) -> list[str]:
    """The slugs of the members whom a note names, `@ana`, by slug or first name."""
    named = {fold(word) for word in re.findall(r"(?<!\w)@([\w-]+)", text)}
    brand = turn.brand(case).slug
    return [
        m.slug
        for _, m in turn.catalogue.members
        if not m.archived and m.sees(brand) and named & {m.slug, fold(m.name.split()[0])}
    ]


async def correct(
    turn: Turn, case_id: int, member_id: int, sentiment: Sentiment, mention_id: int | None = None
) -> Case:
    """The reader was wrong: what the member says counts, and is kept to learn from."""
    case = await guards.seen(turn, case_id, member_id)
    wanted = select(MentionBrand).where(MentionBrand.case_id == case_id)
    if mention_id is not None:
        wanted = wanted.where(MentionBrand.mention_id == mention_id)
    read = await turn.session.scalar(wanted.order_by(MentionBrand.mention_id.desc()).limit(1))
    if read is None:
        raise Refused("There is no such mention in this case.")
    before = read.felt
    read.corrected, read.corrected_by = sentiment, member_id
    mention = await turn.session.get_one(Mention, read.mention_id)
    read.intent = cues.intent(mention.text, cues.found(mention.text), sentiment, read.intent or "")
    case.sentiment, case.intent = sentiment, read.intent
    await cases.weigh(turn, case)
    turn.note(case, "corrected", member_id, was=before or "", now=sentiment)
    return case


async def mute(turn: Turn, case_id: int, member_id: int, *, muted: bool = True) -> Case:
    """From now on this author opens no cases for this brand; what they write is still stored and counted."""
    case = await guards.seen(turn, case_id, member_id)
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
    member = guards.member_of(turn, member_id)
    if not member.sees(turn.catalogue.brands[brand_id].slug):
        raise Refused("You do not see this brand.")
    read = await turn.session.get(MentionBrand, (mention_id, brand_id))
    mention = await turn.session.get(Mention, mention_id)
    if mention is None:
        raise Refused("This mention is not known for this brand.")
    if read is None:
        heard = await turn.session.scalars(select(MentionBrand.brand_id).where(MentionBrand.mention_id == mention_id))
        if not any(member.sees(turn.catalogue.brands[number].slug) for number in heard):
            raise Refused("This mention is not known for this brand.")
        read = MentionBrand(
            mention_id=mention_id, brand_id=brand_id, query=BY_HAND, why=member.name, live=True, topics=()
        )
        turn.session.add(read)
    if read.case_id is not None:
        return await guards.seen(turn, read.case_id, member_id)
    intake = await cases.Intake.of(turn, [mention.author_id])
    author = await turn.session.get_one(Author, mention.author_id)
    return await cases.open_case(turn, intake, mention, author, read, member_id)
