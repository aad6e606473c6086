"""The delay of new cards caused by the documented rate limit of a channel, on a clock that is advanced in steps.

Card sync, triage and the database are the real ones; the chat accepts no more than its platform allows. Two loads: nine tenths
of what one chat accepts, and fifty per second for a minute, where the most severe must come first and the rest be counted.
The yardstick is the interval between evenly spaced cards under that limit.
"""

import asyncio
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from bench.figures import Figure

from ascolto.application import Application
from cards.card_sync import CardSync, RateLimit
from cards.case_view import CaseView
from cards.chat_views import BacklogView, View
from desk import discord, slack, telegram
from models.configuration import Brand, BrandQuery, Chat, ConfigurationFile, Queue
from models.incoming import IncomingAuthor, IncomingPost
from models.sentiment import load as load_reader
from store import mentions, schema
from store.configuration import apply_changes

START = datetime.fromisoformat("2026-11-23T09:00:00+00:00")
STEP = timedelta(seconds=0.5)
MINUTES = 10
FLOOD = 50
"""Mentions per second."""
COMPLAINT = "ferroviola treno soppresso a {where}, vergogna, servizio pessimo, rimborsatemi"


class LimitedDesk:
    """Records when each case's card came, and the count on the latest backlog card."""

    def __init__(self, platform: str, rate_limit: RateLimit) -> None:
        self.name = self.platform = platform
        self.rate_limit = rate_limit
        self.now = START
        self.shown: dict[int, datetime] = {}
        self.backlog = 0

    async def show(self, view: View, _chat: str, message_id: str | None, _t: object) -> str:
        if isinstance(view, CaseView):
            self.shown.setdefault(view.id, self.now)
        if isinstance(view, BacklogView):
            self.backlog = view.count
        return message_id or str(id(view))


def measure() -> list[Figure]:
    limits = (
        ("Slack channel", slack.RATE_LIMIT),
        ("Discord channel", discord.RATE_LIMIT),
        ("Telegram group", telegram.RATE_LIMIT),
    )
    return [figure for name, limit in limits for figure in asyncio.run(_measure(name, limit))]


async def _measure(name: str, rate_limit: RateLimit) -> list[Figure]:
    per_second = rate_limit.messages / rate_limit.seconds
    rng = Random(1)
    arrivals = [timedelta(minutes=MINUTES) * rng.random() for _ in range(int(per_second * 0.9 * MINUTES * 60))]
    waits, _, _ = await _run(rate_limit, sorted(arrivals), timedelta(minutes=MINUTES + 5))
    flood = [timedelta(seconds=n / FLOOD) for n in range(FLOOD * 60)]
    _, shown, backlog = await _run(rate_limit, flood, timedelta(seconds=60))
    p50, p99 = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    per_minute = per_second * 60
    return [
        Figure(
            f"{name}: a new card's wait at 9/10 of its limit", f"p50 {p50:.1f} s, p99 {p99:.0f} s",
            f"a card every {1 / per_second:.1f} s", f"{p99 * per_second:.0f}×",
        ),
        Figure(
            f"{name}: {FLOOD}/s for a minute", f"{len(shown)} cards, “and {backlog:,} more”",
            f"its limit is {per_minute:.0f} per minute", f"{len(shown) / per_minute:.2f}×",
        ),
    ]  # fmt: skip


async def _run(
    rate_limit: RateLimit, arrivals: list[timedelta], duration: timedelta
) -> tuple[list[float], dict[int, datetime], int]:
    """Seconds that each card waited, sorted; when each card came, by case; and the size of the backlog at the end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chats.db"
        schema.prepare(path)
        desk = LimitedDesk("chat", rate_limit)
        application = Application(path, load_reader(), now=lambda: desk.now)
        queue = Queue(
            slug="q", name="Q", brands=("b",), chats=(Chat(desk="chat", chat="1"),), escalation_minutes=10_000
        )
        brand = Brand(slug="b", name="B", queries=(BrandQuery(slug="n", text="ferroviola"),))
        async with application.store.writing() as session:
            await apply_changes(session, ConfigurationFile(brands=(brand,), queues=(queue,)), START)
        sync = CardSync(application.store, desk)
        received = 0
        while desk.now < START + duration:
            desk.now += STEP
            posts = []
            while received < len(arrivals) and START + arrivals[received] <= desk.now:
                posts.append(_post(received, START + arrivals[received]))
                received += 1
            if posts:
                matched = (await application.matcher()).matching(posts, "chat", None)
                async with application.store.writing() as session:
                    await mentions.write_posts(session, "chat", matched, desk.now)
            configuration = await application.configuration()
            while await application.classification.analyze_batch(configuration, desk.now):
                pass
            while await sync.update_cards(configuration, desk.now):
                pass
        await application.close()
    waits = sorted((at - (START + arrivals[case - 1])).total_seconds() for case, at in desk.shown.items())
    return waits, desk.shown, desk.backlog


def _post(number: int, at: datetime) -> IncomingPost:
    rng = Random(number)
    where = " ".join("".join(rng.choices("abcdeilmnoprstuv", k=6)) for _ in range(6))  # so that no two are duplicates
    author = IncomingAuthor(handle=f"a{number}")
    text = COMPLAINT.format(where=where)
    return IncomingPost(platform="chat", native_id=f"n{number}", author=author, text=text, created_at=at, language="it")
