"""From an analyzed mention to a case: a new one, the one it continues, or an ended one reopened."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import func, or_, select

from analysis import severity_rules
from models.configuration import Brand
from models.tables.case import OPEN, Case
from models.tables.mention import Author, AuthorMute, Mention, MentionBrand
from models.tables.reply import Reply
from models.text import fold
from triage import alerts, duplicates, priority, routing
from triage.card_placement import place_case
from triage.context import Context
from triage.lifecycle import REOPEN_WINDOW, next_state
from triage.schedule import business_hours

EARLIER: Final = timedelta(days=30)
"""How far back an author's other cases count as repetition."""
FIRST_ANSWER_WITHOUT_QUEUE: Final = timedelta(hours=1)
OPENING_INTENTS: Final = frozenset({"complaint", "lead", "crisis"})


class AuthorHistory:
    """What must be known of some authors before their mentions are taken in, queried once for a whole batch."""

    def __init__(self, cases: Iterable[Case], mutes: Iterable[AuthorMute]) -> None:
        self._cases: dict[tuple[int, int], list[Case]] = {}
        for case in cases:
            self.add(case)
        self._mutes = {(mute.brand_id, mute.author_id) for mute in mutes}

    @classmethod
    async def load(cls, context: Context, author_ids: Iterable[int]) -> "AuthorHistory":
        authors = list(set(author_ids))
        recent = or_(
            Case.state.in_(OPEN),
            Case.opened_at >= context.now - EARLIER,
            Case.ended_at >= context.now - REOPEN_WINDOW,
        )
        cases = await context.session.scalars(select(Case).where(Case.author_id.in_(authors), recent).order_by(Case.id))
        mutes = await context.session.scalars(select(AuthorMute).where(AuthorMute.author_id.in_(authors)))
        return cls(cases, mutes)

    def add(self, case: Case) -> None:
        self._cases.setdefault((case.brand_id, case.author_id), []).append(case)

    def find_case_to_continue(self, context: Context, brand_id: int, author_id: int, thread: str) -> Case | None:
        """The open case of an author in a thread, else the last one that ended within REOPEN_WINDOW."""
        same = [case for case in self._cases.get((brand_id, author_id), ()) if case.thread == thread]
        for case in reversed(same):
            if case.state in OPEN:
                return case
        last = same[-1] if same else None
        return last if last and last.ended_at and context.now - last.ended_at <= REOPEN_WINDOW else None

    def recent_cases(self, context: Context, brand_id: int, author_id: int) -> int:
        cases = self._cases.get((brand_id, author_id), ())
        return sum(case.opened_at >= context.now - EARLIER for case in cases)

    def is_muted(self, brand_id: int, author_id: int) -> bool:
        return (brand_id, author_id) in self._mutes


async def attach_mention(
    context: Context, history: AuthorHistory, mention: Mention, author: Author, match: MentionBrand, *, may_open: bool
) -> Case | None:
    """The case that an analyzed mention belongs to, or None. Without `may_open` it is only stored."""
    case = history.find_case_to_continue(context, match.brand_id, author.id, mention.thread)
    needs_person = await _needs_person(context, history, mention, match)
    if case is not None:
        return await _continue(context, case, mention, match, needs_person=needs_person)
    return await open_case(context, history, mention, author, match) if may_open and needs_person else None


async def open_case(
    context: Context,
    history: AuthorHistory,
    mention: Mention,
    author: Author,
    match: MentionBrand,
    member: int | None = None,
) -> Case:
    """A new case: routed, with its deadline, its duplicate group and its cards. `member` opened it by hand."""
    case = _new(context, mention, match, member)
    case.severity = case.severity or _high_reach(context, case, author)
    context.session.add(case)
    await context.session.flush()
    match.case_id = case.id
    _set_score(
        case,
        negative=match.negative or 0.0,
        followers=author.followers,
        earlier_cases=history.recent_cases(context, match.brand_id, author.id),
        group=await duplicates.join_group(context, case, mention.folded),
    )
    context.record_event(case, "opened", member)
    history.add(case)
    await place_case(context, case)
    if case.severity:
        await alerts.raise_severe(context, case, _severity_words(case.severity, mention, author))
    return case


