"""A case as every desk shows it: one value, rendered by each desk in its own way."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from sqlalchemy import select

from models.tables.case import OPEN, Case, CaseEvent, ScorePart, State
from models.tables.mention import Author, Mention, MentionBrand, MentionVersion
from models.tables.reply import IN_FLIGHT, Approval, Reply, ReplyVersion
from publishing.suggestions import Suggestion, suggest
from triage import duplicates, lifecycle, priority
from triage.context import Context
from triage.lifecycle import Stage
from triage.permissions import required_approvals


class MentionView(msgspec.Struct, frozen=True, kw_only=True):
    """One mention of the case, with what it means to the case's brand; `previous_text` is the text before the last edit."""

    mention: Mention
    match: MentionBrand
    previous_text: str = ""

    @property
    def at(self) -> datetime:
        return self.mention.created_at

    @property
    def text(self) -> str:
        return self.mention.text

    @property
    def url(self) -> str:
        return self.mention.url

    @property
    def is_deleted(self) -> bool:
        return self.mention.deleted_at is not None

    @property
    def sentiment(self) -> str:
        return self.match.effective_sentiment or "neutral"

    @property
    def confidence(self) -> float:
        return max(self.match.negative or 0, self.match.neutral or 0, self.match.positive or 0)


class ReplyView(msgspec.Struct, frozen=True, kw_only=True):
    """A reply of ours, or an answer we gave on the platform; `approvers` have approved this revision beside its author."""

    id: int = 0
    revision: int = 0
    state: str
    text: str
    author: int = 0
    approved_by: int | None = None
    due_at: datetime | None = None
    published_at: datetime | None
    url: str
    error: str = ""
    approvers: tuple[int, ...] = ()
    versions: tuple[ReplyVersion, ...] = ()
    """Its text before others changed it, oldest first."""

    @property
    def at(self) -> datetime:
        """When it was published; only asked of published ones."""
        return self.published_at or datetime.max.replace(tzinfo=UTC)


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """`stage` says which actions make sense; actions/table.py derives the buttons from it."""

    id: int
    revision: int
    brand: str
    queue: str
    zone: str
    platform: str
    author: str
    followers: int | None
    state: State
    stage: Stage
    intent: str
    sentiment: str
    language: str
    topics: tuple[str, ...]
    severity: str | None
    score_parts: tuple[ScorePart, ...]
    group_size: int
    mentions: tuple[MentionView, ...]
    replies: tuple[ReplyView, ...]
    holder: int | None
    holder_name: str
    claim_until: datetime | None
    snoozed_until: datetime | None
    due_at: datetime
    late: bool
    received_at: datetime
    ended_reason: str
    can_publish: bool
    required_approvals: int
    suggestions: tuple[Suggestion, ...]
    events: tuple[CaseEvent, ...]

    @property
    def latest(self) -> MentionView:
        return self.mentions[-1]

    @property
    def timeline(self) -> list[MentionView | ReplyView]:
        """The public conversation, theirs and ours, in order."""
        published = [reply for reply in self.replies if reply.state == "published"]
        external = [_external_reply(event) for event in self.events if event.kind == "answered externally"]
        return sorted((*self.mentions, *published, *external), key=lambda entry: entry.at)

    def draft_of(self, member: int) -> ReplyView | None:
        return next((r for r in self.replies if r.state == "draft" and r.author == member), None)

    @property
    def proposal(self) -> ReplyView | None:
        """The reply that is waiting for approval."""
        return next((r for r in self.replies if r.state == "proposed"), None)

    @property
    def reply(self) -> ReplyView | None:
        """The reply that is proposed, in flight or failed, else the last published one."""
        unfinished = [r for r in self.replies if r.state in ("proposed", *IN_FLIGHT, "failed")]
        return next(iter(unfinished or [r for r in self.replies[::-1] if r.state == "published"]), None)


