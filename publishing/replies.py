"""The life of a reply: drafts, and how it ends up published, here or elsewhere; approvals are in publishing/approvals.py."""

from typing import Any, Final

from sqlalchemy import select, update

from languages import mark
from models.errors import Refused
from models.tables.case import Case
from models.tables.mention import Mention, MentionBrand
from models.tables.reply import Reply, ReplyState
from models.text import clean
from triage import alerts
from triage.case_actions import claim
from triage.context import Context
from triage.lifecycle import Move
from triage.permissions import require_claim, require_unclaimed_or_own
from triage.transitions import claim_expiry, end_case, transition

MAX_URL = 2_000
TEXT_CHANGED: Final = mark("The text has changed since you saw it. Read it again, then approve.")
NO_DRAFT: Final = mark("This draft no longer exists.")


async def save_draft(
    context: Context,
    case_id: int,
    member_id: int,
    text: str,
    suggestion_code: str | None = None,
    mention_id: int | None = None,
) -> Reply:
    """Saves what a member types and extends their claim; each change of the text is a new revision."""
    case = await require_unclaimed_or_own(context, case_id, member_id)
    if case.state != "claimed":
        case = await claim(context, case_id, member_id)
    case.claim_until = claim_expiry(context, case)
    text = clean(text)
    reply = await own_unpublished(context, case_id, member_id)
    if reply is None:
        reply = await _new_draft(context, case, member_id, mention_id)
        context.session.add(reply)
    elif reply.text == text:
        return reply
    else:
        reply.revision += 1
    if reply.state == "proposed":  # its author goes on editing: approvers have seen another text
        reply.state = "draft"
        context.record_event(case, "undone", member_id)
    reply.text, reply.drafted_at = text, context.now
    reply.suggestion_code = suggestion_code if suggestion_code is not None else reply.suggestion_code
    await context.session.flush()
    return reply


async def own_unpublished(context: Context, case_id: int, member_id: int) -> Reply | None:
    """A member's draft or proposed reply of a case."""
    return await context.session.scalar(
        select(Reply).where(
            Reply.case_id == case_id, Reply.author_id == member_id, Reply.state.in_(("draft", "proposed"))
        )
    )


async def _new_draft(context: Context, case: Case, member_id: int, mention_id: int | None) -> Reply:
    answered = mention_id or await context.session.scalar(
        select(MentionBrand.mention_id)
        .join(Mention, Mention.id == MentionBrand.mention_id)
        .where(MentionBrand.case_id == case.id, Mention.deleted_at.is_(None))
        .order_by(Mention.id.desc())
        .limit(1)
    )
    if answered is None:
        raise Refused("The post was deleted on its platform: there is nothing left to answer.")
    count = len((await context.session.scalars(select(Reply.id).where(Reply.case_id == case.id))).all())
    return Reply(
        case_id=case.id,
        mention_id=answered,
        platform=case.platform,
        connection=context.brand(case).publish.get(case.platform, ""),
        state="draft",
        text="",
        language=case.language,
        revision=1,
        author_id=member_id,
        drafted_at=context.now,
        key=f"c{case.id}-{count + 1}-{int(context.now.timestamp() * 1000):x}",
        tries=0,
    )


async def latest_reply(context: Context, case_id: int, states: tuple[ReplyState, ...]) -> Reply | None:
    """The newest reply of a case in one of these states."""
    return await context.session.scalar(
        select(Reply).where(Reply.case_id == case_id, Reply.state.in_(states)).order_by(Reply.id.desc()).limit(1)
    )


async def proposal_of(context: Context, case_id: int) -> Reply | None:
    """The reply of a case that is waiting for approval."""
    return await latest_reply(context, case_id, ("proposed",))


async def mark_answered(context: Context, case_id: int, member_id: int, url: str = "") -> Case:
    """The member answered on the platform themselves; their draft is stored as published."""
    case = await require_claim(context, case_id, member_id)
    url = clean(url, MAX_URL)
    reply = await own_unpublished(context, case_id, member_id)
    if reply is not None:
        reply.state, reply.approved_by, reply.approved_at = "published", member_id, context.now
        reply.published_at, reply.url = context.now, url or None
    await _answered(context, case, "answer")
    context.record_event(case, "answered manually", member_id, url)
    return case


async def record_published(context: Context, case: Case, reply: Reply) -> None:
    """The reply was published: the case is answered."""
    await _answered(context, case, "publish")
    context.record_event(case, "published", reply.approved_by, reply.url or "", reply=reply.id)


async def record_external_reply(context: Context, case: Case, text: str, url: str) -> None:
    """One of us answered in the platform's own app."""
    await _answered(context, case, "answer")
    context.record_event(case, "answered externally", None, text, url=url)


async def _answered(context: Context, case: Case, move: Move) -> None:
    await transition(context, case, move)
    case.first_answered_at = case.first_answered_at or context.now
    await end_case(context, case, None)


async def recall(context: Context, case: Case) -> None:
    """An approved reply will not be published; the case stays with whoever approved it."""
    await transition(context, case, "undo")


async def change_shown(context: Context, reply: Reply, shown_state: str, shown_revision: int, **values: Any) -> None:
    """Changes a reply only if it is still in the state and the revision that were shown."""
    changed = await context.session.execute(
        update(Reply)
        .where(Reply.id == reply.id, Reply.state == shown_state, Reply.revision == shown_revision)
        .values(**values)
        .execution_options(synchronize_session="fetch")
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise Refused(TEXT_CHANGED)
    if shown_state == "proposed" and "state" in values:
        await alerts.approval_decided(context, reply)
