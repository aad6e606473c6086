"""What a member can do with a case, from whatever desk; replies are in publishing/replies.py.

Each function asks for permission, moves the case only if it is still in the state the member saw, records what happened and
increments the case's revision, so that every card is updated. What cannot be done raises Refused with a sentence to show.
"""

import re
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from analysis import intent_rules
from models.configuration import Member
from models.errors import Refused
from models.tables.case import Case
from models.tables.mention import Author, AuthorMute, Mention, MentionBrand, Sentiment
from models.text import clean, fold
from triage import alerts, card_placement, intake, permissions
from triage.context import Context
from triage.labels import DIRECT_CONTACT
from triage.schedule.escalation import next_notification
from triage.schedule.on_call import absence_of
from triage.transitions import CLAIM_MINUTES, claim_expiry, end_case, transition, withdraw_proposal

MAX_NOTE: Final = 4_000
MAX_SNOOZE: Final = timedelta(days=30)


async def claim(context: Context, case_id: int, member_id: int) -> Case:
    """Assigns a case to the member for a while; claiming it again extends the claim."""
    case = await permissions.get_visible_case(context, case_id, member_id)
    if case.state == "claimed" and case.claimed_by == member_id:
        case.claim_until = claim_expiry(context, case)
        return case
    if case.state == "claimed":
        raise await permissions.already_claimed_error(context, case)
    await transition(context, case, "claim")
    case.claimed_by, case.claim_until, case.snoozed_until = member_id, claim_expiry(context, case), None
    context.record_event(case, "claimed", member_id)
    return case


async def release(context: Context, case_id: int, member_id: int) -> Case:
    case = await permissions.require_claim(context, case_id, member_id)
    await withdraw_proposal(context, case)
    await transition(context, case, "release")
    case.claimed_by = case.claim_until = None
    context.record_event(case, "released", member_id)
    return case


async def assign(context: Context, case_id: int, member_id: int, to: str, note: str = "") -> Case:
    """Assigns a case to a colleague, by slug."""
    case = await permissions.get_visible_case(context, case_id, member_id)
    assignee_id, assignee = _available_member(context, to)
    permissions.require_assignable(context, case, member_id, assignee)
    await withdraw_proposal(context, case)
    await transition(context, case, "assign")
    case.claimed_by, case.claim_until, case.snoozed_until = assignee_id, claim_expiry(context, case), None
    context.record_event(case, "assigned", member_id, clean(note, MAX_NOTE), to=to)
    return case


def _available_member(context: Context, slug: str) -> tuple[int, Member]:
    entry = context.configuration.members.by_slug(slug)
    if entry is None or entry[1].archived:
        raise Refused("There is no member {member}.", member=slug)
    absence = absence_of(entry[1], context.now)
    if absence is not None:
        raise Refused("{member} is away until {day}.", member=entry[1].name, day=absence.last.isoformat())
    return entry


async def snooze(context: Context, case_id: int, member_id: int, until: datetime) -> Case:
    case = await permissions.require_unclaimed_or_own(context, case_id, member_id)
    if until <= context.now:
        raise Refused("Choose a time in the future.")
    if until > context.now + MAX_SNOOZE:
        raise Refused("Cases can be snoozed for up to 30 days.")
    await withdraw_proposal(context, case)
    await transition(context, case, "snooze")
    case.snoozed_until, case.claimed_by, case.claim_until = until, None, None
    context.record_event(case, "snoozed", member_id, until=until)
    return case


async def dismiss(context: Context, case_id: int, member_id: int, reason: str) -> Case:
    """Ends a case without a public answer; one answered by direct contact is handed to whoever does that."""
    case = await permissions.require_unclaimed_or_own(context, case_id, member_id)
    reason = clean(reason, MAX_NOTE)
    if not reason:
        raise Refused("Give a reason.")
    await transition(context, case, "dismiss")
    await end_case(context, case, reason)
    context.record_event(case, "dismissed", member_id, reason)
    if reason == DIRECT_CONTACT:
        await card_placement.place(context, "handover", case.id, context.queue(case))
    return case


async def reopen(context: Context, case_id: int, member_id: int) -> Case:
    case = await permissions.get_visible_case(context, case_id, member_id)
    newer = await context.session.scalar(
        select(Case.id).where(
            Case.brand_id == case.brand_id,
            Case.author_id == case.author_id,
            Case.thread == case.thread,
            Case.id > case.id,
        )
    )
    if newer is not None:
        raise Refused("This conversation continues in case {case}.", case=newer)
    await transition(context, case, "reopen")
    case.ended_at = case.ended_reason = case.claimed_by = case.claim_until = None
    case.escalation_level = 0
    case.next_escalation_at = context.now + timedelta(minutes=CLAIM_MINUTES)
    context.record_event(case, "reopened", member_id)
    await card_placement.place_case(context, case)
    return case


