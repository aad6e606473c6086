"""One process of the simulation: the real application, advanced ten seconds at a time until its day ends or it is killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from sqlalchemy import func, select

from actions.perform import perform_chat_action
from ascolto import workers
from ascolto.application import Application
from ascolto.simulation.outside_world import Message, OutsideWorld, SimulatedListener, SimulatedResponder, outages
from ascolto.simulation.people import DESKS, Person
from cards.action_queue import ActionQueue
from cards.card_sync import CardSync
from cards.case_view import CaseView
from cards.chat_views import AlertView, View
from cards.outcome import Outcome, PerformedAction
from desk import buttons, discord, slack, telegram
from languages import Translator
from models.configuration import Brand, BrandQuery, Chat, ConfigurationFile, Member, Queue
from models.errors import EdgeError, Unavailable
from models.sentiment import load as load_reader
from models.tables.action import Action
from models.tables.case import OPEN, Case
from models.tables.reply import IN_FLIGHT, Reply
from publishing.sending import ReplyPublisher
from store import card_placements, cursors, queued_actions, schema
from store import cases as case_lists
from store.configuration import apply_changes

STEP: Final = timedelta(seconds=10)
START: Final = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LANGUAGES: Final = ("it", "ro", "en")
CHATS: Final = {"it": ("slack", "telegram"), "ro": ("telegram", "discord"), "en": ("slack", "discord")}
RATE_LIMITS: Final = {"slack": slack.RATE_LIMIT, "telegram": telegram.RATE_LIMIT, "discord": discord.RATE_LIMIT}
OVERTIME: Final = timedelta(hours=3)
"""For which the team continues at most after the last post, until nothing is left."""
ALERTS_FIRST: Final = 0.1
"""How often a manager looks at alerts, whose cases somebody may have claimed since."""
NEWEST_FIRST: Final = 0.3
NON_MEMBER_CLICK: Final = 0.01
"""How often a step brings a click from somebody who is not a member."""
MASS_POSTS: Final = 0.0006
"""How often a step brings thirty posts that say nearly the same."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    managers: int = 20
    hours: float = 8.0
    seed: int = 1
    cases_an_hour: float = 380.0


def configuration_file(plan: Plan) -> ConfigurationFile:
    """One brand, a queue per language; a fifth of the managers are approvers, and Romanian replies need an approval."""
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
            language=language, team=tuple(slugs), first_answer_minutes=30, escalation_minutes=15, claim_minutes=20,
            escalation=("holder", *leads[:1], "lead", "everyone"), approvals=int(language == "ro"), risky_approvals=1,
            chats=tuple(Chat(desk=desk, chat=f"{desk}-{language}") for desk in CHATS[language]),
        )
        for language in LANGUAGES
    )  # fmt: skip
    brand = Brand(
        slug="ferroviola",
        name="Ferroviola",
        queries=(BrandQuery(slug="name", text="ferroviola"),),
        link_domains=("ferroviola.example",),
        publish={"square": "square"},
    )
    return ConfigurationFile(brands=(brand,), queues=queues, members=members)


class SimulatedDesk:
    """One chat platform, and its managers who react to responses."""

    def __init__(self, outside: OutsideWorld, desk: str, day: "Day") -> None:
        self.name = self.platform = desk
        self.rate_limit = RATE_LIMITS[desk]
        self._outside, self._day = outside, day

    async def show(self, view: View, chat: str, message_id: str | None, t: Translator) -> str:
        self._outside.call(self.name, chat, self._day.now)
        number = int(message_id or 0)
        if isinstance(view, CaseView):
            verbs = tuple(button.verb for button in buttons.for_card(view, t))
            message = Message(number, self.name, chat, "case", view.id, view.revision, verbs)
        elif isinstance(view, AlertView):
            verbs = tuple(button.verb for button in buttons.for_alert(view, t))
            message = Message(number, self.name, chat, "alert", view.case.id, 1, verbs)
        else:
            message = Message(number, self.name, chat, "digest", 0, 1, ())
        return str(self._outside.show(message, self._day.now))

    async def respond(self, action: Action, performed: PerformedAction) -> None:
        if self._outside.is_down(self.name, self._day.now):
            raise Unavailable(f"{self.name} is down")
        self._day.receive(self.name, action, performed.outcome)


