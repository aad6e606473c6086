"""Performing actions: from a chat desk's queue, or from a page of the browser."""

from collections.abc import Mapping

import msgspec

from actions.spec import ActionRequest, AnyAction
from actions.table import ACTIONS
from cards.outcome import Outcome, PerformedAction
from languages import mark, translator
from models.errors import Refused
from models.tables.action import Action
from publishing.context import ReplyContext
from store.card_placements import case_of_card

NOT_A_MEMBER = mark("You are not a member. Ask your lead to add ID {who}.")


async def perform(request: ActionRequest, spec: AnyAction, values: Mapping[str, object]) -> Outcome:
    """Asks for permission, checks the arguments, then acts. Raises Refused."""
    if spec.permission is not None:
        await spec.permission(request.context, request.case_id, request.member_id)
    return await spec.handler(request, parse_form(spec, values))


def parse_form(spec: AnyAction, values: Mapping[str, object]) -> object:
    """The form's struct; Refused with its sentence where a value is missing or invalid."""
    fields = {name: values[name] for name in spec.form.__struct_fields__ if name in values}
    try:
        return msgspec.convert(fields, spec.form, strict=False)
    except msgspec.ValidationError:
        raise Refused(spec.invalid) from None


async def perform_chat_action(
    context: ReplyContext, desk: str, platform: str, action: Action
) -> PerformedAction | None:
    """Performs what somebody did on a chat; a refusal is an outcome too, in the member's language. None: not on a card."""
    spec = ACTIONS.get(action.verb)
    if spec is None:  # a client sends what it likes
        return None
    case = action.case
    if case is None and spec.permission is not None:
        case = await case_of_card(context.session, desk, action.chat, action.message)
        if case is None:
            return None
    member_id = context.configuration.member_by_identity(platform, action.who)
    if member_id is None:
        t = translator("en")
        return PerformedAction(Outcome(message=t(NOT_A_MEMBER, who=action.who), refused=True), t, confirm=True)
    member = context.configuration.members[member_id]
    t = translator(member.language)
    request = ActionRequest(context, member_id, member, t, case, action.reply, action.revision)
    try:
        async with context.session.begin_nested():  # what was begun before a refusal is rolled back
            outcome = await _perform_or_offer(request, spec, action.text)
    except Refused as refusal:
        outcome = Outcome(message=refusal.message_for(t), refused=True, case=case)
    return PerformedAction(outcome, t, confirm=spec.confirm)


async def _perform_or_offer(request: ActionRequest, spec: AnyAction, text: str) -> Outcome:
    """Offers the choices where the chat's text is no valid argument, to whoever may act at all."""
    if spec.permission is not None:
        await spec.permission(request.context, request.case_id, request.member_id)
    values = {spec.argument: text} if spec.argument and text else {}
    if spec.choices is not None:
        try:
            parse_form(spec, values)
        except Refused:
            return Outcome(case=request.case_id, choices=tuple(await spec.choices(request)))
    return await perform(request, spec, values)
