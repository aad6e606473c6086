"""`ascolto demo --headless`: a whole day in a few seconds, through the real pipeline, with a scripted manager for each language.

Only the clock is not real: it jumps from one event to the next. The square is reached over HTTP, everything is written to a
SQLite file, and every step is the one that `ascolto run` takes.
"""

import heapq
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.text import Text
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ascolto import workers
from ascolto.application import Application
from ascolto.demo import story
from ascolto.demo.square import Square, play_event
from cards.case_view import CaseView, case_view
from connections.http import session as http_session
from connections.square import Square as SquareConnection
from insights import digests
from languages import translator
from listener.square import SquareListener
from models.configuration import ConfigurationFile
from models.sentiment import load as load_reader
from models.tables.alert import Alert
from models.tables.case import OPEN, Case, CaseEvent, EventKind
from models.tables.connection_status import Role
from models.tables.mention import Mention, MentionBrand
from models.tables.reply import IN_FLIGHT, Reply
from models.text import one_line
from publishing import approvals, replies, undo
from publishing.context import ReplyContext
from publishing.sending import ReplyPublisher
from responders.square import SquareResponder
from store import connection_status, schema
from store.configuration import apply_changes
from triage import case_actions, labels

DAY: Final = datetime(2026, 11, 23, tzinfo=UTC) - timedelta(hours=1)
"""Midnight in Rome."""
TEAM: Final = {"italian": "chiara", "romanian": "ana", "others": "tom"}
"""The manager of each queue."""
TIME_TO_ANSWER: Final = timedelta(minutes=3)
BREAK: Final = timedelta(minutes=4)
NEWSROOM: Final = 10_000
"""Followers from which an account is left to the lead."""
APOLOGY: Final = {
    "it": "{author} ci dispiace, ha ragione a scriverci. Ci mandi in privato corsa e data: lo verifichiamo subito. {link}",
    "ro": "{author} ne pare rău, aveți dreptate să ne scrieți. Trimiteți-ne în privat cursa și data și verificăm. {link}",
    "en": "{author} we are sorry, you are right to tell us. Send us coach and date privately and we will look into it. {link}",
}
GREETING: Final = {
    "it": "{author} buongiorno e grazie di averci scritto! Ci mandi in privato qualche dettaglio e le rispondiamo. {link}",
    "ro": "{author} bună ziua și mulțumim că ne-ați scris! Trimiteți-ne în privat câteva detalii și vă răspundem. {link}",
    "en": "{author} hello and thank you for writing! Send us a few details privately and we will get back to you. {link}",
}
"""To authors who do not complain."""

Step = Callable[[], Awaitable[None]]


async def play(console: Console) -> bool:
    """Plays the day; returns whether nothing was left unfinished. Ends with one line of JSON."""
    with tempfile.TemporaryDirectory(prefix="ascolto-demo-") as folder:
        day = Day(console, Path(folder) / "ascolto.db")
        try:
            await day.start()
            await day.run()
            return await day.report()
        finally:
            await day.close()


