"""From a mention, and from a click, to the web desk and to the card sent to a chat, at 50 mentions and 20 clicks per second.

Everything runs as in `ascolto run`: the classifier in its thread, triage, the change notifier, the web desk with a real HTTP
client on its event stream, and a desk that only records when it gets a card. Of ten cases, two are claimed in the chat and
two on the web desk as soon as they appear. The yardstick is a single commit to the same disk.
"""

import asyncio
import json
import re
import sqlite3
import tempfile
import time
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import aiohttp
from bench.figures import Figure, texts

from analysis import intent_rules
from ascolto import workers
from ascolto.app import App
from ascolto.application import utc_now
from cards.card_sync import RateLimit
from cards.case_view import CaseView
from config.settings import Settings
from config.settings import Store as StoreSection
from config.settings import Web as WebSection
from desk import ActionBatch
from models.configuration import Brand, BrandQuery, Chat, ConfigurationFile, Member, Queue
from models.incoming import IncomingAuthor, IncomingPost, ListenerBatch
from models.tables.action import Action
from store import sessions
from store.configuration import apply_changes, load_configuration
from store.engine import configure

PER_SECOND = 50
SECONDS = 12
CLAIM_EVERY = 5
"""Every fifth case is claimed in the chat, and the one after it on the web desk."""


class BenchListener:
    """Receives fifty posts per second, each of which opens a case."""

    name = platform = "bench"
    silence_timeout = 90.0

    def __init__(self) -> None:
        self.received: dict[int, float] = {}

    async def connect(self) -> None: ...

    async def listen(self, _cursor: str | None) -> AsyncGenerator[ListenerBatch, None]:
        opening_cases = [text for text in texts() if not intent_rules.is_spam(text)]  # spam opens no case
        started = time.perf_counter()
        for number in range(PER_SECOND * SECONDS):
            await asyncio.sleep(max(0.0, started + number / PER_SECOND - time.perf_counter()))
            text = f"vorrei abbonarmi a ferroviola. {opening_cases[number % len(opening_cases)]}"
            author = IncomingAuthor(handle=f"a{number}")
            post = IncomingPost(
                platform="bench", native_id=f"n{number}", author=author, text=text, created_at=utc_now(), language="it"
            )
            self.received[number] = time.perf_counter()
            yield ListenerBatch(cursor=str(number), posts=(post,))
        await asyncio.sleep(3600)

    async def close(self) -> None: ...


def _number(card: CaseView) -> int:
    return int(card.author.removeprefix("a"))


class BenchDesk:
    """A chat without limits: records when each case's first card came, and the updated card of a case claimed here."""

    name = platform = "chat"
    rate_limit = RateLimit(1_000_000, 1.0)

    def __init__(self) -> None:
        self.shown: dict[int, float] = {}
        self.clicked: dict[int, float] = {}
        self.updated: dict[int, float] = {}
        self._to_claim: asyncio.Queue[CaseView] = asyncio.Queue()

    async def connect(self) -> None: ...

    async def show(self, view: object, _chat: str, _message_id: str | None, _t: object) -> str:
        if isinstance(view, CaseView):
            number = _number(view)
            if number not in self.shown:
                self.shown[number] = time.perf_counter()
                if number % CLAIM_EVERY == 0:
                    self._to_claim.put_nowait(view)
            elif view.holder_name and number in self.clicked:
                self.updated.setdefault(number, time.perf_counter())
        return "1"

    async def actions(self, _cursor: str | None) -> AsyncGenerator[ActionBatch, None]:
        while True:
            card = await self._to_claim.get()
            self.clicked[_number(card)] = time.perf_counter()
            yield ActionBatch(
                cursor="",
                actions=(Action(native_id=str(card.id), verb="claim", who="ana", chat="1", case=card.id),),
            )

    async def respond(self, *_: object) -> None: ...

    async def close(self) -> None: ...


