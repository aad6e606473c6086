"""From a mention that was read to a case: opened, joined or taken up again."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import func, or_, select

from models.case import OPEN, Case, Reply
from models.mention import Author, AuthorMute, Mention, MentionBrand
from models.text import fold
from triage import alerts, cues, hours, priority, routing, storms
from triage.cards import place_case
from triage.life import REOPEN_WINDOW, after
from triage.matching import BY_HAND, OWNED, TO_US
from triage.turn import Turn

EARLIER: Final = timedelta(days=30)
"""How far back an author's other cases count as repetition."""
NO_QUEUE_FIRST: Final = timedelta(hours=1)
NO_QUEUE_RESOLUTION: Final = timedelta(hours=8)
LOUD: Final = "loud"
OPENING: Final = frozenset({"complaint", "lead", "crisis"})


class Intake:
    """What must be known of some authors before their mentions are taken in, asked once for a whole batch."""

    def __init__(self, cases: Iterable[Case], mutes: Iterable[AuthorMute]) -> None:
        self._cases: dict[tuple[int, int], list[Case]] = {}
        for case in cases:
            self.opened(case)
        self._mutes = {(mute.brand_id, mute.author_id) for mute in mutes}

    @classmethod
    async def of(cls, turn: Turn, author_ids: Iterable[int]) -> "Intake":
        wanted = list(set(author_ids))
        recent = or_(
            Case.state.in_(OPEN), Case.opened_at >= turn.now - EARLIER, Case.ended_at >= turn.now - REOPEN_WINDOW
        )
        cases = await turn.session.scalars(select(Case).where(Case.author_id.in_(wanted), recent).order_by(Case.id))
        mutes = await turn.session.scalars(select(AuthorMute).where(AuthorMute.author_id.in_(wanted)))
        return cls(cases, mutes)

    def opened(self, case: Case) -> None:
        self._cases.setdefault((case.brand_id, case.author_id), []).append(case)

    def goes_on(self, turn: Turn, brand_id: int, author_id: int, thread: str) -> Case | None:
        """The case that a mention goes on with: the open one, else the last that ended not too long ago."""
        same = [case for case in self._cases.get((brand_id, author_id), ()) if case.thread == thread]
        for case in reversed(same):
            if case.state in OPEN:
                return case
        last = same[-1] if same else None
        return last if last and last.ended_at and turn.now - last.ended_at <= REOPEN_WINDOW else None

    def earlier(self, turn: Turn, brand_id: int, author_id: int) -> int:
        """How many cases this author had with the brand of late."""
        cases = self._cases.get((brand_id, author_id), ())
        return sum(case.opened_at >= turn.now - EARLIER for case in cases)

    def muted(self, brand_id: int, author_id: int) -> bool:
        return (brand_id, author_id) in self._mutes


async def take(
    turn: Turn, intake: Intake, mention: Mention, author: Author, read: MentionBrand, *, opens: bool
) -> Case | None:
    """The case that a mention belongs to after it was read, or None. `opens` is false for what is only stored."""
    case = intake.goes_on(turn, read.brand_id, author.id, mention.thread)
    needs = await _needs_a_human(turn, intake, mention, read)
    if case is not None:
        return await _join(turn, case, mention, read, needs=needs)
    return await open_case(turn, intake, mention, author, read) if opens and needs else None


async def open_case(
    turn: Turn, intake: Intake, mention: Mention, author: Author, read: MentionBrand, member: int | None = None
) -> Case:
    """A new case, routed, with its deadlines, its place in a storm and on the desks."""
    case = _new(turn, mention, read, member)
    case.grave = case.grave or _loud(turn, case, author)
    turn.session.add(case)
    await turn.session.flush()
    read.case_id = case.id
    storm = await storms.join(turn, case, mention.folded)
    earlier = intake.earlier(turn, read.brand_id, author.id)
    _weigh(case, negative=read.negative or 0.0, followers=author.followers, earlier=earlier, storm=storm)
    turn.note(case, "opened", member)
    intake.opened(case)
    await place_case(turn, case)
    if case.grave:
        await alerts.grave(turn, case, _grave_words(case.grave, mention, author))
    return case


def _new(turn: Turn, mention: Mention, read: MentionBrand, member: int | None) -> Case:
    language = read.language or "und"
    case = Case(
        brand_id=read.brand_id,
        author_id=mention.author_id,
        platform=mention.platform,
        thread=mention.thread,
        queue_id=routing.route(turn.catalogue, read.brand_id, language, read.topics),
        language=language,
        state="waiting",
        intent=read.intent or "chatter",
        sentiment=read.felt or "neutral",
        topics=read.topics,
        grave=read.grave,
        points=0,
        parts=(),
        rank=0,
        mentions=1,
        opened_at=turn.now,
        opened_by=member,
        heard_at=mention.heard_at,
        last_heard_at=mention.heard_at,
        level=0,
        revision=0,
    )
    set_deadlines(turn, case)
    return case


def _loud(turn: Turn, case: Case, author: Author) -> str | None:
    """What a great many will read is grave when it is bad, whatever words it uses."""
    queue = turn.queue(case)
    return LOUD if queue and case.sentiment == "negative" and (author.followers or 0) >= queue.loud_followers else None


def _grave_words(grave: str, mention: Mention, author: Author) -> list[str]:
    return [author.handle] if grave == LOUD else cues.words(grave, mention.text)


