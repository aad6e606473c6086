"""Approving replies: the only way to the public.

A draft is approved in the revision that was shown. Where the queue requires more approvals, its author's approval only
proposes it: as many approvers as the queue requires must approve the same text; they may edit it first, and both versions are
kept. Who may approve is in triage/permissions.py.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, select

from models.errors import Refused
from models.tables.case import Case
from models.tables.mention import Author, MentionBrand
from models.tables.reply import Approval, Reply, ReplyVersion
from models.text import clean
from publishing.checks import Draft, Finding
from publishing.context import ReplyContext
from publishing.replies import NO_DRAFT, TEXT_CHANGED, change_shown, record_published
from publishing.undo import UNDO_WINDOW
from triage import alerts
from triage.case_actions import MAX_NOTE
from triage.context import Context
from triage.permissions import (
    assert_claim,
    can_approve,
    eligible_approvers,
    get_visible_case,
    require_approver,
    require_claim,
    required_approvals,
)
from triage.transitions import claim_expiry, transition


async def approve(context: ReplyContext, reply_id: int, revision: int, member_id: int) -> Reply:
    """The member approves exactly this revision.

    The reply is then approved or, where its queue requires more approvals, proposed.
    """
    reply = await context.session.get(Reply, reply_id)
    if reply is None:
        raise Refused(NO_DRAFT)
    if reply.state == "proposed":
        return await _approve_proposed(context, reply, revision, member_id)
    case = await require_claim(context, reply.case_id, member_id)
    await _require_publishable(context, case, reply)
    if required_approvals(context, case) == 0:
        await change_shown(context, reply, "draft", revision, state="approved", **_approval(context, member_id))
        await _record_approved(context, case, reply, member_id)
        return reply
    await change_shown(context, reply, "draft", revision, state="proposed", error=None)
    await _keep_version(context, reply, member_id)
    context.record_event(case, "approval requested", member_id, reply=reply.id)
    if can_approve(context, case, reply, member_id):  # a colleague's draft that an approver took over
        return await _approve_proposed(context, reply, revision, member_id)
    approvers = eligible_approvers(context, case).items()
    others = [member.slug for number, member in approvers if number not in (member_id, reply.author_id)]
    await alerts.raise_approval(context, case, reply, others)
    return reply


async def _approve_proposed(context: ReplyContext, reply: Reply, revision: int, member_id: int) -> Reply:
    """Another member approves a proposed reply; the last required approval makes it approved."""
    case = await get_visible_case(context, reply.case_id, member_id)
    require_approver(context, case, reply, member_id)
    if reply.revision != revision:
        raise Refused(TEXT_CHANGED)
    await _require_publishable(context, case, reply)
    approvers = set(
        await context.session.scalars(
            select(Approval.member_id).where(Approval.reply_id == reply.id, Approval.revision == revision)
        )
    )
    if member_id not in approvers:
        context.session.add(Approval(reply_id=reply.id, revision=revision, member_id=member_id, at=context.now))
        context.record_event(case, "approval given", member_id, reply=reply.id)
    if len(approvers | {member_id}) < required_approvals(context, case):
        return reply
    await change_shown(context, reply, "proposed", revision, state="approved", **_approval(context, member_id))
    if case.state in ("waiting", "snoozed"):
        await transition(context, case, "claim")
        case.claimed_by, case.snoozed_until = reply.author_id, None
    await _record_approved(context, case, reply, member_id)
    return reply


async def _record_approved(context: Context, case: Case, reply: Reply, member_id: int) -> None:
    await transition(context, case, "approve")
    case.topics = (*case.topics, *added_topics(context, case, reply))
    context.record_event(case, "approved", member_id, reply=reply.id)


def added_topics(context: Context, case: Case, reply: Reply) -> tuple[str, ...]:
    """The topics that the saved reply it started from adds to the case."""
    key = (context.brand(case).slug, reply.suggestion_code)
    saved = next((s for _, s in context.configuration.saved_replies if (s.brand, s.code) == key), None)
    return tuple(topic for topic in (saved.adds_topics if saved else ()) if topic not in case.topics)


async def remaining_approvals(context: Context, reply: Reply) -> int:
    """How many approvals a proposed reply still needs."""
    case = await context.session.get_one(Case, reply.case_id)
    given = select(func.count()).where(Approval.reply_id == reply.id, Approval.revision == reply.revision)
    return max(required_approvals(context, case) - (await context.session.scalar(given) or 0), 0)


async def amend(context: Context, reply_id: int, revision: int, member_id: int, text: str) -> Reply:
    """An approver edits a proposed reply before approving it; its author's version is kept."""
    reply, case = await _proposed(context, reply_id, member_id)
    text = clean(text)
    if text == reply.text and revision == reply.revision:
        return reply
    await change_shown(context, reply, "proposed", revision, text=text, revision=revision + 1)
    await _keep_version(context, reply, member_id)
    context.record_event(case, "amended", member_id, reply=reply.id)
    return reply


