"""From a mention, and from a click, to the web desk and to the card handed to a chat, at 50 mentions and 20 clicks a second.

Everything runs as `ascolto run` runs it: the reader in its thread, triage, the doorbell, the web desk with a real HTTP
client on its event stream, and a desk that only notes when it was handed a card. Of ten cases two are taken on the chat and
two on the web desk as soon as they are there. The yardstick is one bare commit to the same disk.
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

from ascolto import flow
from ascolto.app import App
from ascolto.house import utc_now
from config.settings import Settings
from config.settings import Store as StoreSection
from config.settings import Web as WebSection
from desk import Did
from models.catalogue import Brand, BrandQuery, Chat, Contents, Member, Queue
from models.desk import Action
from models.post import Heard, Post, PostAuthor
from store import catalogue, members
from store.engine import configure
from triage import cues
from triage.boards import Pace
from triage.card import Card

A_SECOND = 50
SECONDS = 12
TAKEN_EVERY = 5
"""One case in so many is taken on the chat, and the one after it on the web desk."""


class Ear:
    """Says fifty things a second, each something that opens a case."""

    name = platform = "bench"
    silence = 90.0

    def __init__(self) -> None:
        self.said: dict[int, float] = {}

    async def connect(self) -> None: ...

    async def listen(self, _bookmark: str | None) -> AsyncGenerator[Heard, None]:
        said = [text for text in texts() if "spam" not in cues.found(text)]  # spam opens no case
        began = time.perf_counter()
        for number in range(A_SECOND * SECONDS):
            await asyncio.sleep(max(0.0, began + number / A_SECOND - time.perf_counter()))
            text = f"vorrei abbonarmi a ferroviola. {said[number % len(said)]}"
            author = PostAuthor(handle=f"a{number}")
            post = Post(
                platform="bench", native_id=f"n{number}", author=author, text=text, created_at=utc_now(), language="it"
            )
            self.said[number] = time.perf_counter()
            yield Heard(bookmark=str(number), posts=(post,))
        await asyncio.sleep(3600)

    async def close(self) -> None: ...


def _number(card: Card) -> int:
    return int(card.author.removeprefix("a"))


class Chats:
    """A chat without limits: when each case's first card came, and when the card came back of one that was taken here."""

    name = platform = "chat"
    pace = Pace(1_000_000, 1.0)

    def __init__(self) -> None:
        self.came: dict[int, float] = {}
        self.clicked: dict[int, float] = {}
        self.drawn_again: dict[int, float] = {}
        self._to_take: asyncio.Queue[Card] = asyncio.Queue()

    async def connect(self) -> None: ...

    async def show(self, view: object, _chat: str, _address: str | None, _t: object) -> str:
        if isinstance(view, Card):
            number = _number(view)
            if number not in self.came:
                self.came[number] = time.perf_counter()
                if number % TAKEN_EVERY == 0:
                    self._to_take.put_nowait(view)
            elif view.holder_name and number in self.clicked:
                self.drawn_again.setdefault(number, time.perf_counter())
        return "1"

    async def actions(self, _bookmark: str | None) -> AsyncGenerator[Did, None]:
        while True:
            card = await self._to_take.get()
            self.clicked[_number(card)] = time.perf_counter()
            yield Did(
                bookmark="",
                actions=(Action(native_id=str(card.case), verb="claim", who="ana", chat="1", case=card.case),),
            )

    async def answer(self, *_: object) -> None: ...

    async def close(self) -> None: ...


CONTENTS = Contents(
    brands=(Brand(slug="b", name="B", queries=(BrandQuery(slug="n", text="ferroviola"),)),),
    members=(Member(slug="ana", name="Ana", identities={"chat": "ana"}),),
    queues=(Queue(slug="q", name="Q", brands=("b",), team=("ana",), chats=(Chat(desk="chat", chat="1"),)),),
)


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        commit = _bare_commits(Path(name) / "bare.db")
        app = App(Settings(store=StoreSection(path=Path(name) / "bench.db"), web=WebSection(port=0)))
        await app.start()
        async with app.house.store.writing() as session:
            await catalogue.apply(session, CONTENTS, utc_now())
            known = await catalogue.load(session)
            token = await members.invite(session, known.members.id_of("ana") or 0, utc_now())
        ear, chats, page = Ear(), Chats(), Page(app.web.address, token)
        watching = asyncio.create_task(page.watch())
        await asyncio.sleep(0.5)
        for step in (flow.show, flow.attend, flow.act):
            app.supervisor.start(partial(step, app.house, chats), "chat", "desk", "chat")
        app.supervisor.start(partial(flow.hear, app.house, ear), "bench", "ear", "bench")
        deadline = time.perf_counter() + SECONDS + 20
        told = [chats.came, page.seen, chats.drawn_again, page.answered]
        wanted = A_SECOND * SECONDS * 2 + A_SECOND * SECONDS // TAKEN_EVERY * 2
        while sum(map(len, told)) < wanted and time.perf_counter() < deadline:
            await asyncio.sleep(0.1)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await app.stop()
    return [
        _figure("mention → told to an open web page", ear.said, page.seen, commit),
        _figure("mention → card handed to a chat", ear.said, chats.came, commit),
        _figure("click on the web desk → its answer", page.clicked, page.answered, commit),
        _figure("click on a chat → its card handed back", chats.clicked, chats.drawn_again, commit),
    ]


class Page:
    """A manager with the web desk open, who takes one case in five; a case's number is the mention's, counted from 1."""

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self.token = token
        self.seen: dict[int, float] = {}
        self.clicked: dict[int, float] = {}
        self.answered: dict[int, float] = {}

    async def watch(self) -> None:
        async with aiohttp.ClientSession(
            self.address,
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            headers={"Origin": self.address, "HX-Request": "true"},
        ) as http:
            async with http.post(f"/enter/{self.token}"):
                pass
            async with (
                asyncio.TaskGroup() as clicks,
                http.get("/events", timeout=aiohttp.ClientTimeout(total=None)) as answer,
            ):
                async for line in answer.content:
                    if found := re.fullmatch(rb"data: (\[.*\])\s*", line):
                        for case in json.loads(found[1]):
                            if case - 1 not in self.seen:
                                self.seen[case - 1] = time.perf_counter()
                                if (case - 1) % TAKEN_EVERY == 1:
                                    clicks.create_task(self._take(http, case))

    async def _take(self, http: aiohttp.ClientSession, case: int) -> None:
        self.clicked[case - 1] = time.perf_counter()
        async with http.post(f"/cases/{case}/claim") as answer:
            answer.raise_for_status()
            await answer.read()
        self.answered[case - 1] = time.perf_counter()


def _bare_commits(path: Path) -> float:
    """Seconds of one commit with the same pragmas, the median of a hundred."""
    connection = sqlite3.connect(path, isolation_level=None)
    configure(connection)
    connection.execute("CREATE TABLE t (x)")
    took = []
    for _ in range(100):
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("COMMIT")
        took.append(time.perf_counter() - began)
    connection.close()
    return sorted(took)[50]


def _figure(what: str, said: dict[int, float], came: dict[int, float], commit: float) -> Figure:
    if len(came) < len(said):
        raise RuntimeError(f"{what}: only {len(came)} of {len(said)} came")
    waits = sorted(came[number] - said[number] for number in said)
    p50, p99 = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    return Figure(
        f"{what}, {A_SECOND}/s", f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms", f"{commit * 1000:.1f} ms a bare commit",
        f"{p50 / commit:,.0f}×, {p99 / commit:,.0f}×", "p99 < 1 s",
    )  # fmt: skip
