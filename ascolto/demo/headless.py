"""`ascolto demo --headless`: a whole day in a few seconds, through the real pipeline, with a scripted manager for each language.

Only the clock is not real: it steps from one event to the next. The square is spoken to over HTTP, everything is written to
a SQLite file, and every step is the one that `ascolto run` takes.
"""

import heapq
import tempfile
from collections import Counter
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

from ascolto import flow
from ascolto.demo import story
from ascolto.demo.square import Square, tell
from ascolto.house import House
from connections.http import session as http_session
from connections.square import Square as SquareConnection
from insights import digests
from languages import translator
from listener.square import SquareEar
from models.case import IN_FLIGHT, OPEN, Alert, Case, CaseEvent, EventKind, Reply
from models.catalogue import Contents
from models.mention import Mention, MentionBrand
from models.sentiment import load as load_reader
from models.source import Kind
from models.text import one_line
from responders.square import SquareVoice
from store import catalogue as catalogues
from store import schema, sources
from triage import actions, replying, wording
from triage.card import Card, card
from triage.publishing import Mouth
from triage.turn import Turn

DAY: Final = datetime(2026, 11, 23, tzinfo=UTC) - timedelta(hours=1)
"""Midnight in Rome."""
TEAM: Final = {"italian": "chiara", "romanian": "ana", "others": "tom"}
THINKING: Final = timedelta(minutes=3)
REST: Final = timedelta(minutes=4)
NEWSROOM: Final = 10_000
"""Readers above which an account is left to the lead."""
WORDS: Final = {
    "it": "{author} ci dispiace, ha ragione a scriverci. Ci mandi in privato corsa e data: lo verifichiamo subito. {link}",
    "ro": "{author} ne pare rău, aveți dreptate să ne scrieți. Trimiteți-ne în privat cursa și data și verificăm. {link}",
    "en": "{author} we are sorry, you are right to tell us. Send us coach and date privately and we will look into it. {link}",
}
CALM: Final = {
    "it": "{author} buongiorno e grazie di averci scritto! Ci mandi in privato qualche dettaglio e le rispondiamo. {link}",
    "ro": "{author} bună ziua și mulțumim că ne-ați scris! Trimiteți-ne în privat câteva detalii și vă răspundem. {link}",
    "en": "{author} hello and thank you for writing! Send us a few details privately and we will get back to you. {link}",
}
"""To whoever does not complain."""

Step = Callable[[], Awaitable[None]]


async def play(console: Console) -> bool:
    """Plays the day; returns whether nothing was left half done. Ends with one line of JSON."""
    with tempfile.TemporaryDirectory(prefix="ascolto-demo-") as folder:
        day = Day(console, Path(folder) / "ascolto.db")
        try:
            await day.open()
            await day.run()
            return await day.close_the_books()
        finally:
            await day.close()