async def send_back(context: Context, reply_id: int, member_id: int, reason: str = "") -> Reply:
    """An approver rejects a reply: it is its author's draft again, with the reason."""
    reply, case = await _proposed(context, reply_id, member_id)
    await change_shown(context, reply, "proposed", reply.revision, state="draft")
    if case.state == "claimed":
        case.claim_until = claim_expiry(context, case)
    context.record_event(case, "sent back", member_id, clean(reason, MAX_NOTE))
    return reply


async def _proposed(context: Context, reply_id: int, member_id: int) -> tuple[Reply, Case]:
    reply = await context.session.get(Reply, reply_id)
    if reply is None or reply.state != "proposed":
        raise Refused(NO_DRAFT)
    case = await get_visible_case(context, reply.case_id, member_id)
    require_approver(context, case, reply, member_id)
    return reply, case


async def mark_published(context: Context, reply_id: int, member_id: int) -> Reply:
    """A member has checked the platform for a reply of unknown fate: it is there."""
    reply, case = await _unresolved(context, reply_id, member_id)
    if reply.state != "unknown":
        raise Refused("The platform rejected this reply.")
    reply.state, reply.published_at, reply.error = "published", context.now, None
    await record_published(context, case, reply)
    return reply


async def publish_again(context: ReplyContext, reply_id: int, member_id: int) -> Reply:
    """Publishes a failed reply again, or one of unknown fate that a member did not find on the platform.

    A failed one needs as many approvals as its queue requires now.
    """
    reply, case = await _unresolved(context, reply_id, member_id)
    newest = select(func.max(Reply.id)).where(Reply.case_id == case.id, Reply.text != "")
    if reply.id != await context.session.scalar(newest):
        raise Refused("There is a newer reply to this case.")
    if reply.state == "failed":
        await assert_claim(context, case, member_id)
        reply.state, reply.error, reply.tries = "draft", None, 0
        await context.session.flush()
        return await approve(context, reply.id, reply.revision, member_id)
    reply.state, reply.error, reply.tries = "approved", None, 0
    reply.approved_by, reply.approved_at, reply.due_at = member_id, context.now, context.now + UNDO_WINDOW
    context.record_event(case, "approved", member_id, reply=reply.id)
    return reply


async def _unresolved(context: Context, reply_id: int, member_id: int) -> tuple[Reply, Case]:
    reply = await context.session.get(Reply, reply_id)
    if reply is None:
        raise Refused(NO_DRAFT)
    case = await get_visible_case(context, reply.case_id, member_id)
    if reply.state not in ("unknown", "failed"):
        raise Refused("This reply has already been resolved.")
    return reply, case


def _approval(context: Context, member_id: int) -> dict[str, Any]:
    return {
        "approved_by": member_id,
        "approved_at": context.now,
        "due_at": context.now + UNDO_WINDOW,
        "error": None,
    }


async def _keep_version(context: Context, reply: Reply, member_id: int) -> None:
    if await context.session.get(ReplyVersion, (reply.id, reply.revision)) is None:
        context.session.add(
            ReplyVersion(
                reply_id=reply.id, revision=reply.revision, member_id=member_id, text=reply.text, at=context.now
            )
        )


async def _require_publishable(context: ReplyContext, case: Case, reply: Reply) -> None:
    """Refused for what may not be published, whoever approves it."""
    if not reply.connection:
        raise Refused(
            "Ascolto cannot publish on {platform} for this brand: copy the reply and open the post.",
            platform=reply.platform,
        )
    for finding in await check_reply(context, case, reply):
        if finding.blocks:
            raise Refused(finding.message, **finding.values)


async def check_reply(context: ReplyContext, case: Case, reply: Reply) -> list[Finding]:
    """What the checks find in a reply, blocking findings first."""
    author = await context.session.get_one(Author, case.author_id)
    return await check_text(context, case, author, reply.text, reply.connection)


async def check_text(context: ReplyContext, case: Case, author: Author, text: str, connection: str) -> list[Finding]:
    addressed = select(MentionBrand.mention_id).where(
        MentionBrand.case_id == case.id, MentionBrand.matched_by == "addressed"
    )
    draft = Draft(
        text=text,
        language=case.language,
        brand=context.brand(case),
        connection=connection,
        author=author.handle,
        complaint=case.intent in ("complaint", "crisis"),
        addresses_us=await context.session.scalar(addressed.limit(1)) is not None,
    )
    return context.checker.check(draft)


def unseen(findings: Iterable[Finding], seen: Iterable[str]) -> set[str]:
    """The kinds of findings that a member has not been shown."""
    return {finding.kind for finding in findings} - set(seen)
