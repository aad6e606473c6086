"""A case as it is shown on any desk: one value, rendered by each desk in its own way."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from sqlalchemy import select

from models.case import IN_FLIGHT, OPEN, Approval, Case, CaseEvent, Part, Reply, ReplyVersion
from models.desk import Verb
from models.mention import Author, Earlier, Mention, MentionBrand, MentionVersion, MovedBy
from models.post import Media
from triage import priority, storms
from triage.replying import wanted
from triage.suggestions import Suggestion, suggest
from triage.turn import Turn

HISTORY: Final = 5


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One mention of the case."""

    id: int
    text: str
    url: str
    at: datetime
    language: str
    sentiment: str
    confidence: float
    corrected: bool
    edited: bool
    deleted: bool
    why: str
    moved: tuple[MovedBy, ...]
    was: str
    """What it said before it was edited last; empty where it was not."""
    media: tuple[Media, ...]
    before: tuple[Earlier, ...]
    """What was said before it, oldest first."""


class Version(msgspec.Struct, frozen=True):
    """What a reply said when a member had it in hand."""

    member: int
    text: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A reply of ours, whatever became of it. `said_yes` are the members who have approved this revision beside its author."""

    id: int
    revision: int
    state: str
    text: str
    author: int
    under: int
    approved_by: int | None
    due_at: datetime | None
    published_at: datetime | None
    url: str
    error: str
    said_yes: tuple[int, ...] = ()
    versions: tuple[Version, ...] = ()
    """What it said before it was changed by another, oldest first."""

    @property
    def at(self) -> datetime:
        """When it was published; only asked of replies that were."""
        return self.published_at or datetime.max.replace(tzinfo=UTC)


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """`buttons` are the actions that make sense now, the likeliest first, at most five."""

    case: int
    revision: int
    brand: str
    queue: str
    zone: str
    platform: str
    author: str
    author_name: str
    author_url: str
    followers: int | None
    state: str
    intent: str
    sentiment: str
    language: str
    topics: tuple[str, ...]
    grave: str | None
    points: int
    parts: tuple[Part, ...]
    storm: int
    said: tuple[Said, ...]
    answers: tuple[Answer, ...]
    holder: int | None
    holder_name: str
    claim_until: datetime | None
    snoozed_until: datetime | None
    due_at: datetime
    late: bool
    heard_at: datetime
    ended_reason: str
    can_publish: bool
    wanted: int
    """How many must say yes to a reply beside its author."""
    suggestions: tuple[Suggestion, ...]
    events: tuple[CaseEvent, ...]
    buttons: tuple[Verb, ...]

    @property
    def latest(self) -> Said:
        return self.said[-1]

    @property
    def timeline(self) -> list[Said | Answer]:
        """What was said in public, theirs and ours, in the order in which it was."""
        ours = [a for a in (*self.answers, *map(_given_there, self.events)) if a is not None and a.state == "published"]
        return sorted((*self.said, *ours), key=lambda said: said.at)

    def draft_of(self, member: int) -> Answer | None:
        return next((a for a in self.answers if a.state == "draft" and a.author == member), None)

    @property
    def proposal(self) -> Answer | None:
        """The reply that waits for another's yes."""
        return next((a for a in self.answers if a.state == "proposed"), None)

    @property
    def reply(self) -> Answer | None:
        """The reply that waits for a yes, is on its way, in doubt or refused, else the last one published."""
        spoken = [a for a in self.answers if a.state in ("proposed", *IN_FLIGHT, "failed")]
        return next(iter(spoken or [a for a in self.answers[::-1] if a.state == "published"]), None)


async def card(turn: Turn, case_id: int, *, suggests: bool = False) -> Card:
    """Everything there is to show of a case, as it stands in this turn; drafts that fit it only where they are looked at."""
    case = await turn.session.get_one(Case, case_id)
    author = await turn.session.get_one(Author, case.author_id)
    replies = list(await turn.session.scalars(select(Reply).where(Reply.case_id == case_id).order_by(Reply.id)))
    events = list(
        await turn.session.scalars(select(CaseEvent).where(CaseEvent.case_id == case_id).order_by(CaseEvent.id))
    )
    brand, queue = turn.brand(case), turn.queue(case)
    holder = turn.catalogue.members.get(case.claimed_by)
    answers = await _answers(turn, replies)
    return Card(
        case=case.id,
        revision=case.revision,
        brand=brand.name,
        queue=queue.name if queue else "",
        zone=queue.zone if queue else "UTC",
        platform=case.platform,
        author=author.handle,
        author_name=author.name,
        author_url=author.url,
        followers=author.followers,
        state=case.state,
        intent=case.intent,
        sentiment=case.sentiment,
        language=case.language,
        topics=case.topics,
        grave=case.grave,
        points=case.points,
        parts=tuple(p for p in (*case.parts, priority.waiting(case.heard_at, turn.now)) if p.points > 0),
        storm=await storms.size(turn, case.storm_id) if case.storm_id else 1,
        said=await _said(turn, case),
        answers=answers,
        holder=case.claimed_by,
        holder_name=holder.name if holder else "",
        claim_until=case.claim_until,
        snoozed_until=case.snoozed_until,
        due_at=case.first_answer_due,
        late=case.state in OPEN and case.first_answered_at is None and case.first_answer_due <= turn.now,
        heard_at=case.heard_at,
        ended_reason=case.ended_reason or "",
        wanted=wanted(turn, case),
        can_publish=bool(brand.publish.get(case.platform)),
        suggestions=tuple(await suggest(turn, case, author))
        if suggests and case.state in ("waiting", "claimed")
        else (),
        events=tuple(events),
        buttons=_buttons(case, answers),
    )


