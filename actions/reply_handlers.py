"""Handlers of actions on replies."""

from collections.abc import Sequence
from contextlib import suppress

from actions.forms import AnsweredForm, BulkReplyForm, DraftForm, NoForm, ReasonForm, SuggestionForm
from actions.spec import OUTDATED, ActionRequest
from cards.outcome import Choice, Outcome, preview_of
from languages import mark
from models.errors import Refused
from models.tables.case import Case
from models.tables.mention import Author
from models.tables.reply import Reply, ReplyState
from models.text import safe_url
from publishing import approvals, bulk_reply, replies
from publishing import undo as undoing
from publishing.bulk_reply import GroupMember
from publishing.suggestions import Suggestion, suggest
from triage import case_actions
from triage.permissions import can_approve, get_visible_case

READABLE = 2_800
"""Characters that every chat shows whole in one message."""
APPROVED = mark("Approved. It will be published in ten seconds; until then you can undo.")
NO_PROPOSAL = mark("No reply is waiting for approval here.")


async def edit(request: ActionRequest, _form: NoForm) -> Outcome:
    """Opens the editor: on a reply the member may approve, on their own draft, on the best suggestion, else empty."""
    proposal = await _approvable_proposal(request)
    if proposal is not None:
        return Outcome(editor=proposal.text, case=request.case)
    case = await case_actions.claim(request.context, request.case_id, request.member_id)
    draft = await replies.own_unpublished(request.context, case.id, request.member_id)
    if draft is not None and draft.state == "draft":
        return Outcome(editor=draft.text, case=case.id)
    suggestions = await _suggestions(request, case)
    return Outcome(editor=suggestions[0].text if suggestions else "", case=case.id)


async def suggestions(request: ActionRequest, form: SuggestionForm) -> Outcome:
    """Without a code, the suggestions; with one, a draft of it to review."""
    case = await case_actions.claim(request.context, request.case_id, request.member_id)
    offered = await _suggestions(request, case)
    if not offered:
        return request.done(mark("There is no suggestion for this case. Press Reply to write one."))
    if not form.code:
        return Outcome(suggestions=tuple(offered), case=case.id)
    chosen = next((suggestion for suggestion in offered if suggestion.code == form.code), None)
    if chosen is None:
        raise Refused(mark("This suggestion no longer fits."))
    reply = await replies.save_draft(request.context, case.id, request.member_id, chosen.text, chosen.code)
    return await _preview(request, reply)


async def _suggestions(request: ActionRequest, case: Case) -> list[Suggestion]:
    author = await request.context.session.get_one(Author, case.author_id)
    return await suggest(request.context, case, author)


async def _approvable_proposal(request: ActionRequest) -> Reply | None:
    """A colleague's reply that this member may approve."""
    reply = await replies.proposal_of(request.context, request.case_id)
    case = await request.context.session.get(Case, request.case_id)
    if reply is None or case is None or not can_approve(request.context, case, reply, request.member_id):
        return None
    return reply


async def draft(request: ActionRequest, form: DraftForm) -> Outcome:
    """Saves what was written: as the member's draft, or as an edit of the reply they may approve. Shows it for review."""
    proposal = await _approvable_proposal(request)
    if proposal is not None:
        reply = await approvals.amend(request.context, proposal.id, proposal.revision, request.member_id, form.text)
    else:
        reply = await replies.save_draft(
            request.context, request.case_id, request.member_id, form.text, form.suggestion
        )
    return await _preview(request, reply)


async def _preview(request: ActionRequest, reply: Reply) -> Outcome:
    return Outcome(preview=await preview_of(request.context, reply, request.member_id), case=reply.case_id)


async def approve(request: ActionRequest, _form: NoForm) -> Outcome:
    """Approves the revision that was shown. Where others say the same, offers them the same answer."""
    if request.reply is None or request.revision is None:
        raise Refused(OUTDATED)
    reply = await approvals.approve(request.context, request.reply, request.revision, request.member_id)
    if reply.state == "proposed":
        count = await approvals.remaining_approvals(request.context, reply)
        message = request.t.count("{n} more approval needed.", "{n} more approvals needed.", count)
    else:
        message = request.t(APPROVED)
    others = await _publishable(request, reply.case_id)
    label = request.t.count("Same answer to {n} more", "Same answer to {n} more", len(others))
    same = (Choice(label=label, verb="bulk_reply", text=""),)
    return Outcome(message=message, choices=same if others else (), case=reply.case_id)


