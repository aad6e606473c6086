"""The reply editor: drafts are saved and checked while somebody types, and approved as shown."""

from collections.abc import Sequence

from aiohttp import web

from actions.reply_handlers import APPROVED
from languages import mark
from models.errors import Refused
from models.tables.case import Case
from models.tables.reply import Reply
from publishing import approvals, replies
from publishing.checks import Finding
from publishing.context import ReplyContext
from web.forms import Form, read_form, row_id
from web.inbox.actions import updated_case
from web.rendering import page, with_toast
from web.viewer import VIEWER, Viewer


async def save_draft(request: web.Request) -> web.Response:
    """Saves what is typed, and shows what the checks find in it."""
    viewer, number = request[VIEWER], int(request.match_info["case"])
    form = await read_form(request)
    try:
        async with viewer.application.store.writing() as session:
            context = viewer.context(session)
            reply = await _save(context, number, viewer.member_id, form)
            findings = await _check(context, reply)
    except Refused as refusal:
        return with_toast(web.Response(status=204), refusal.message_for(viewer.t), refused=True)
    return _checks_page(request, context, reply, [*findings, *await _grammar(viewer, reply)], saved=True)


async def check_proposal(request: web.Request) -> web.Response:
    """What the checks find in a reply that is waiting for approval."""
    viewer = request[VIEWER]
    async with viewer.application.store.reading() as session:
        context = viewer.context(session)
        reply = await replies.proposal_of(context, int(request.match_info["case"]))
        findings = await _check(context, reply) if reply else []
    return _checks_page(request, context, reply, [*findings, *await _grammar(viewer, reply)])


def _checks_page(
    request: web.Request,
    context: ReplyContext,
    reply: Reply | None,
    findings: Sequence[Finding],
    *,
    saved: bool = False,
) -> web.Response:
    capabilities, text = context.checker.of(reply.connection if reply else ""), reply.text if reply else ""
    return page(
        request,
        "inbox/checks.html",
        findings=findings,
        saved=saved,
        length=capabilities.length(text),
        max_length=capabilities.max_length,
    )


async def approve(request: web.Request) -> web.Response:
    """Approves exactly the text in the editor, once every remark on it has been seen.

    `seen` lists the kinds of remarks that were on the page: a new one is shown first, and the text is kept.
    """
    viewer, number = request[VIEWER], int(request.match_info["case"])
    form = await read_form(request)
    try:
        async with viewer.application.store.writing() as session:
            reply = await _save(viewer.context(session), number, viewer.member_id, form)
        async with viewer.application.store.writing() as session:
            context = viewer.context(session)
            _require_seen(await _check(context, reply), form)
            approved = await approvals.approve(context, reply.id, reply.revision, viewer.member_id)
            message = await _approved_message(viewer, context, approved)
    except Refused as refusal:
        return await updated_case(request, number, refusal.message_for(viewer.t), refused=True)
    return await updated_case(request, number, message)


async def _approved_message(viewer: Viewer, context: ReplyContext, reply: Reply) -> str:
    if reply.state != "proposed":
        return viewer.t(APPROVED)
    count = await approvals.remaining_approvals(context, reply)
    return viewer.t.count("{n} more approval needed.", "{n} more approvals needed.", count)


async def approve_proposal(request: web.Request) -> web.Response:
    """Approves a colleague's reply, edited first or not; the edit is kept also where a remark holds the approval back."""
    viewer, number = request[VIEWER], int(request.match_info["case"])
    form = await read_form(request)
    try:
        reply, revision = _required(form, "reply"), _required(form, "revision")
        async with viewer.application.store.writing() as session:
            amended = await approvals.amend(
                viewer.context(session), reply, revision, viewer.member_id, form.get("text", "")
            )
        async with viewer.application.store.writing() as session:
            context = viewer.context(session)
            _require_seen(await _check(context, amended), form)
            await approvals.approve(context, reply, amended.revision, viewer.member_id)
    except Refused as refusal:
        return await updated_case(request, number, refusal.message_for(viewer.t), refused=True)
    return await updated_case(request, number, viewer.t(mark("Approved")))


def _required(form: Form, key: str) -> int:
    number = row_id(form.get(key, ""))
    if number is None:
        raise Refused("The case has changed. Reload and retry.")
    return number


def _require_seen(findings: Sequence[Finding], form: Form) -> None:
    if approvals.unseen(findings, form.get("seen", "").split(",")):
        raise Refused(mark("Read the remarks below the text, then approve again."))


async def _save(context: ReplyContext, case: int, member: int, form: Form) -> Reply:
    return await replies.save_draft(context, case, member, form.get("text", ""), form.get("suggestion") or None)


async def _check(context: ReplyContext, reply: Reply) -> list[Finding]:
    return await approvals.check_reply(context, await context.session.get_one(Case, reply.case_id), reply)


async def _grammar(viewer: Viewer, reply: Reply | None) -> list[Finding]:
    grammar = viewer.application.grammar
    return await grammar.check(reply.text, reply.language) if grammar and reply else []
