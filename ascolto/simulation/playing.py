"""One process of the simulation: the real house, stepped ten seconds at a time until its day is over or it is killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from sqlalchemy import func, select

from ascolto import flow
from ascolto.house import House
from ascolto.simulation.far import Far, FarEar, FarVoice, Message, outages
from ascolto.simulation.people import DESKS, Person
from desk import buttons, discord, slack, telegram
from languages import Translator
from models.case import IN_FLIGHT, OPEN, Case, Reply
from models.catalogue import Brand, BrandQuery, Chat, Contents, Member, Queue
from models.desk import Action
from models.errors import EdgeError, Unavailable
from models.sentiment import load as load_reader
from store import cases as case_lists
from store import catalogue as catalogues
from store import desks, mentions, schema
from triage.boards import Board
from triage.card import Card
from triage.desking import Outcome, perform
from triage.publishing import Mouth
from triage.viewing import AlertView, View

STEP: Final = timedelta(seconds=10)
BEGIN: Final = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LANGUAGES: Final = ("it", "ro", "en")
HOMES: Final = {"it": ("slack", "telegram"), "ro": ("telegram", "discord"), "en": ("slack", "discord")}
PACES: Final = {"slack": slack.PACE, "telegram": telegram.PACE, "discord": discord.PACE}
AFTER_HOURS: Final = timedelta(hours=3)
"""For which the team goes on at most after the last post, until nothing is left."""
ALERTS_FIRST: Final = 0.1
"""How often a manager goes by the alerts, which may be about what somebody has taken since."""
NEWEST_FIRST: Final = 0.3
STRANGER: Final = 0.01
"""How often a step brings a click from somebody who is no member."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    managers: int = 20
    hours: float = 8.0
    seed: int = 1
    cases_an_hour: float = 380.0