async def _publishable(request: ActionRequest, case_id: int) -> list[GroupMember]:
    members = await bulk_reply.unanswered(request.context, case_id, request.member_id)
    return [member for member in members if member.publishable]


async def bulk(request: ActionRequest, form: BulkReplyForm) -> Outcome:
    """First every text is shown: one in full, and the names that replace its author's in the others. Then all are approved."""
    members = await _publishable(request, request.case_id)
    while members and len(_summary(request, members)) > READABLE:
        members.pop()
    if not members:
        raise Refused(mark("No other case of this group is waiting for an answer."))
    fingerprint = bulk_reply.fingerprint(members)
    if form.seen != fingerprint:
        label = request.t.count("✅ Approve {n} reply", "✅ Approve {n} replies", len(members))
        choice = Choice(label=label, verb="bulk_reply", text=fingerprint)
        return Outcome(message=_summary(request, members), choices=(choice,), case=request.case)
    approved = 0
    for member in members:
        with suppress(Refused):  # somebody was first, or the post is gone: the others are answered all the same
            async with request.context.session.begin_nested():
                await bulk_reply.answer(request.context, member.case, request.member_id, member.text)
            approved += 1
    return request.done(mark("{count} of {all} approved."), count=approved, all=len(members))


def _summary(request: ActionRequest, members: Sequence[GroupMember]) -> str:
    first, *rest = members
    head = mark("This will be sent to {count} authors, with each name filled in:")
    lines = [request.t(head, count=len(members)), first.text]
    if rest:
        names = ", ".join(f"@{member.author}" for member in rest)
        lines.append(request.t(mark("Instead of {name}: {names}"), name=f"@{first.author}", names=names))
    return "\n\n".join(lines)


async def review(request: ActionRequest, _form: NoForm) -> Outcome:
    """Shows a proposed reply as it would be published."""
    await get_visible_case(request.context, request.case_id, request.member_id)
    return await _preview(request, await _proposal(request))


async def send_back(request: ActionRequest, form: ReasonForm) -> Outcome:
    reply = request.reply or (await _proposal(request)).id
    await approvals.send_back(request.context, reply, request.member_id, form.reason)
    return request.done(mark("Sent back"))


async def _proposal(request: ActionRequest) -> Reply:
    reply = await replies.proposal_of(request.context, request.case_id)
    if reply is None:
        raise Refused(NO_PROPOSAL)
    return reply


async def undo(request: ActionRequest, _form: NoForm) -> Outcome:
    reply = await _reply_id(request, ("proposed", "approved", "sending"), undoing.ALREADY_SENT)
    await undoing.undo(request.context, reply, request.member_id)
    return request.done(mark("Undone: the reply is a draft again"))


async def retry(request: ActionRequest, _form: NoForm) -> Outcome:
    """Publishes a failed reply again, or one that a member did not find on the platform."""
    reply = await _reply_id(request, ("unknown", "failed"), mark("This reply has already been resolved."))
    await approvals.publish_again(request.context, reply, request.member_id)
    return request.done(mark("Publishing again in ten seconds"))


async def mark_published(request: ActionRequest, _form: NoForm) -> Outcome:
    reply = await _reply_id(request, ("unknown", "failed"), mark("This reply has already been resolved."))
    await approvals.mark_published(request.context, reply, request.member_id)
    return request.done(mark("Marked as published"))


async def mark_answered(request: ActionRequest, form: AnsweredForm) -> Outcome:
    """The member answered on the platform; of a reply of unknown fate, that it is there."""
    case = await get_visible_case(request.context, request.case_id, request.member_id)
    if case.state == "publishing":
        return await mark_published(request, NoForm())
    if form.text.strip():
        await replies.save_draft(request.context, case.id, request.member_id, form.text)
    await replies.mark_answered(request.context, case.id, request.member_id, safe_url(form.url))
    return request.done(mark("Marked as answered"))


async def _reply_id(request: ActionRequest, states: tuple[ReplyState, ...], otherwise: str) -> int:
    """The reply the action names, else the newest of the case in one of the states."""
    if request.reply is not None:
        return request.reply
    await get_visible_case(request.context, request.case_id, request.member_id)
    reply = await replies.latest_reply(request.context, request.case_id, states)
    if reply is None:
        raise Refused(otherwise)
    return reply.id