class Day:
    def __init__(self, console: Console, database: Path) -> None:
        self.console = console
        self.now = DAY
        schema.prepare(database)
        self.house = House(database, load_reader(), now=lambda: self.now)
        self.square = Square(lambda: self.now)
        self.tally: Counter[str] = Counter()
        self._queue: list[tuple[datetime, int, Step]] = []
        self._order = count()
        self._busy: dict[str, datetime] = {}
        self._undone = False
        self._feelings = {event.id: event.feeling for event in story.read()}

    async def open(self) -> None:
        await self.square.start()
        self._http = http_session()
        connection = SquareConnection("square", self.square.url, self._http)
        self.ear, self.voice = SquareEar(connection), SquareVoice(connection)
        self._heard = self.ear.listen(None)
        self.mouth = Mouth(self.house.store, self.voice)
        self.house.capabilities["square"] = self.voice.capabilities
        contents = msgspec.toml.decode(story.BRAND.read_bytes(), type=Contents)
        async with self.house.store.writing() as session:
            await catalogues.apply(session, contents, self.now)
            await sources.write(session, [self._well("ear"), self._well("voice")], self.now)
        self._followers: dict[str, list[story.Event]] = {}
        for event in story.read():
            if event.after:
                self._followers.setdefault(event.after, []).append(event)
            else:
                self._at(DAY + event.at, self._telling(event))

    def _well(self, kind: Kind) -> sources.Seen:
        return sources.Seen(kind=kind, name="square", platform="square", health="ok", since=self.now)

    async def close(self) -> None:
        await self._heard.aclose()
        await self.square.stop()
        await self._http.close()
        await self.house.close()

    async def run(self) -> None:
        """One event after the other; after each, every step of the flow does what it finds to do."""
        while self._queue:
            moment, _, step = heapq.heappop(self._queue)
            self.now = max(self.now, moment)
            await step()
            await self._flow()
            await self._work()

    def _at(self, moment: datetime, step: Step) -> None:
        heapq.heappush(self._queue, (moment, next(self._order), step))

    def _telling(self, event: story.Event) -> Step:
        async def telling() -> None:
            if event.kind == "replay":
                self._say(Text(f"the network hiccups: the last {event.replay} posts arrive again", "dim"))
            tell(self.square, event)
            await self._hear()

        return telling

    async def _hear(self) -> None:
        heard = await anext(self._heard)
        written = await flow.write(self.house, self.ear, heard, quiet=False)
        if written:
            self.tally["duplicates"] += written.duplicates

    async def _flow(self) -> None:
        catalogue = await self.house.catalogue()
        last = await self._last_event()
        while await self.house.triage.read_batch(catalogue, self.now):
            pass
        while await self.house.explainer.explain_batch(self.house.now()):
            pass
        await flow.clock_step(self.house)
        while await self.mouth.speak(catalogue, self.now):
            pass
        await self._tell_events(last)

    async def _last_event(self) -> int:
        async with self.house.store.reading() as session:
            return await session.scalar(select(func.max(CaseEvent.id))) or 0

    async def _tell_events(self, last: int) -> None:
        """What the pipeline did by itself, in the transcript."""
        async with self.house.store.reading() as session:
            turn = await self._turn(session)
            for event in await session.scalars(select(CaseEvent).where(CaseEvent.id > last).order_by(CaseEvent.id)):
                shown = await card(turn, event.case_id)
                await self._tell_event(turn, event, shown)

    async def _tell_event(self, turn: Turn, event: CaseEvent, shown: Card) -> None:
        said = one_line(shown.latest.text or "(deleted)", 88)
        if event.kind == "opened":
            mood = f"{shown.sentiment} {shown.latest.confidence:.0%}"
            if shown.latest.moved:
                mood += f" ({wording.moved(shown.latest.moved[:3])})"
            alike = f", {shown.storm} say the same" if shown.storm > 1 else ""
            grave = f", GRAVE: {shown.grave}" if shown.grave else ""
            self._say(Text.assemble((f"@{shown.author}", "bold"), f" “{said}”"))
            self._say(
                Text(f"   → case #{shown.case}: {shown.intent}, {mood}{alike}{grave} · {shown.queue}", "yellow"), False
            )
        elif event.kind in ("heard", "edited", "deleted"):
            sentence = wording.event(event, turn.catalogue, translator("en"), "Europe/Rome")
            self._say(Text.assemble((f"@{shown.author}", "bold"), f" “{said}”"))
            self._say(Text(f"   → #{shown.case}: {sentence} It is {shown.state}.", "yellow"), False)
        elif event.kind == "late":
            called = event.detail.get("called", "")
            self._say(Text(f"#{shown.case} is late: it is the turn of {called}", "red"))
        elif event.kind == "published":
            self._say(Text(f"published under #{shown.case}: {event.text}", "green"))
            for following in self._followers.pop(await self._answered_post(event), []):
                reply = self.square.said[-1].id
                self._at(self.now + following.at, self._telling(msgspec.structs.replace(following, under=reply)))

    async def _answered_post(self, event: CaseEvent) -> str:
        async with self.house.store.reading() as session:
            reply = await session.get_one(Reply, int(event.detail["reply"]))
            return (await session.get_one(Mention, reply.mention_id)).native_id

    async def _work(self) -> None:
        """Every manager who is free takes the most pressing case of their queue."""
        catalogue = await self.house.catalogue()
        for queue, slug in TEAM.items():
            if self._busy.get(slug, self.now) > self.now:
                continue
            async with self.house.store.reading() as session:
                case = await session.scalar(
                    select(Case)
                    .where(Case.state == "waiting", Case.queue_id == catalogue.queues.id_of(queue))
                    .order_by(Case.rank.desc())
                    .limit(1)
                )
            if case is not None:
                self._busy[slug] = self.now + THINKING + REST
                await self._take(case.id, slug)

    async def _take(self, number: int, slug: str) -> None:
        shown = await self._do(slug, lambda turn, me: actions.claim(turn, number, me), number)
        if shown.storm > 1 and any(part.name == "storm" for part in shown.parts) and await self._said_already(number):
            await self._do(slug, lambda turn, me: actions.dismiss(turn, number, me, "solved"), number)
            self._did(slug, f"dismisses #{number}: our answer to the same words stands already")
        elif self._feelings.get(shown.latest.url.rpartition("/")[2]) == "+":
            await self._do(slug, lambda turn, me: actions.correct(turn, number, me, "positive"), number)
            await self._do(slug, lambda turn, me: actions.dismiss(turn, number, me, "no-answer"), number)
            self._did(slug, f"corrects #{number}: the reader was wrong, this is praise")
        elif (shown.followers or 0) >= NEWSROOM:
            await self._to_the_lead(shown, slug)
        elif shown.latest.deleted:
            await self._do(slug, lambda turn, me: actions.dismiss(turn, number, me, "solved"), number)
            self._did(slug, f"dismisses #{number}: the author took it back")
        else:
            if shown.grave:
                await self._do(
                    slug, lambda turn, me: actions.escalate(turn, number, me, "the lead should know"), number
                )
                self._did(slug, f"escalates #{number} ({shown.grave}) and answers")
            self._at(self.now + THINKING, lambda: self._answer(number, slug))

    async def _said_already(self, number: int) -> bool:
        async with self.house.store.reading() as session:
            storm = await session.scalar(select(Case.storm_id).where(Case.id == number))
            said = select(func.count()).where(Case.storm_id == storm, Case.first_answered_at.is_not(None))
            return (await session.scalar(said) or 0) >= 2

    async def _to_the_lead(self, shown: Card, slug: str) -> None:
        number = shown.case
        await self._do(
            slug, lambda turn, me: actions.note(turn, number, me, "A newsroom: the press office calls them."), number
        )
        await self._do(slug, lambda turn, me: actions.escalate(turn, number, me, "press"), number)
        await self._do(slug, lambda turn, me: actions.assign(turn, number, me, "lidia", "for the press office"), number)
        self._did(slug, f"notes and escalates #{number}, {shown.followers} readers, and hands it to Lidia")
        await self._do(
            "lidia", lambda turn, me: actions.dismiss(turn, number, me, "answered by the press office"), number
        )
        self._did("lidia", f"closes #{number}: the press office answers by phone")

    async def _answer(self, number: int, slug: str) -> None:
        """From the suggestion, with a hand's touch; the day's first approval is taken back once and mended."""
        shown = await self._card(number)
        if shown.state != "claimed":
            return
        best = shown.suggestions[0] if shown.suggestions else None
        words = (WORDS if shown.sentiment == "negative" else CALM)[shown.language if shown.language in WORDS else "en"]
        text = best.text if best else words.format(author=f"@{shown.author}", link="https://vialunga.example/aiuto")
        text += f" — {slug.capitalize()}"
        reply = await self._draft_and_approve(number, slug, text, best.code if best else None)
        begin = f"begins from “{best.code}”" if best else "writes"
        self._did(slug, f"answers #{number} ({begin}): “{one_line(text, 96)}”")
        if not self._undone:
            self._undone = True
            await self._do(slug, lambda turn, me: replying.undo(turn, reply, me), number)
            await self._draft_and_approve(number, slug, text.replace(" — ", " "), None)
            self._did(slug, f"takes it back within ten seconds, mends the signature and approves #{number} again")
        self._at(self.now + replying.UNDO, _nothing)

    async def _draft_and_approve(self, number: int, slug: str, text: str, code: str | None) -> int:
        async with self.house.store.writing() as session:
            turn = await self._turn(session)
            me = turn.catalogue.members.id_of(slug) or 0
            reply = await replying.draft(turn, number, me, text, code)
            await replying.approve(turn, reply.id, reply.revision, me)
            return reply.id

    async def _do(self, slug: str, action: Callable[[Turn, int], Awaitable[object]], number: int) -> Card:
        async with self.house.store.writing() as session:
            turn = await self._turn(session)
            await action(turn, turn.catalogue.members.id_of(slug) or 0)
        return await self._card(number)

    async def _card(self, number: int) -> Card:
        async with self.house.store.reading() as session:
            return await card(await self._turn(session), number)

    async def _turn(self, session) -> Turn:  # type: ignore[no-untyped-def]
        return self.house.turn(session, await self.house.catalogue())

    def _say(self, words: Text, clock: bool = True) -> None:
        here = f"{self.now + timedelta(hours=1):%H:%M}" if clock else "     "
        self.console.print(Text.assemble((here, "cyan"), "  ", words), soft_wrap=True)

    def _did(self, slug: str, what: str) -> None:
        self._say(Text(f"   {slug.capitalize()} {what}", "magenta"), False)

    async def close_the_books(self) -> bool:
        """The digest, what was left half done, and the line of JSON."""
        catalogue = await self.house.catalogue()
        async with self.house.store.reading() as session:
            turn = self.house.turn(session, catalogue)
            period = digests.period_of("day", None, self.now, "Europe/Rome")
            lines = await digests.digest(
                turn, digests.whole(catalogue, ["vialunga"], "Europe/Rome", "en"), period, translator("en")
            )
            counted = await self._counted(session)
            left = await self._left(session)
        self.console.print()
        for line in lines:
            self.console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)
        self.console.print()
        for what, number in left.items():
            if number:
                self.console.print(f"left half done: {number} {what}", style="red")
        counted["digest_lines"] = len(lines)
        print(msgspec.json.encode(counted).decode())  # noqa: T201 - the last line is for machines
        return not any(left.values())

    async def _counted(self, session: AsyncSession) -> dict[str, int]:
        felt = func.coalesce(MentionBrand.corrected, MentionBrand.sentiment)
        return {
            "mentions": await _number(session, select(func.count(Mention.id))),
            "duplicates": self.tally["duplicates"],
            "negative": await _number(session, select(func.count(MentionBrand.mention_id)).where(felt == "negative")),
            "cases": await _number(session, select(func.count(Case.id))),
            "claimed": await _number(session, _cases_with("claimed")),
            "replies_published": await _number(session, select(func.count(Reply.id)).where(Reply.state == "published")),
            "dismissed": await _number(session, _cases_with("dismissed")),
            "escalated": await _number(session, _cases_with("escalated", "late")),
            "alerts": await _number(session, select(func.count(Alert.id))),
        }

    async def _left(self, session: AsyncSession) -> dict[str, int]:
        unread = select(func.count(MentionBrand.mention_id)).where(MentionBrand.read_at.is_(None))
        under_way = select(func.count(Reply.id)).where(Reply.state.in_((*IN_FLIGHT, "draft")))
        return {
            "mentions unread": await _number(session, unread),
            "cases open": await _number(session, select(func.count(Case.id)).where(Case.state.in_(OPEN))),
            "replies on their way": await _number(session, under_way),
        }


async def _number(session: AsyncSession, statement: Select[int]) -> int:
    return await session.scalar(statement) or 0


def _cases_with(*kinds: EventKind) -> Select[int]:
    return select(func.count(CaseEvent.case_id.distinct())).where(CaseEvent.kind.in_(kinds))


async def _nothing() -> None:
    """Time passes."""