async def weigh(turn: Turn, case: Case) -> None:
    """Counts a case's points anew from what is written down."""
    await turn.session.flush()
    author = await turn.session.get_one(Author, case.author_id)
    others = select(func.count(Case.id)).where(
        Case.brand_id == case.brand_id,
        Case.author_id == case.author_id,
        Case.id != case.id,
        Case.opened_at >= turn.now - EARLIER,
    )
    _weigh(
        case,
        negative=await _negativity(turn, case),
        followers=author.followers,
        earlier=await turn.session.scalar(others) or 0,
        storm=await storms.size(turn, case.storm_id) if case.storm_id else 1,
    )


def _weigh(case: Case, *, negative: float, followers: int | None, earlier: int, storm: int) -> None:
    case.parts = priority.parts(
        negative=negative,
        intent=case.intent,
        grave=case.grave,
        followers=followers,
        mentions=case.mentions,
        earlier=earlier,
        storm=storm,
    )
    case.points = priority.total(case.parts)
    case.rank = priority.rank(case.points, case.heard_at)


async def _negativity(turn: Turn, case: Case) -> float:
    """Of its worst mention; where a member corrected the reader, the member is right."""
    rows = await turn.session.execute(
        select(MentionBrand.negative, MentionBrand.corrected).where(
            MentionBrand.case_id == case.id, MentionBrand.brand_id == case.brand_id
        )
    )
    return max((float(c == "negative") if c else n or 0.0 for n, c in rows), default=0.0)


async def _join(turn: Turn, case: Case, mention: Mention, read: MentionBrand, *, needs: bool) -> Case:
    """The author goes on: the case takes the mention in, and wakes or is taken up again when that needs a human."""
    new = read.case_id != case.id
    read.case_id = case.id
    if new:
        case.mentions += 1
        case.last_heard_at = mention.heard_at
    graver = bool(read.grave) and read.grave != case.grave
    worse = read.felt == "negative" and case.sentiment != "negative"
    if needs:
        case.intent = read.intent or case.intent
        case.grave = read.grave or case.grave
        case.sentiment = "negative" if read.felt == "negative" else case.sentiment
        # A post that was only edited takes an ended case up again when it says something worse than before.
        if new or graver or worse or case.state in OPEN:
            await _wake(turn, case)
    if not new and case.mentions == 1:
        _know_better(turn, case, read)
    await weigh(turn, case)
    if new:
        turn.note(case, "heard")
    if graver:
        author = await turn.session.get_one(Author, case.author_id)
        await alerts.grave(turn, case, _grave_words(str(case.grave), mention, author))
    return case


def _know_better(turn: Turn, case: Case, read: MentionBrand) -> None:
    """Its only mention was read only now, or read again: a case opened by hand, or a post that was edited."""
    case.language, case.topics = read.language or case.language, read.topics
    case.sentiment = read.felt or case.sentiment
    case.intent = read.intent or case.intent
    if case.claimed_by is None:
        case.queue_id = routing.route(turn.catalogue, case.brand_id, case.language, case.topics)


async def _wake(turn: Turn, case: Case) -> None:
    ended = case.state not in OPEN
    case.state = after(case.state, "hear")
    if case.state == "waiting":
        case.snoozed_until = None
    if ended:
        _deadlines_again(turn, case)
        await place_case(turn, case)


def _deadlines_again(turn: Turn, case: Case) -> None:
    """What had ended begins again: nobody's, and due anew from now."""
    case.heard_at = turn.now
    case.claimed_by = case.claim_until = case.ended_at = case.ended_reason = case.first_answered_at = None
    case.level = 0
    set_deadlines(turn, case)


def set_deadlines(turn: Turn, case: Case) -> None:
    """Both deadlines, in the queue's working hours from when it was heard; a case of no queue has an hour, and eight."""
    queue = turn.queue(case)
    if queue is None:
        case.first_answer_due = case.heard_at + NO_QUEUE_FIRST
        case.resolution_due = case.heard_at + NO_QUEUE_RESOLUTION
    else:
        case.first_answer_due = hours.due(case.heard_at, queue.first_answer_minutes, queue)
        case.resolution_due = hours.due(case.heard_at, queue.resolution_minutes, queue)
    case.step_due = case.first_answer_due


async def _needs_a_human(turn: Turn, intake: Intake, mention: Mention, read: MentionBrand) -> bool:
    """Negative, a question to us, a threat or a lead; never spam, never a muted author."""
    if read.intent == "spam" or intake.muted(read.brand_id, mention.author_id):
        return False
    if read.query == BY_HAND or read.felt == "negative" or read.grave or read.intent in OPENING:
        return True
    return read.intent == "question" and await _to_us(turn, mention, read)


async def _to_us(turn: Turn, mention: Mention, read: MentionBrand) -> bool:
    """Whether it speaks to the brand and not only of it: it names a handle of ours, or stands in a channel or thread of ours."""
    if read.query in (OWNED, TO_US) or read.case_id is not None:
        return True
    handles = turn.catalogue.brands[read.brand_id].own.get(mention.platform, ())
    if any(f"@{fold(handle).lstrip('@')}" in mention.folded for handle in handles):
        return True
    if mention.parent is None:
        return False
    ours = select(Reply.id).where(Reply.platform == mention.platform, Reply.native_id == mention.parent)
    return await turn.session.scalar(ours) is not None
