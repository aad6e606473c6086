"""The chats' own delay: what a channel's documented limit makes a new card wait, on a clock that is stepped.

Boards, triage and the rows are the real ones; the chat is one that takes no more than its platform allows. Two loads: nine
tenths of what one chat takes, and fifty a second for a minute, where the worst must come first and the rest be counted.
The yardstick is the wait that such a limit alone would make of evenly spaced cards.
"""

import asyncio
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from bench.figures import Figure

from ascolto.house import House
from desk import discord, slack, telegram
from models.catalogue import Brand, BrandQuery, Chat, Contents, Queue
from models.post import Post, PostAuthor
from models.sentiment import load as load_reader
from store import catalogue, mentions, schema
from triage.boards import Board, Pace
from triage.card import Card
from triage.viewing import BacklogView, View

BEGIN = datetime.fromisoformat("2026-11-23T09:00:00+00:00")
STEP = timedelta(seconds=0.5)
MINUTES = 10
FLOOD = 50
"""Mentions a second."""
COMPLAINT = "ferroviola treno soppresso a {where}, vergogna, servizio pessimo, rimborsatemi"


class OneChat:
    """A chat at its limit: when each case's card came, and what the card about the rest last said."""

    def __init__(self, platform: str, pace: Pace) -> None:
        self.name = self.platform = platform
        self.pace = pace
        self.now = BEGIN
        self.came: dict[int, datetime] = {}
        self.more = 0

    async def show(self, view: View, _chat: str, address: str | None, _t: object) -> str:
        if isinstance(view, Card):
            self.came.setdefault(view.case, self.now)
        if isinstance(view, BacklogView):
            self.more = view.count
        return address or str(id(view))

    async def answer(self, *_: object) -> None: ...


def measure() -> list[Figure]:
    platforms = (("Slack channel", slack.PACE), ("Discord channel", discord.PACE), ("Telegram group", telegram.PACE))
    return [figure for name, pace in platforms for figure in asyncio.run(_measure(name, pace))]


async def _measure(name: str, pace: Pace) -> list[Figure]:
    limit = pace.most / pace.seconds
    chance = Random(1)
    at = [timedelta(minutes=MINUTES) * chance.random() for _ in range(int(limit * 0.9 * MINUTES * 60))]
    waits, _, _ = await _play(pace, sorted(at), timedelta(minutes=MINUTES + 5))
    flood = [timedelta(seconds=n / FLOOD) for n in range(FLOOD * 60)]
    _, shown, more = await _play(pace, flood, timedelta(seconds=60))
    worst = waits[int(len(waits) * 0.99)]
    return [
        Figure(
            f"{name}: a new card's wait at 9/10 of its limit", f"p50 {waits[len(waits) // 2]:.1f} s, p99 {worst:.0f} s",
            f"a card each {1 / limit:.1f} s", f"{worst * limit:.0f}×",
        ),
        Figure(
            f"{name}: {FLOOD}/s for a minute", f"{len(shown)} cards, “and {more:,} more”", f"it takes {limit * 60:.0f} a minute",
            f"{len(shown) / (limit * 60):.2f}×",
        ),
    ]  # fmt: skip


async def _play(
    pace: Pace, arrivals: list[timedelta], length: timedelta
) -> tuple[list[float], dict[int, datetime], int]:
    """Seconds that each card waited, sorted; when which card came; and how many more there were at the end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chats.db"
        schema.prepare(path)
        chat = OneChat("chat", pace)
        house = House(path, load_reader(), now=lambda: chat.now)
        queue = Queue(slug="q", name="Q", brands=("b",), chats=(Chat(desk="chat", chat="1"),), step_minutes=10_000)
        brand = Brand(slug="b", name="B", queries=(BrandQuery(slug="n", text="ferroviola"),))
        async with house.store.writing() as session:
            await catalogue.apply(session, Contents(brands=(brand,), queues=(queue,)), BEGIN)
        board = Board(house.store, chat, house.checker)
        heard = 0
        while chat.now < BEGIN + length:
            chat.now += STEP
            posts = []
            while heard < len(arrivals) and BEGIN + arrivals[heard] <= chat.now:
                posts.append(_post(heard, BEGIN + arrivals[heard]))
                heard += 1
            if posts:
                kept = (await house.matching()).kept(posts, "chat", None)
                async with house.store.writing() as session:
                    await mentions.write_posts(session, "chat", kept, chat.now)
            known = await house.catalogue()
            while await house.triage.read_batch(known, chat.now):
                pass
            while await board.redraw(known, chat.now):
                pass
        await house.close()
    waits = sorted((came - (BEGIN + arrivals[case - 1])).total_seconds() for case, came in chat.came.items())
    return waits, chat.came, chat.more


def _post(number: int, at: datetime) -> Post:
    chance = Random(number)
    where = " ".join("".join(chance.choices("abcdeilmnoprstuv", k=6)) for _ in range(6))  # no two make a storm
    author = PostAuthor(handle=f"a{number}")
    text = COMPLAINT.format(where=where)
    return Post(platform="chat", native_id=f"n{number}", author=author, text=text, created_at=at, language="it")
