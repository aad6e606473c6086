"""One reply to a whole duplicate group: every text on one page, approved or dismissed together."""

from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import web

from models.errors import Refused
from publishing import bulk_reply
from store import cases
from triage import case_actions
from triage.permissions import get_visible_case, required_approvals
from web.forms import read_form_lists, row_id
from web.rendering import page
from web.viewer import VIEWER

MAX_GROUP = 1_000


async def show(request: web.Request) -> web.Response:
    return await _page(request)


async def submit(request: web.Request) -> web.Response:
    """Approves the texts of the ticked cases as they are on the page, or dismisses those cases with a reason.

    Each in its own transaction: where one is refused, the others are done, and it stays on the page with the reason.
    """
    viewer, form = request[VIEWER], await read_form_lists(request)
    refused: dict[int, tuple[str, str]] = {}
    ticked = [number for value in form.getall("case", []) if (number := row_id(str(value))) is not None]
    for number in ticked:
        text = str(form.get(f"text-{number}", ""))
        try:
            async with viewer.application.store.writing() as session:
                context = viewer.context(session)
                if form.get("reason"):
                    await case_actions.dismiss(context, number, viewer.member_id, str(form["reason"]))
                else:
                    await bulk_reply.answer(context, number, viewer.member_id, text)
        except Refused as refusal:
            refused[number] = refusal.message_for(viewer.t), text
    return await _page(request, done=len(ticked) - len(refused), refused=refused)


async def _page(
    request: web.Request, done: int | None = None, refused: Mapping[int, tuple[str, str]] = MappingProxyType({})
) -> web.Response:
    """`refused` maps a case to the reason and the text that was typed."""
    viewer, number = request[VIEWER], int(request.match_info["case"])
    async with viewer.application.store.reading() as session:
        context = viewer.context(session)
        case = await get_visible_case(context, number, viewer.member_id)
        members = await bulk_reply.unanswered(context, number, viewer.member_id)
        others = len(await cases.other_open_cases_of_group(session, case, limit=MAX_GROUP))
        approvals = required_approvals(context, case)
    return page(
        request,
        "inbox/bulk_reply.html",
        case=case,
        members=members,
        more=others - len(members),
        required_approvals=approvals,
        done=done,
        refused=refused,
    )
