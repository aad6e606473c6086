"""What the pages of a case show."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from aiohttp import web

from actions.spec import ActionRequest, AnyAction
from actions.table import on_page
from cards.case_view import CaseView, case_view
from cards.outcome import Choice
from models.errors import Refused
from store import cases
from triage.permissions import eligible_approvers, get_visible_case
from web.viewer import Viewer


async def case_values(viewer: Viewer, number: int) -> dict[str, Any]:
    """Everything the case page shows; 404 for a case that the member may not see."""
    async with viewer.application.store.reading() as session:
        context = viewer.context(session)
        try:
            row = await get_visible_case(context, number, viewer.member_id)
        except Refused as refusal:
            raise web.HTTPNotFound(text=refusal.message_for(viewer.t)) from None
        case = await case_view(context, number, with_suggestions=True)
        group = await cases.other_open_cases_of_group(session, row)
        author_cases = await cases.other_cases_of_author(session, row)
        muted = await cases.is_author_muted(session, row)
        request = ActionRequest(context, viewer.member_id, viewer.member, viewer.t, number)
        actions = await _actions(request, case, author_muted=muted)
        approvers = eligible_approvers(context, row)
        brand = context.brand(row)
    connection = brand.publish.get(case.platform, "")
    return {
        "case": case,
        "group": group,
        "author_cases": author_cases,
        "page_actions": actions,
        "configuration": viewer.configuration,
        "mine": case.holder == viewer.member_id,
        "draft": case.draft_of(viewer.member_id),
        "can_approve": viewer.member_id in approvers and _awaits_approval_of(case, viewer.member_id),
        "editor_key": editor_key(case, viewer.member_id),
        "max_length": context.checker.of(connection).max_length,
    }


class PageAction(NamedTuple):
    """An action that the page offers; `alternative` says whether its input may be typed instead of one of the choices."""

    spec: AnyAction
    choices: Sequence[Choice]

    @property
    def alternative(self) -> bool:
        return bool(self.choices) and any(field.name == self.spec.argument for field in self.spec.inputs)


async def _actions(request: ActionRequest, case: CaseView, *, author_muted: bool) -> list[PageAction]:
    hidden = "mute_author" if author_muted else "unmute_author"
    return [
        PageAction(spec, await spec.choices(request) if spec.choices else ())
        for spec in on_page(case, request.member_id)
        if spec.verb != hidden
    ]


def _awaits_approval_of(case: CaseView, member: int) -> bool:
    """Whether a reply is waiting for approval that this member neither wrote nor has approved."""
    proposal = case.proposal
    return proposal is not None and member != proposal.author and member not in proposal.approvers


def editor_key(case: CaseView, member: int) -> str:
    """Changes when the editor must be replaced; not while somebody types, or when the post gets another comment."""
    reply = case.reply
    parts: list[object] = [case.id, case.stage, case.state, case.holder == member]
    if reply:
        parts += [reply.id, reply.state, len(reply.approvers), reply.revision if reply.state == "proposed" else 0]
    return ".".join(str(part) for part in parts)