async def case_view(context: Context, case_id: int, *, with_suggestions: bool = False) -> CaseView:
    """Everything there is to show of a case; suggestions only where somebody looks at them."""
    case = await context.session.get_one(Case, case_id)
    author = await context.session.get_one(Author, case.author_id)
    replies = list(await context.session.scalars(select(Reply).where(Reply.case_id == case_id).order_by(Reply.id)))
    events = await context.session.scalars(select(CaseEvent).where(CaseEvent.case_id == case_id).order_by(CaseEvent.id))
    brand, queue = context.brand(case), context.queue(case)
    holder = context.configuration.members.get(case.claimed_by)
    suggests = with_suggestions and case.state in ("waiting", "claimed")
    group = case.duplicate_group_id
    return CaseView(
        id=case.id,
        revision=case.revision,
        brand=brand.name,
        queue=queue.name if queue else "",
        zone=queue.zone if queue else "UTC",
        platform=case.platform,
        author=author.handle,
        followers=author.followers,
        state=case.state,
        stage=lifecycle.stage(case.state, {reply.state for reply in replies}),
        intent=case.intent,
        sentiment=case.sentiment,
        language=case.language,
        topics=case.topics,
        severity=case.severity,
        score_parts=_with_waiting(case, context.now),
        group_size=await duplicates.group_size(context, group) if group else 1,
        mentions=await _mentions(context, case),
        replies=await _reply_views(context, replies),
        holder=case.claimed_by,
        holder_name=holder.name if holder else "",
        claim_until=case.claim_until,
        snoozed_until=case.snoozed_until,
        due_at=case.first_answer_due,
        late=case.state in OPEN and case.first_answered_at is None and case.first_answer_due <= context.now,
        received_at=case.received_at,
        ended_reason=case.ended_reason or "",
        can_publish=bool(brand.publish.get(case.platform)),
        required_approvals=required_approvals(context, case),
        suggestions=tuple(await suggest(context, case, author)) if suggests else (),
        events=tuple(events),
    )


def _with_waiting(case: Case, now: datetime) -> tuple[ScorePart, ...]:
    parts = (*case.score_parts, priority.waiting(case.received_at, now))
    return tuple(part for part in parts if part.points > 0)


async def _mentions(context: Context, case: Case) -> tuple[MentionView, ...]:
    rows = (
        await context.session.execute(
            select(Mention, MentionBrand)
            .join(MentionBrand, MentionBrand.mention_id == Mention.id)
            .where(MentionBrand.case_id == case.id)
            .order_by(Mention.created_at, Mention.id)
        )
    ).all()
    previous: dict[int, str] = {}
    if edited := [mention.id for mention, _ in rows if mention.edited_at is not None]:
        versions = select(MentionVersion).where(MentionVersion.mention_id.in_(edited)).order_by(MentionVersion.id)
        previous = {version.mention_id: version.text for version in await context.session.scalars(versions)}
    return tuple(
        MentionView(mention=mention, match=match, previous_text=previous.get(mention.id, "")) for mention, match in rows
    )


def _external_reply(event: CaseEvent) -> ReplyView:
    """An answer that one of us gave in the platform's own app."""
    return ReplyView(state="published", text=event.text, published_at=event.at, url=event.detail.url)


async def _reply_views(context: Context, replies: Sequence[Reply]) -> tuple[ReplyView, ...]:
    ids = [reply.id for reply in replies]
    if not ids:
        return ()
    approvers: dict[tuple[int, int], list[int]] = {}
    for approval in await context.session.scalars(
        select(Approval).where(Approval.reply_id.in_(ids)).order_by(Approval.at, Approval.member_id)
    ):
        approvers.setdefault((approval.reply_id, approval.revision), []).append(approval.member_id)
    versions: dict[int, list[ReplyVersion]] = {}
    for version in await context.session.scalars(
        select(ReplyVersion)
        .where(ReplyVersion.reply_id.in_(ids))
        .order_by(ReplyVersion.reply_id, ReplyVersion.revision)
    ):
        versions.setdefault(version.reply_id, []).append(version)
    return tuple(
        ReplyView(
            id=reply.id,
            revision=reply.revision,
            state=reply.state,
            text=reply.text,
            author=reply.author_id,
            approved_by=reply.approved_by,
            due_at=reply.due_at,
            published_at=reply.published_at,
            url=reply.url or "",
            error=reply.error or "",
            approvers=tuple(approvers.get((reply.id, reply.revision), ())),
            versions=tuple(version for version in versions.get(reply.id, ()) if version.text != reply.text),
        )
        for reply in replies
    )