def contents(plan: Plan) -> Contents:
    """One brand, a queue a language; a fifth of the managers approve, and what is Romanian needs their yes."""
    slugs = [f"m{n}" for n in range(1, plan.managers + 1)]
    leads = slugs[: max(1, plan.managers // 10)]
    approvers = slugs[: max(3, plan.managers // 5)]
    members = tuple(
        Member(
            slug=slug, name=slug.upper(), language=LANGUAGES[n % 3], identities=dict.fromkeys(DESKS, slug),
            role="lead" if slug in leads else "approver" if slug in approvers else "manager",
        )
        for n, slug in enumerate(slugs)
    )  # fmt: skip
    queues = tuple(
        Queue(
            slug=f"trains-{language}", name=f"Trains {language}", brands=("ferroviola",), languages=(language,),
            language=language, team=tuple(slugs), first_answer_minutes=30, step_minutes=15, claim_minutes=20,
            chain=("holder", *leads[:1], "lead", "everyone"), approvals=int(language == "ro"), risky_approvals=1,
            chats=tuple(Chat(desk=desk, chat=f"{desk}-{language}") for desk in HOMES[language]),
        )
        for language in LANGUAGES
    )  # fmt: skip
    brand = Brand(
        slug="ferroviola",
        name="Ferroviola",
        queries=(BrandQuery(slug="name", text="ferroviola"),),
        links=("ferroviola.example",),
        publish={"square": "square"},
    )
    return Contents(brands=(brand,), queues=queues, members=members)


class FarChats:
    """One chat system as the house sees it, and the managers' answers."""

    def __init__(self, far: Far, desk: str, play: "Play") -> None:
        self.name = self.platform = desk
        self.pace = PACES[desk]
        self._far, self._play = far, play

    async def show(self, view: View, chat: str, address: str | None, t: Translator) -> str:
        self._far.take(self.name, chat, self._play.now)
        if isinstance(view, Card):
            shown = Message(int(address or 0), self.name, chat, "case", view.case, view.revision, view.buttons)
        elif isinstance(view, AlertView):
            verbs = tuple(button.verb for button in buttons.on_alert(view, t))
            shown = Message(int(address or 0), self.name, chat, "alert", view.card.case, 1, verbs)
        else:
            shown = Message(int(address or 0), self.name, chat, "digest", 0, 1, ())
        return str(self._far.draw(shown, self._play.now))

    async def answer(self, action: Action, outcome: Outcome, _t: Translator) -> None:
        if self._far.is_away(self.name, self._play.now):
            raise Unavailable(f"{self.name} is away")
        self._play.told(self.name, action, outcome)


class Play:
    def __init__(self, folder: Path, plan: Plan) -> None:
        self.plan = plan
        self.database = folder / "ascolto.db"
        self.far = Far(folder / "far.db")
        self.now = self.far.now or BEGIN
        self.end = BEGIN + timedelta(hours=plan.hours)
        self.chance = Random(f"{plan.seed}:{self.now.timestamp()}")  # noqa: S311 - a game
        self.people = {
            member.slug: Person(self.far, member.slug, DESKS[n % 4], approver=member.at_least("approver"))
            for n, member in enumerate(contents(plan).members)
        }
        self._resting: dict[str, datetime] = {}

    @asynccontextmanager
    async def house(self) -> AsyncIterator[House]:
        new = not self.database.exists()
        schema.prepare(self.database)
        house = House(self.database, load_reader(), now=lambda: self.now)
        house.capabilities["square"] = FarVoice.capabilities
        async with house.store.writing() as session:
            await catalogues.apply(session, contents(self.plan), self.now)
        if new:
            for desk, began, ends in outages(self.chance, BEGIN, self.plan.hours):
                self.far.run("INSERT INTO outage VALUES (?, ?, ?)", desk, began.timestamp(), ends.timestamp())
        try:
            yield house
        finally:
            await house.close()
            self.far.close()

    async def run(self) -> None:
        async with self.house() as house:
            self.ear, self.voice = FarEar(self.far), FarVoice(self.far, self.chance)
            self.mouth = Mouth(house.store, self.voice)
            await self.mouth.doubt_all(self.now)
            self.boards = {
                desk: Board(house.store, FarChats(self.far, desk, self), house.checker) for desk in DESKS[:3]
            }
            while self.now < self.end + AFTER_HOURS:
                await self._step(house)
                if self.now > self.end and await self._nothing_left(house):
                    return

    async def _step(self, house: House) -> None:
        self.now += STEP
        self.voice.now = self.now
        self.far.set_clock(self.now)
        if self.now < self.end:
            self._people_post()
        await self._hear(house)
        catalogue = await house.catalogue()
        while await house.triage.read_batch(catalogue, self.now):
            pass
        await flow.clock_step(house)
        for desk, board in self.boards.items():
            await self._desk(house, desk, board)
        await self._managers(house)
        try:
            await self.mouth.speak(catalogue, self.now)
        except EdgeError:
            self.far.count("the voice was put off")

    def _people_post(self) -> None:
        """So many a step on average; now and then many say the same."""
        mean = self.plan.cases_an_hour * STEP.total_seconds() / 3600
        many = self.chance.random() < 0.0006
        count = 30 if many else int(mean) + (self.chance.random() < mean % 1)
        language = self.chance.choice(LANGUAGES)
        for _ in range(count):
            text, language = COMPLAINTS.storm(self.chance, language) if many else COMPLAINTS.one(self.chance)
            self.far.post(f"a{self.chance.randrange(10**9)}", text, language, self.now)

    async def _hear(self, house: House) -> None:
        async with house.store.reading() as session:
            bookmark = await mentions.bookmark_of(session, self.ear.name)
        heard = self.ear.heard(bookmark, self.chance)
        if heard is not None:
            written = await flow.write(house, self.ear, heard, quiet=False)  # type: ignore[arg-type]
            self.far.count("posts told twice", written.duplicates if written else 0)

    async def _desk(self, house: House, desk: str, board: Board) -> None:
        """What was clicked there is written down, done and answered; then what lags is drawn."""
        if self._resting.get(desk, self.now) > self.now:
            return
        try:
            if not self.far.is_away(desk, self.now):
                clicks = self.far.clicks(desk)
                async with house.store.writing() as session:
                    await desks.write_actions(session, desk, [action for _, action in clicks], self.now)
                self.far.told([number for number, _ in clicks])
            catalogue = await house.catalogue()
            while await board.act(catalogue, self.now):
                pass
            while await board.redraw(catalogue, self.now):
                pass
        except Unavailable as error:
            self.far.count(f"{desk} was away or full")
            self._resting[desk] = self.now + timedelta(seconds=error.retry_after or 5)

    async def _managers(self, house: House) -> None:
        for person in self.people.values():
            for action in person.act(self.now, self.chance, await self._seen(house, person)):
                await self._do(house, person, action)
        if self.chance.random() < STRANGER:
            self.far.count("clicks of strangers")
            stranger = Action(native_id=f"x:{self.now.timestamp()}", verb="claim", who="nobody", chat="", case=1)
            self.far.click(self.chance.choice(DESKS[:3]), stranger, self.now)

    async def _seen(self, house: House, person: Person) -> list[Message]:
        if person.desk != "web":
            subject = "alert" if self.chance.random() < ALERTS_FIRST else "case"
            newest = self.chance.random() < NEWEST_FIRST
            found = self.far.messages(person.desk, subject, "claim", 6, newest=newest)
            return [*self.far.messages(person.desk, "alert", "review", 4), *found] if person.approver else found
        if self.now.second % 20:
            return []
        async with house.store.reading() as session:
            listed = await case_lists.listing(session, "queue", [1], 0, self.now, limit=20)
        return [
            Message(0, "web", "", "case", line.case.id, 0, ("claim",))
            for line in listed
            if line.case.state == "waiting"
        ]

    async def _do(self, house: House, person: Person, action: Action) -> None:
        """On a chat a click travels; on the web it is done at once."""
        if person.desk != "web":
            self.far.click(person.desk, action, self.now)
            return
        async with house.store.writing() as session:
            outcome, _ = await perform(house.turn(session, await house.catalogue()), "web", action)
        for following in person.told(action, outcome, self.now, self.chance):
            await self._do(house, person, following)

    def told(self, desk: str, action: Action, outcome: Outcome) -> None:
        person = self.people.get(action.who)
        if person is None:
            self.far.count("strangers refused" if outcome.refused else "STRANGERS SERVED")
            return
        for following in person.told(action, outcome, self.now, self.chance):
            self.far.click(desk, following, self.now)

    async def _nothing_left(self, house: House) -> bool:
        if self.now.second:
            return False
        async with house.store.reading() as session:
            still = await session.scalar(select(func.count(Case.id)).where(Case.state.in_(OPEN)))
            going = await session.scalar(select(func.count(Reply.id)).where(Reply.state.in_(IN_FLIGHT)))
            lag = [await desks.lagging(session, desk, self.now, 1) for desk in self.boards]
        return not still and not going and not any(lag)


class Complaints:
    """Sentences put together from parts, so that no two are alike unless they should be."""

    def one(self, chance: Random) -> tuple[str, str]:
        language = chance.choice(LANGUAGES)
        what, where, feeling = (chance.choice(part) for part in PARTS[language])
        grave = chance.choice(GRAVE[language]) if chance.random() < 0.02 else ""
        salt = " ".join(
            chance.choice(SYLLABLES) + chance.choice(SYLLABLES) + chance.choice(SYLLABLES) for _ in range(5)
        )
        return f"Ferroviola {what} {where}, {salt}. {feeling} {grave}".strip(), language

    def storm(self, chance: Random, language: str) -> tuple[str, str]:
        what, where, feeling = (part[0] for part in PARTS[language])
        return f"Ferroviola {what} {where} da ore e nessuno dice niente. {feeling} {chance.randrange(99)}", language


COMPLAINTS: Final = Complaints()
SYLLABLES: Final = ("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "zo", "tra", "sti")
PARTS: Final = {
    "it": (
        ("treno soppresso senza avviso", "ritardo di due ore", "biglietto pagato due volte", "bagagli persi"),
        ("a Bologna", "a Firenze", "a Bari", "a Verona"),
        ("Vergogna, servizio pessimo.", "Sono furioso, mai più.", "Schifo totale, rimborsatemi."),
    ),
    "ro": (
        ("tren anulat fără anunț", "întârziere de două ore", "bilet plătit de două ori", "bagaj pierdut"),
        ("la Cluj", "la Iași", "la Brașov", "la Arad"),
        ("Rușine, servicii groaznice.", "Sunt furios, niciodată.", "Dezastru total, vreau banii."),
    ),
    "en": (
        ("train cancelled without a word", "two hours late", "charged me twice", "lost my luggage"),
        ("in Leeds", "in Bath", "in York", "in Dover"),
        ("Shameful, terrible service.", "I am furious, never again.", "Absolutely awful, refund me."),
    ),
}  # fmt: skip
GRAVE: Final = {
    "it": ("Ne parlo con il mio avvocato.", "Mi sono ferito alla porta."),
    "ro": ("Vorbesc cu avocatul.", "Depun plângere la ANPC."),
    "en": ("My lawyer will call you.", "I got hurt at the door."),
}


def main(folder: Path, plan: Plan) -> None:
    asyncio.run(Play(folder, plan).run())