CONFIGURATION = ConfigurationFile(
    brands=(Brand(slug="b", name="B", queries=(BrandQuery(slug="n", text="ferroviola"),)),),
    members=(Member(slug="ana", name="Ana", identities={"chat": "ana"}),),
    queues=(Queue(slug="q", name="Q", brands=("b",), team=("ana",), chats=(Chat(desk="chat", chat="1"),)),),
)


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        commit = _single_commit(Path(name) / "commits.db")
        app = App(Settings(store=StoreSection(path=Path(name) / "bench.db"), web=WebSection(port=0)))
        await app.start()
        async with app.application.store.writing() as session:
            await apply_changes(session, CONFIGURATION, utc_now())
            configuration = await load_configuration(session)
            token = await sessions.create_link(session, configuration.members.id_of("ana") or 0, utc_now())
        listener, desk, page = BenchListener(), BenchDesk(), Page(app.web.address, token)
        following = asyncio.create_task(page.follow())
        await asyncio.sleep(0.5)
        for worker in (workers.run_card_sync, workers.run_action_intake, workers.run_actions):
            app.supervisor.start(partial(worker, app.application, desk), "chat", "desk", "chat")
        app.supervisor.start(partial(workers.run_listener, app.application, listener), "bench", "listener", "bench")
        deadline = time.perf_counter() + SECONDS + 20
        measured = [desk.shown, page.seen, desk.updated, page.answered]
        expected = PER_SECOND * SECONDS * 2 + PER_SECOND * SECONDS // CLAIM_EVERY * 2
        while sum(map(len, measured)) < expected and time.perf_counter() < deadline:
            await asyncio.sleep(0.1)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await app.stop()
    return [
        _figure("mention → sent to an open web page", listener.received, page.seen, commit),
        _figure("mention → card sent to a chat", listener.received, desk.shown, commit),
        _figure("click on the web desk → its response", page.clicked, page.answered, commit),
        _figure("click in a chat → its updated card", desk.clicked, desk.updated, commit),
    ]


class Page:
    """A member with the web desk open, who claims every fifth case; a case's id is its mention's number, plus 1."""

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self.token = token
        self.seen: dict[int, float] = {}
        self.clicked: dict[int, float] = {}
        self.answered: dict[int, float] = {}

    async def follow(self) -> None:
        async with aiohttp.ClientSession(
            self.address,
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            headers={"Origin": self.address, "HX-Request": "true"},
        ) as http:
            async with http.post(f"/sign_in/{self.token}"):
                pass
            async with (
                asyncio.TaskGroup() as clicks,
                http.get("/events", timeout=aiohttp.ClientTimeout(total=None)) as response,
            ):
                async for line in response.content:
                    if match := re.fullmatch(rb"data: (\[.*\])\s*", line):
                        for case in json.loads(match[1]):
                            if case - 1 not in self.seen:
                                self.seen[case - 1] = time.perf_counter()
                                if (case - 1) % CLAIM_EVERY == 1:
                                    clicks.create_task(self._claim(http, case))

    async def _claim(self, http: aiohttp.ClientSession, case: int) -> None:
        self.clicked[case - 1] = time.perf_counter()
        async with http.post(f"/cases/{case}/actions/claim") as response:
            response.raise_for_status()
            await response.read()
        self.answered[case - 1] = time.perf_counter()


def _single_commit(path: Path) -> float:
    """Seconds of one commit with the same pragmas, the median of a hundred."""
    connection = sqlite3.connect(path, isolation_level=None)
    configure(connection)
    connection.execute("CREATE TABLE t (x)")
    seconds = []
    for _ in range(100):
        started = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("COMMIT")
        seconds.append(time.perf_counter() - started)
    connection.close()
    return sorted(seconds)[50]


def _figure(what: str, started: dict[int, float], ended: dict[int, float], commit: float) -> Figure:
    if len(ended) < len(started):
        raise RuntimeError(f"{what}: only {len(ended)} of {len(started)}")
    seconds = sorted(ended[number] - started[number] for number in started)
    p50, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    return Figure(
        f"{what}, {PER_SECOND}/s", f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms",
        f"{commit * 1000:.1f} ms a single commit", f"{p50 / commit:,.0f}×, {p99 / commit:,.0f}×", "p99 < 1 s",
    )  # fmt: skip