class Day:
    def __init__(self, console: Console, database: Path) -> None:
        self.console = console
        self.now = DAY
        schema.prepare(database)
        self.application = Application(database, load_reader(), now=lambda: self.now)
        self.square = Square(lambda: self.now)
        self.duplicates = 0
        self._steps: list[tuple[datetime, int, Step]] = []
        self._order = count()
        self._busy_until: dict[str, datetime] = {}
        self._has_undone = False
        self._true_sentiments = {event.id: event.sentiment for event in story.read()}

    async def start(self) -> None:
        await self.square.start()
        self._http = http_session()
        connection = SquareConnection("square", self.square.url, self._http)
        self.listener, self.responder = SquareListener(connection), SquareResponder(connection)
        self._batches = self.listener.listen(None)
        self.publisher = ReplyPublisher(self.application.store, self.responder)
        self.application.capabilities["square"] = self.responder.capabilities
        configuration = msgspec.toml.decode(story.BRAND.read_bytes(), type=ConfigurationFile)
        async with self.application.store.writing() as session:
            await apply_changes(session, configuration, self.now)
            reports = [self._connected("listener"), self._connected("responder")]
            await connection_status.save_reports(session, reports, self.now)
        self._reactions: dict[str, list[story.Event]] = {}
        for event in story.read():
            if event.after_reply_to:
                self._reactions.setdefault(event.after_reply_to, []).append(event)
            else:
                self._schedule(DAY + event.at, self._playing(event))

    def _connected(self, role: Role) -> connection_status.Report:
        return connection_status.Report(role=role, name="square", platform="square", health="connected", since=self.now)

    async def close(self) -> None:
        await self._batches.aclose()
        await self.square.stop()
        await self._http.close()
        await self.application.close()

    async def run(self) -> None:
        """One event after the other; after each, every worker does what it has to do."""
        while self._steps:
            moment, _, step = heapq.heappop(self._steps)
            self.now = max(self.now, moment)
            await step()
            await self._run_workers()
            await self._run_managers()

    def _schedule(self, moment: datetime, step: Step) -> None:
        heapq.heappush(self._steps, (moment, next(self._order), step))

    def _playing(self, event: story.Event) -> Step:
        async def step() -> None:
            if event.kind == "replay":
                self._print(Text(f"an interruption: the last {event.replay} posts are delivered again", "dim"))
            play_event(self.square, event)
            result = await workers.store_batch(
                self.application, self.listener, await anext(self._batches), skip_empty=False
            )
            self.duplicates += result.duplicates if result else 0

        return step

    async def _run_workers(self) -> None:
        configuration = await self.application.configuration()
        last = await self._last_event()
        while await self.application.classification.analyze_batch(configuration, self.now):
            pass
        while await self.application.explainer.explain_batch(self.now):
            pass
        await workers.run_due(self.application)
        while await self.publisher.publish_due(configuration, self.now):
            pass
        await self._print_events(last)

    async def _last_event(self) -> int:
        async with self.application.store.reading() as session:
            return await session.scalar(select(func.max(CaseEvent.id))) or 0

    async def _print_events(self, last: int) -> None:
        """What the workers did."""
        async with self.application.store.reading() as session:
            context = await self._context(session)
            for event in await session.scalars(select(CaseEvent).where(CaseEvent.id > last).order_by(CaseEvent.id)):
                await self._print_event(context, event, await case_view(context, event.case_id))

    async def _print_event(self, context: ReplyContext, event: CaseEvent, case: CaseView) -> None:
        post = Text.assemble((f"@{case.author}", "bold"), f" “{one_line(case.latest.text or '(deleted)', 88)}”")
        if event.kind == "opened":
            self._print(post)
            self._print_detail(f"→ case #{case.id}: {_summary(case)} · {case.queue}", "yellow")
        elif event.kind in ("author replied", "edited", "deleted"):
            sentence = labels.event(event, context.configuration, translator("en"), "Europe/Rome")
            self._print(post)
            self._print_detail(f"→ #{case.id}: {sentence} It is {case.state}.", "yellow")
        elif event.kind == "overdue":
            self._print(Text(f"#{case.id} is overdue: {', '.join(event.detail.notified)} notified", "red"))
        elif event.kind == "published":
            self._print(Text(f"published, #{case.id}: {event.text}", "green"))
            for reaction in self._reactions.pop(await self._answered_post(event), []):
                reply = self.square.replies[-1].id
                event_in_reply = msgspec.structs.replace(reaction, parent=reply)
                self._schedule(self.now + reaction.at, self._playing(event_in_reply))

    async def _answered_post(self, event: CaseEvent) -> str:
        async with self.application.store.reading() as session:
            reply = await session.get_one(Reply, event.detail.reply)
            return (await session.get_one(Mention, reply.mention_id)).native_id

    async def _run_managers(self) -> None:
        """Every available manager claims the most urgent case of their queue."""
        configuration = await self.application.configuration()
        for queue, slug in TEAM.items():
            if self._busy_until.get(slug, self.now) > self.now:
                continue
            async with self.application.store.reading() as session:
                case = await session.scalar(
                    select(Case)
                    .where(Case.state == "waiting", Case.queue_id == configuration.queues.id_of(queue))
                    .order_by(Case.rank.desc())
                    .limit(1)
                )
            if case is not None:
                self._busy_until[slug] = self.now + TIME_TO_ANSWER + BREAK
                await self._work_on(case.id, slug)

    async def _work_on(self, case_id: int, slug: str) -> None:
        case = await self._do(slug, case_id, lambda context, me: case_actions.claim(context, case_id, me))
        if case.group_size > 1 and await self._is_answered_elsewhere(case):
            await self._dismiss(slug, case_id, "solved")
            self._print_action(slug, f"dismisses #{case_id}: we have answered similar posts already")
        elif self._true_sentiments.get(case.latest.url.rpartition("/")[2]) == "+":
            await self._do(slug, case_id, lambda context, me: case_actions.correct(context, case_id, me, "positive"))
            await self._dismiss(slug, case_id, "no-answer")
            self._print_action(slug, f"corrects #{case_id}: the classifier was wrong, this is praise")
        elif (case.followers or 0) >= NEWSROOM:
            await self._assign_to_lead(case, slug)
        elif case.latest.is_deleted:
            await self._dismiss(slug, case_id, "solved")
            self._print_action(slug, f"dismisses #{case_id}: the author deleted the post")
        else:
            if case.severity:
                await self._escalate(slug, case_id, "the lead should know")
                self._print_action(slug, f"escalates #{case_id} ({case.severity}) and answers")
            self._schedule(self.now + TIME_TO_ANSWER, lambda: self._answer(case_id, slug))

    async def _is_answered_elsewhere(self, case: CaseView) -> bool:
        """Whether the case counts as a duplicate, and two cases of its group are answered."""
        if not any(part.name == "duplicates" for part in case.score_parts):
            return False
        async with self.application.store.reading() as session:
            group = await session.scalar(select(Case.duplicate_group_id).where(Case.id == case.id))
            answered = select(func.count()).where(Case.duplicate_group_id == group, Case.first_answered_at.is_not(None))
            return (await session.scalar(answered) or 0) >= 2

    async def _assign_to_lead(self, case: CaseView, slug: str) -> None:
        note = "A newsroom: the press office calls them."
        await self._do(slug, case.id, lambda context, me: case_actions.add_note(context, case.id, me, note))
        await self._escalate(slug, case.id, "press")
        await self._do(
            slug,
            case.id,
            lambda context, me: case_actions.assign(context, case.id, me, "lidia", "for the press office"),
        )
        self._print_action(slug, f"notes and escalates #{case.id}, {case.followers} followers, and assigns it to Lidia")
        await self._dismiss("lidia", case.id, "answered by the press office")
        self._print_action("lidia", f"dismisses #{case.id}: the press office answers by phone")

    async def _dismiss(self, slug: str, case_id: int, reason: str) -> None:
        await self._do(slug, case_id, lambda context, me: case_actions.dismiss(context, case_id, me, reason))

    async def _escalate(self, slug: str, case_id: int, reason: str) -> None:
        await self._do(slug, case_id, lambda context, me: case_actions.escalate(context, case_id, me, reason))

    async def _answer(self, case_id: int, slug: str) -> None:
        """Edits the suggestion; the first approval of the day is undone once and corrected."""
        case = await self._case(case_id)
        if case.state != "claimed":
            return
        suggestion = case.suggestions[0] if case.suggestions else None
        texts = APOLOGY if case.sentiment == "negative" else GREETING
        text = texts[case.language if case.language in texts else "en"]
        text = text.format(author=f"@{case.author}", link="https://vialunga.example/aiuto")
        text = (suggestion.text if suggestion else text) + f" — {slug.capitalize()}"
        reply = await self._draft_and_approve(case_id, slug, text, suggestion.code if suggestion else None)
        source = f"starts from “{suggestion.code}”" if suggestion else "writes"
        self._print_action(slug, f"answers #{case_id} ({source}): “{one_line(text, 96)}”")
        if not self._has_undone:
            self._has_undone = True
            await self._do(slug, case_id, lambda context, me: undo.undo(context, reply, me))
            await self._draft_and_approve(case_id, slug, text.replace(" — ", " "), None)
            self._print_action(
                slug, f"undoes it within ten seconds, corrects the signature and approves #{case_id} again"
            )
        self._schedule(self.now + undo.UNDO_WINDOW, _nothing)

    async def _draft_and_approve(self, case_id: int, slug: str, text: str, code: str | None) -> int:
        async with self.application.store.writing() as session:
            context = await self._context(session)
            me = context.configuration.members.id_of(slug) or 0
            reply = await replies.save_draft(context, case_id, me, text, code)
            await approvals.approve(context, reply.id, reply.revision, me)
            return reply.id

    async def _do(self, slug: str, case_id: int, action: Callable[[ReplyContext, int], Awaitable[object]]) -> CaseView:
        async with self.application.store.writing() as session:
            context = await self._context(session)
            await action(context, context.configuration.members.id_of(slug) or 0)
        return await self._case(case_id)

    async def _case(self, case_id: int) -> CaseView:
        async with self.application.store.reading() as session:
            return await case_view(await self._context(session), case_id, with_suggestions=True)

    async def _context(self, session: AsyncSession) -> ReplyContext:
        return self.application.context(session, await self.application.configuration())

    def _print(self, text: Text) -> None:
        clock = f"{self.now + timedelta(hours=1):%H:%M}"
        self.console.print(Text.assemble((clock, "cyan"), "  ", text), soft_wrap=True)

    def _print_detail(self, text: str, style: str) -> None:
        self.console.print(Text(f"          {text}", style), soft_wrap=True)

    def _print_action(self, slug: str, action: str) -> None:
        self._print_detail(f"{slug.capitalize()} {action}", "magenta")

    async def report(self) -> bool:
        """Prints the digest, what was left unfinished, and the line of JSON."""
        configuration = await self.application.configuration()
        async with self.application.store.reading() as session:
            context = self.application.context(session, configuration)
            period = digests.period_of("day", None, self.now, "Europe/Rome")
            queue = digests.queue_of_brands(configuration, ["vialunga"], "Europe/Rome", "en")
            lines = await digests.digest(context, queue, period, translator("en"))
            counts = await self._counts(session)
            unfinished = await self._unfinished(session)
        self.console.print()
        for line in lines:
            self.console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)
        self.console.print()
        for name, number in unfinished.items():
            if number:
                self.console.print(f"unfinished: {number} {name}", style="red")
        counts["digest_lines"] = len(lines)
        print(msgspec.json.encode(counts).decode())  # noqa: T201 - the last line is for machines
        return not any(unfinished.values())

    async def _counts(self, session: AsyncSession) -> dict[str, int]:
        sentiment = func.coalesce(MentionBrand.corrected_sentiment, MentionBrand.sentiment)
        negative = select(func.count(MentionBrand.mention_id)).where(sentiment == "negative")
        published = select(func.count(Reply.id)).where(Reply.state == "published")
        return {
            "mentions": await _number(session, select(func.count(Mention.id))),
            "duplicates": self.duplicates,
            "negative": await _number(session, negative),
            "cases": await _number(session, select(func.count(Case.id))),
            "claimed": await _number(session, _cases_with("claimed")),
            "replies_published": await _number(session, published),
            "dismissed": await _number(session, _cases_with("dismissed")),
            "escalated": await _number(session, _cases_with("escalated", "overdue")),
            "alerts": await _number(session, select(func.count(Alert.id))),
        }

    async def _unfinished(self, session: AsyncSession) -> dict[str, int]:
        unanalyzed = select(func.count(MentionBrand.mention_id)).where(MentionBrand.analyzed_at.is_(None))
        unpublished = select(func.count(Reply.id)).where(Reply.state.in_((*IN_FLIGHT, "draft")))
        return {
            "mentions not analyzed": await _number(session, unanalyzed),
            "cases open": await _number(session, select(func.count(Case.id)).where(Case.state.in_(OPEN))),
            "replies unpublished": await _number(session, unpublished),
        }


def _summary(case: CaseView) -> str:
    """The case's intent, sentiment and why it matters."""
    parts = [case.intent, f"{case.sentiment} {case.latest.confidence:.0%}"]
    if words := case.latest.match.influential_words:
        parts[-1] += f" ({labels.influential_words(words[:3])})"
    if case.group_size > 1:
        parts.append(f"{case.group_size} similar")
    if case.severity:
        parts.append(f"SEVERE: {case.severity}")
    return ", ".join(parts)


async def _number(session: AsyncSession, statement: Select[int]) -> int:
    return await session.scalar(statement) or 0


def _cases_with(*kinds: EventKind) -> Select[int]:
    return select(func.count(CaseEvent.case_id.distinct())).where(CaseEvent.kind.in_(kinds))


async def _nothing() -> None:
    """Time passes."""