class Day:
    """The program and the people around it, from where the outside world's clock stands."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.plan = plan
        self.database = folder / "ascolto.db"
        self.outside = OutsideWorld(folder / "outside.db")
        self.now = self.outside.now or START
        self.end = START + timedelta(hours=plan.hours)
        self.rng = Random(f"{plan.seed}:{self.now.timestamp()}")  # noqa: S311 - not for secrets
        self.people = {
            member.slug: Person(self.outside, member.slug, DESKS[n % 4], approver=member.at_least("approver"))
            for n, member in enumerate(configuration_file(plan).members)
        }
        self.desks = {desk: SimulatedDesk(self.outside, desk, self) for desk in DESKS[:3]}
        self._retry_at: dict[str, datetime] = {}

    @asynccontextmanager
    async def application(self) -> AsyncIterator[Application]:
        new = not self.database.exists()
        schema.prepare(self.database)
        application = Application(self.database, load_reader(), now=lambda: self.now)
        application.capabilities["square"] = SimulatedResponder.capabilities
        async with application.store.writing() as session:
            await apply_changes(session, configuration_file(self.plan), self.now)
        if new:
            for desk, starts, ends in outages(self.rng, START, self.plan.hours):
                self.outside.run("INSERT INTO outage VALUES (?, ?, ?)", desk, starts.timestamp(), ends.timestamp())
        try:
            yield application
        finally:
            await application.close()
            self.outside.close()

    async def run(self) -> None:
        async with self.application() as application:
            self.listener = SimulatedListener(self.outside)
            self.responder = SimulatedResponder(self.outside, self.rng)
            self.publisher = ReplyPublisher(application.store, self.responder)
            await self.publisher.requeue_interrupted(self.now)
            store, checker = application.store, application.checker
            self.card_syncs = {name: CardSync(store, desk) for name, desk in self.desks.items()}
            self.action_queues = {
                name: ActionQueue(store, desk, perform_chat_action, checker) for name, desk in self.desks.items()
            }
            while self.now < self.end + OVERTIME:
                await self._step(application)
                if self.now > self.end and await self._is_nothing_left(application):
                    return

    async def _step(self, application: Application) -> None:
        self.now += STEP
        self.responder.now = self.now
        self.outside.set_clock(self.now)
        if self.now < self.end:
            self._post()
        await self._listen(application)
        configuration = await application.configuration()
        while await application.classification.analyze_batch(configuration, self.now):
            pass
        await workers.run_due(application)
        for desk in self.desks:
            await self._run_desk(application, desk)
        await self._run_managers(application)
        try:
            await self.publisher.publish_due(configuration, self.now)
        except EdgeError:
            self.outside.count("publishing postponed")

    def _post(self) -> None:
        """As many posts as the plan has on average; now and then many that say nearly the same."""
        mean = self.plan.cases_an_hour * STEP.total_seconds() / 3600
        similar = self.rng.random() < MASS_POSTS
        count = 30 if similar else int(mean) + (self.rng.random() < mean % 1)
        language = self.rng.choice(LANGUAGES)
        for _ in range(count):
            if similar:
                text = similar_complaint(self.rng, language)
            else:
                language = self.rng.choice(LANGUAGES)
                text = complaint(self.rng, language)
            self.outside.post(f"a{self.rng.randrange(10**9)}", text, language, self.now)

    async def _listen(self, application: Application) -> None:
        async with application.store.reading() as session:
            cursor = await cursors.load(session, "listener", self.listener.name)
        batch = self.listener.receive(cursor, self.rng)
        if batch is not None:
            result = await workers.store_batch(application, self.listener, batch, skip_empty=False)  # type: ignore[arg-type]
            self.outside.count("posts delivered twice", result.duplicates if result else 0)

    async def _run_desk(self, application: Application, desk: str) -> None:
        """Clicks are stored, performed and responded to; then outdated cards are updated."""
        if self._retry_at.get(desk, self.now) > self.now:
            return
        try:
            if not self.outside.is_down(desk, self.now):
                clicks = self.outside.clicks(desk)
                async with application.store.writing() as session:
                    await queued_actions.store_actions(session, desk, [action for _, action in clicks], self.now)
                self.outside.mark_delivered([number for number, _ in clicks])
            configuration = await application.configuration()
            while await self.action_queues[desk].run_batch(configuration, self.now):
                pass
            while await self.card_syncs[desk].update_cards(configuration, self.now):
                pass
        except Unavailable as error:
            self.outside.count(f"{desk} was down or full")
            self._retry_at[desk] = self.now + timedelta(seconds=error.retry_after or 5)

    async def _run_managers(self, application: Application) -> None:
        for person in self.people.values():
            for action in person.act(self.now, self.rng, await self._visible(application, person)):
                await self._do(application, person, action)
        if self.rng.random() < NON_MEMBER_CLICK:
            self.outside.count("clicks of non-members")
            click = Action(native_id=f"x:{self.now.timestamp()}", verb="claim", who="nobody", chat="", case=1)
            self.outside.click(self.rng.choice(DESKS[:3]), click, self.now)

    async def _visible(self, application: Application, person: Person) -> list[Message]:
        if person.desk != "web":
            subject = "alert" if self.rng.random() < ALERTS_FIRST else "case"
            newest = self.rng.random() < NEWEST_FIRST
            cards = self.outside.messages(person.desk, subject, "claim", 6, newest=newest)
            return [*self.outside.messages(person.desk, "alert", "review", 4), *cards] if person.approver else cards
        if self.now.second % 20:
            return []
        async with application.store.reading() as session:
            listed = await case_lists.list_cases(session, "queue", [1], 0, self.now, limit=20)
        return [
            Message(0, "web", "", "case", summary.case.id, 0, ("claim",))
            for summary in listed
            if summary.case.state == "waiting"
        ]

    async def _do(self, application: Application, person: Person, action: Action) -> None:
        """A chat delivers a click later; the web performs it at once."""
        if person.desk != "web":
            self.outside.click(person.desk, action, self.now)
            return
        async with application.store.writing() as session:
            context = application.context(session, await application.configuration())
            performed = await perform_chat_action(context, "web", "web", action)
        if performed is not None:
            for next_action in person.receive(action, performed.outcome, self.now, self.rng):
                await self._do(application, person, next_action)

    def receive(self, desk: str, action: Action, outcome: Outcome) -> None:
        person = self.people.get(action.who)
        if person is None:
            self.outside.count("non-members refused" if outcome.refused else "NON-MEMBERS SERVED")
            return
        for next_action in person.receive(action, outcome, self.now, self.rng):
            self.outside.click(desk, next_action, self.now)

    async def _is_nothing_left(self, application: Application) -> bool:
        if self.now.second:
            return False
        async with application.store.reading() as session:
            still_open = await session.scalar(select(func.count(Case.id)).where(Case.state.in_(OPEN)))
            in_flight = await session.scalar(select(func.count(Reply.id)).where(Reply.state.in_(IN_FLIGHT)))
            outdated = [await card_placements.outdated(session, desk, self.now, 1) for desk in self.desks]
        return not still_open and not in_flight and not any(outdated)


def complaint(rng: Random, language: str) -> str:
    """A sentence put together from parts, with enough syllables that no two are similar."""
    what, where, feeling = (rng.choice(part) for part in PARTS[language])
    severe = rng.choice(SEVERE[language]) if rng.random() < 0.02 else ""
    salt = " ".join(rng.choice(SYLLABLES) + rng.choice(SYLLABLES) + rng.choice(SYLLABLES) for _ in range(5))
    return f"Ferroviola {what} {where}, {salt}. {feeling} {severe}".strip()


def similar_complaint(rng: Random, language: str) -> str:
    what, where, feeling = (part[0] for part in PARTS[language])
    return f"Ferroviola {what} {where} da ore e nessuno dice niente. {feeling} {rng.randrange(99)}"


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
SEVERE: Final = {
    "it": ("Ne parlo con il mio avvocato.", "Mi sono ferito alla porta."),
    "ro": ("Vorbesc cu avocatul.", "Depun plângere la ANPC."),
    "en": ("My lawyer will call you.", "I got hurt at the door."),
}


def main(folder: Path, plan: Plan) -> None:
    asyncio.run(Day(folder, plan).run())
