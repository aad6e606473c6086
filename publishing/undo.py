"""The ten seconds in which an approved reply can be undone."""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, update

from languages import mark
from models.errors import Refused
from models.tables.reply import Approval, Reply
from publishing.replies import NO_DRAFT, change_shown
from triage.context import Context
from triage.permissions import assert_claim, get_visible_case
from triage.transitions import claim_expiry, transition

UNDO_WINDOW: Final = timedelta(seconds=10)
"""An approved reply is due after this; until then the approval can be undone."""

ALREADY_SENT: Final = mark("It has already been sent: it can only be deleted on the platform.")


async def undo(context: Context, reply_id: int, member_id: int) -> Reply:
    """Makes an approved or proposed reply a draft again, unless it is being sent. Any member who sees the case may do it."""
    reply = await context.session.get(Reply, reply_id)
    if reply is None:
        raise Refused(NO_DRAFT)
    case = await get_visible_case(context, reply.case_id, member_id)
    if reply.state == "proposed":
        await assert_claim(context, case, member_id)
        await change_shown(context, reply, "proposed", reply.revision, state="draft")
        context.record_event(case, "undone", member_id)
        return reply
    undone = await context.session.execute(
        update(Reply)
        .where(Reply.id == reply_id, Reply.state == "approved")
        .values(state="draft", approved_by=None, approved_at=None, due_at=None)
        .execution_options(synchronize_session="fetch")
    )
    if undone.rowcount != 1:  # type: ignore[attr-defined]
        raise Refused(ALREADY_SENT)
    await context.session.execute(delete(Approval).where(Approval.reply_id == reply_id))
    await transition(context, case, "undo")
    case.claim_until = claim_expiry(context, case)
    context.record_event(case, "undone", member_id)
    return reply
