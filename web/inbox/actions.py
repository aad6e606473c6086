"""Actions of the table (actions/table.py), submitted as forms."""

from aiohttp import web

from actions.perform import perform
from actions.spec import ActionRequest
from actions.table import ACTIONS
from models.errors import Refused
from publishing.context import ReplyContext
from web.forms import Form, read_form, row_id
from web.inbox.case_values import case_values
from web.rendering import page, with_toast
from web.viewer import VIEWER, Viewer, is_fragment


async def act(request: web.Request) -> web.Response:
    """Performs one action; a refusal is shown beside the case as it is now."""
    viewer, number = request[VIEWER], int(request.match_info["case"])
    spec = ACTIONS.get(request.match_info["verb"])
    if spec is None:
        raise web.HTTPNotFound(text="There is no such action.\n")
    form = await read_form(request)
    try:
        async with viewer.application.store.writing() as session:
            outcome = await perform(_request(viewer, viewer.context(session), number, form), spec, form)
    except Refused as refusal:
        return await updated_case(request, number, refusal.message_for(viewer.t), refused=True)
    return await updated_case(request, number, outcome.message)


def _request(viewer: Viewer, context: ReplyContext, case: int, form: Form) -> ActionRequest:
    return ActionRequest(
        context,
        viewer.member_id,
        viewer.member,
        viewer.t,
        case,
        row_id(form.get("reply", "")),
        row_id(form.get("revision", "")),
    )


async def updated_case(request: web.Request, number: int, message: str, *, refused: bool = False) -> web.Response:
    """The case as it is now, with the outcome of an action as a toast."""
    if not is_fragment(request):
        raise web.HTTPSeeOther(f"/cases/{number}")
    response = page(request, "inbox/case.html", **await case_values(request[VIEWER], number))
    return with_toast(response, message, refused=refused)