async def escalate(context: Context, case_id: int, member_id: int, reason: str = "") -> Case:
    """Notifies the next of the queue's escalation chain."""
    case = await permissions.get_visible_case(context, case_id, member_id)
    if case.ended_at is not None:
        raise Refused("This case has ended.")
    notification = next_notification(context, case)
    case.escalation_level += notification.steps
    reason = clean(reason, MAX_NOTE)
    context.record_event(case, "escalated", member_id, reason, **notification.detail(case.escalation_level))
    await alerts.raise_escalated(context, case, reason, notification.members)
    return case


async def add_note(context: Context, case_id: int, member_id: int, text: str) -> Case:
    """An internal note. No code path leads from a note to a platform."""
    case = await permissions.get_visible_case(context, case_id, member_id)
    text = clean(text, MAX_NOTE)
    if not text:
        raise Refused("The note is empty.")
    context.record_event(case, "noted", member_id, text)
    mentioned = _mentioned_members(context, case, text)
    if mentioned:
        await alerts.raise_note(context, case, member_id, text, mentioned)
    return case


def _mentioned_members(context: Context, case: Case, text: str) -> list[str]:
    """The slugs of the members a note mentions as @slug or @firstname."""
    names = {fold(word) for word in re.findall(r"(?<!\w)@([\w-]+)", text)}
    brand = context.brand(case).slug
    return [
        member.slug
        for _, member in context.configuration.members
        if not member.archived and member.can_see(brand) and names & {member.slug, fold(member.name.split()[0])}
    ]


async def correct(
    context: Context, case_id: int, member_id: int, sentiment: Sentiment, mention_id: int | None = None
) -> Case:
    """Corrects the sentiment of a mention, the newest by default; the classifier learns from it."""
    case = await permissions.get_visible_case(context, case_id, member_id)
    mentions = select(MentionBrand).where(MentionBrand.case_id == case_id)
    if mention_id is not None:
        mentions = mentions.where(MentionBrand.mention_id == mention_id)
    match = await context.session.scalar(mentions.order_by(MentionBrand.mention_id.desc()).limit(1))
    if match is None:
        raise Refused("There is no such mention in this case.")
    before = match.effective_sentiment
    was_risky = permissions.is_risky(case)
    match.corrected_sentiment, match.corrected_by = sentiment, member_id
    mention = await context.session.get_one(Mention, match.mention_id)
    match.intent = intent_rules.intent(mention.text, sentiment, match.intent or "")
    await intake.apply_correction(context, case, mention, match)
    if was_risky and not permissions.is_risky(case):
        case.risk_lowered_by = member_id
    context.record_event(case, "corrected", member_id, sentiment_before=before or "", sentiment=sentiment)
    return case


async def mute_author(context: Context, case_id: int, member_id: int) -> Case:
    """The author opens no more cases for this brand; mentions are still stored and counted."""
    case = await permissions.get_visible_case(context, case_id, member_id)
    if await context.session.get(AuthorMute, (case.brand_id, case.author_id)) is None:
        context.session.add(
            AuthorMute(brand_id=case.brand_id, author_id=case.author_id, muted_by=member_id, muted_at=context.now)
        )
    context.record_event(case, "author muted", member_id)
    return case


async def unmute_author(context: Context, case_id: int, member_id: int) -> Case:
    case = await permissions.get_visible_case(context, case_id, member_id)
    mute = await context.session.get(AuthorMute, (case.brand_id, case.author_id))
    if mute is not None:
        await context.session.delete(mute)
    context.record_event(case, "author unmuted", member_id)
    return case


async def open_by_hand(context: Context, brand_id: int, mention_id: int, member_id: int) -> Case:
    """A case for a mention that opened none by itself; the case it belongs to already, if there is one."""
    brand = permissions.require_brand(context, brand_id, member_id)
    mention = await context.session.get(Mention, mention_id)
    match = await context.session.get(MentionBrand, (mention_id, brand_id))
    if mention is None or (match is None and not await _is_visible(context, mention_id, member_id)):
        raise Refused("This mention does not exist for {brand}.", brand=brand.name)
    if match is None:
        match = manual_match(mention_id, brand_id, permissions.require_member(context, member_id).name)
        context.session.add(match)
    if match.case_id is not None:
        return await permissions.get_visible_case(context, match.case_id, member_id)
    history = await intake.AuthorHistory.load(context, [mention.author_id])
    author = await context.session.get_one(Author, mention.author_id)
    return await intake.open_case(context, history, mention, author, match, member_id)


def manual_match(mention_id: int, brand_id: int, member: str) -> MentionBrand:
    """A mention concerns a brand because a member says so."""
    return MentionBrand(
        mention_id=mention_id,
        brand_id=brand_id,
        matched_by="member",
        query="",
        matched_words=member,
        live=True,
        topics=(),
    )


async def _is_visible(context: Context, mention_id: int, member_id: int) -> bool:
    """Whether the mention concerns any brand that the member may see."""
    member = permissions.require_member(context, member_id)
    brands = await context.session.scalars(select(MentionBrand.brand_id).where(MentionBrand.mention_id == mention_id))
    return any(member.can_see(context.configuration.brands[number].slug) for number in brands)