def _buttons(case: Case, answers: Sequence[Answer]) -> tuple[Verb, ...]:
    states = {answer.state for answer in answers}
    if "unknown" in states:
        return ("published_by_hand", "not_published")
    if case.state == "answering":
        return ("undo",) if "approved" in states else ()
    if "proposed" in states:
        return ("review", "undo", "escalate")
    if case.state == "claimed":
        if "failed" in states:
            return ("retry", "edit", "escalate", "release")
        return ("edit", "suggest", "snooze", "escalate", "dismiss")
    if case.state in ("waiting", "snoozed"):
        return ("claim", "snooze", "escalate", "dismiss")
    return ("reopen",)


async def _said(turn: Turn, case: Case) -> tuple[Said, ...]:
    rows = await turn.session.execute(
        select(Mention, MentionBrand)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.case_id == case.id)
        .order_by(Mention.created_at, Mention.id)
    )
    found = rows.all()
    was: dict[int, str] = {}
    if edited := [mention.id for mention, _ in found if mention.edited_at is not None]:
        versions = select(MentionVersion).where(MentionVersion.mention_id.in_(edited)).order_by(MentionVersion.id)
        was = {version.mention_id: version.text for version in await turn.session.scalars(versions)}
    return tuple(
        Said(
            id=mention.id,
            text=mention.text,
            url=mention.url,
            at=mention.created_at,
            language=read.language or "und",
            sentiment=read.felt or "neutral",
            confidence=max(read.negative or 0, read.neutral or 0, read.positive or 0),
            corrected=read.corrected is not None,
            edited=mention.edited_at is not None,
            deleted=mention.deleted_at is not None,
            why=read.why,
            moved=read.moved or (),
            was=was.get(mention.id, ""),
            media=mention.media,
            before=mention.before or (),
        )
        for mention, read in found
    )


def _given_there(event: CaseEvent) -> Answer | None:
    """An answer that one of ours gave in the platform's own app, as it was found."""
    if event.kind != "answered there":
        return None
    return Answer(
        id=0,
        revision=0,
        state="published",
        text=event.text,
        author=0,
        under=0,
        approved_by=None,
        due_at=None,
        published_at=event.at,
        url=event.detail.get("url", ""),
        error="",
    )


async def _answers(turn: Turn, replies: Sequence[Reply]) -> tuple[Answer, ...]:
    ids = [reply.id for reply in replies]
    if not ids:
        return ()
    yes: dict[tuple[int, int], list[int]] = {}
    for approval in await turn.session.scalars(
        select(Approval).where(Approval.reply_id.in_(ids)).order_by(Approval.at, Approval.member_id)
    ):
        yes.setdefault((approval.reply_id, approval.revision), []).append(approval.member_id)
    versions: dict[int, list[Version]] = {}
    for version in await turn.session.scalars(
        select(ReplyVersion)
        .where(ReplyVersion.reply_id.in_(ids))
        .order_by(ReplyVersion.reply_id, ReplyVersion.revision)
    ):
        versions.setdefault(version.reply_id, []).append(Version(version.member_id, version.text))
    return tuple(
        _answer(r, yes.get((r.id, r.revision), []), [v for v in versions.get(r.id, []) if v.text != r.text])
        for r in replies
    )


def _answer(reply: Reply, yes: Sequence[int] = (), versions: Sequence[Version] = ()) -> Answer:
    return Answer(
        id=reply.id,
        revision=reply.revision,
        state=reply.state,
        text=reply.text,
        author=reply.author_id,
        under=reply.mention_id,
        approved_by=reply.approved_by,
        due_at=reply.due_at,
        published_at=reply.published_at,
        url=reply.url or "",
        error=reply.error or "",
        said_yes=tuple(yes),
        versions=tuple(versions),
    )