def _new(context: Context, mention: Mention, match: MentionBrand, member: int | None) -> Case:
    language = match.language or "und"
    case = Case(
        brand_id=match.brand_id,
        author_id=mention.author_id,
        platform=mention.platform,
        thread=mention.thread,
        queue_id=routing.route(context.configuration, match.brand_id, language, match.topics),
        language=language,
        state="waiting",
        intent=match.intent or "chatter",
        sentiment=match.effective_sentiment or "neutral",
        topics=match.topics,
        severity=match.severity,
        score=0,
        score_parts=(),
        rank=0,
        mention_count=1,
        opened_at=context.now,
        opened_by=member,
        received_at=mention.received_at,
        last_received_at=mention.received_at,
        escalation_level=0,
        revision=0,
    )
    set_deadline(context, case)
    return case


def _high_reach(context: Context, case: Case, author: Author) -> str | None:
    """A negative post with a large audience is severe whatever its words."""
    queue = context.queue(case)
    if queue and case.sentiment == "negative" and (author.followers or 0) >= queue.high_reach_followers:
        return severity_rules.HIGH_REACH
    return None


def _severity_words(severity: str, mention: Mention, author: Author) -> list[str]:
    if severity == severity_rules.HIGH_REACH:
        return [author.handle]
    return severity_rules.matched_words(severity, mention.text)


async def apply_correction(context: Context, case: Case, mention: Mention, match: MentionBrand) -> None:
    """What followed from a wrong reading is done again: severity, alert, queue, deadline and score."""
    author = await context.session.get_one(Author, mention.author_id)
    before = case.severity
    match.severity = severity_rules.severity(mention.text) or match.severity
    case.sentiment, case.intent = match.effective_sentiment or "neutral", match.intent or case.intent
    if before in (None, severity_rules.HIGH_REACH):
        case.severity = match.severity or _high_reach(context, case, author)
    if case.claimed_by is None:
        case.queue_id = routing.route(context.configuration, case.brand_id, case.language, case.topics)
        if case.first_answered_at is None:
            set_deadline(context, case)
    await update_score(context, case)
    await place_case(context, case)
    if case.severity and case.severity != before:
        await alerts.raise_severe(context, case, _severity_words(case.severity, mention, author))


async def update_score(context: Context, case: Case) -> None:
    """Computes a case's score from what is stored."""
    await context.session.flush()
    author = await context.session.get_one(Author, case.author_id)
    earlier_cases = select(func.count(Case.id)).where(
        Case.brand_id == case.brand_id,
        Case.author_id == case.author_id,
        Case.id != case.id,
        Case.opened_at >= context.now - EARLIER,
    )
    group_id = case.duplicate_group_id
    _set_score(
        case,
        negative=await _negativity(context, case),
        followers=author.followers,
        earlier_cases=await context.session.scalar(earlier_cases) or 0,
        group=await duplicates.group_size(context, group_id) if group_id else 1,
    )


def _set_score(case: Case, *, negative: float, followers: int | None, earlier_cases: int, group: int) -> None:
    case.score_parts = priority.score_parts(
        negative=negative,
        intent=case.intent,
        severity=case.severity,
        followers=followers,
        mentions=case.mention_count,
        earlier_cases=earlier_cases,
        duplicates=group,
    )
    case.score = priority.total(case.score_parts)
    case.rank = priority.rank(case.score, case.received_at)


async def _negativity(context: Context, case: Case) -> float:
    """Of its most negative mention; a member's correction overrides the classifier."""
    rows = await context.session.execute(
        select(MentionBrand.negative, MentionBrand.corrected_sentiment).where(
            MentionBrand.case_id == case.id, MentionBrand.brand_id == case.brand_id
        )
    )
    return max(
        (float(corrected == "negative") if corrected else negative or 0.0 for negative, corrected in rows), default=0.0
    )


async def _continue(context: Context, case: Case, mention: Mention, match: MentionBrand, *, needs_person: bool) -> Case:
    """Another mention of a case, or one that was edited: a snooze ends and an ended case reopens if it needs a person."""
    is_new = match.case_id != case.id
    match.case_id = case.id
    if is_new:
        case.mention_count += 1
        case.last_received_at = mention.received_at
    newly_severe = bool(match.severity) and match.severity != case.severity
    turned_negative = match.effective_sentiment == "negative" and case.sentiment != "negative"
    if needs_person:
        case.intent = match.intent or case.intent
        case.severity = match.severity or case.severity
        case.sentiment = "negative" if match.effective_sentiment == "negative" else case.sentiment
        # A post that was only edited reopens an ended case if it says something worse than before.
        if is_new or newly_severe or turned_negative or case.state in OPEN:
            await _receive(context, case)
    if not is_new and case.mention_count == 1:
        _refresh_from_mention(context, case, match)
    await update_score(context, case)
    if is_new:
        context.record_event(case, "author replied")
    if newly_severe:
        author = await context.session.get_one(Author, case.author_id)
        await alerts.raise_severe(context, case, _severity_words(str(case.severity), mention, author))
    return case


def _refresh_from_mention(context: Context, case: Case, match: MentionBrand) -> None:
    """The case's only mention was analyzed after the case was opened, or again: opened by hand, or an edited post."""
    case.language, case.topics = match.language or case.language, match.topics
    case.sentiment = match.effective_sentiment or case.sentiment
    case.intent = match.intent or case.intent
    if case.claimed_by is None:
        case.queue_id = routing.route(context.configuration, case.brand_id, case.language, case.topics)


async def _receive(context: Context, case: Case) -> None:
    had_ended = case.state not in OPEN
    case.state = next_state(case.state, "receive")
    if case.state == "waiting":
        case.snoozed_until = None
    if had_ended:
        _restart(context, case)
        await place_case(context, case)


def _restart(context: Context, case: Case) -> None:
    """An ended case is reopened unassigned, with a new deadline."""
    case.received_at = context.now
    case.claimed_by = case.claim_until = case.ended_at = case.ended_reason = case.first_answered_at = None
    case.escalation_level = 0
    set_deadline(context, case)


def set_deadline(context: Context, case: Case) -> None:
    """When the first answer is due, in the queue's business hours from when the case was received."""
    queue = context.queue(case)
    if queue is None:
        case.first_answer_due = case.received_at + FIRST_ANSWER_WITHOUT_QUEUE
    else:
        case.first_answer_due = business_hours.due(case.received_at, queue.first_answer_minutes, queue)
    case.next_escalation_at = case.first_answer_due


async def _needs_person(context: Context, history: AuthorHistory, mention: Mention, match: MentionBrand) -> bool:
    """Severe whoever says it and however; negative, a lead, or a question to us, unless it is spam or the author is muted."""
    if match.severity:
        return True
    if match.intent == "spam" or history.is_muted(match.brand_id, mention.author_id):
        return False
    if match.matched_by == "member" or match.effective_sentiment == "negative":
        return True
    if match.intent in OPENING_INTENTS:
        return True
    return match.intent == "question" and await _addresses_us(context, mention, match)


async def _addresses_us(context: Context, mention: Mention, match: MentionBrand) -> bool:
    """Whether it addresses the brand and not only mentions it: it names our handle, or is in our channel or thread."""
    if match.matched_by in ("own channel", "addressed") or match.case_id is not None:
        return True
    if _names_own_account(context.configuration.brands[match.brand_id], mention):
        return True
    if mention.parent is None:
        return False
    ours = select(Reply.id).where(Reply.platform == mention.platform, Reply.native_id == mention.parent)
    return await context.session.scalar(ours) is not None


def _names_own_account(brand: Brand, mention: Mention) -> bool:
    handles = brand.own_accounts.get(mention.platform, ())
    return any(f"@{fold(handle).lstrip('@')}" in mention.folded for handle in handles)
