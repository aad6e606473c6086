"""Cards in chats: as many as each chat takes, the most urgent first, and a count of those that have to wait."""

from datetime import datetime

import msgspec
import pytest
from conftest import Harness
from sqlalchemy import update

from cards import scheduled_digests
from cards.card_sync import BACKLOG_INTERVAL, CardSync, RateLimit
from cards.case_view import CaseView
from cards.chat_views import AlertView, BacklogView, DigestView, View
from desk import discord_cards, slack_cards, telegram_cards
from languages import Translator, translator
from models.configuration import Chat
from models.errors import Unavailable
from models.tables.case import Case

CHAT = "-1"


class FakeDesk:
    """One chat, which rejects more messages than its rate limit, and holds what it shows."""

    name = platform = "tg"

    def __init__(self, harness: Harness) -> None:
        self.rate_limit = RateLimit(5, 5.0)
        self.harness = harness
        self.shown: dict[str, View] = {}
        self.sent_at: list[datetime] = []

    async def show(self, view: View, _chat: str, message_id: str | None, _t: Translator) -> str:
        recent = [at for at in self.sent_at if (self.harness.now - at).total_seconds() < self.rate_limit.seconds]
        if len(recent) >= self.rate_limit.messages + self.rate_limit.reserve:
            raise Unavailable("too many messages")
        self.sent_at.append(self.harness.now)
        message_id = message_id or str(len(self.shown) + 1)
        self.shown[message_id] = view
        return message_id

    def cases(self) -> list[int]:
        return [view.id for view in self.shown.values() if isinstance(view, CaseView)]

    def backlogs(self) -> list[BacklogView]:
        return [view for view in self.shown.values() if isinstance(view, BacklogView)]


@pytest.fixture
async def desk(harness: Harness) -> FakeDesk:
    await harness.change_queue("trains", chats=(Chat(desk="tg", chat=CHAT),))
    return FakeDesk(harness)


async def _complaints(harness: Harness, count: int, word: str = "fermo") -> None:
    posts = (harness.post(f"Ferroviola {word} {word * n} (-)", author=f"{word}{n}") for n in range(count))
    await harness.receive(*posts)
    await harness.analyze()


async def _run(harness: Harness, sync: CardSync, seconds: int) -> None:
    for _ in range(seconds):
        harness.advance(seconds=1)
        while await sync.update_cards(harness.configuration, harness.now):
            pass


async def test_a_chat_gets_no_more_messages_than_it_takes_and_a_count_of_the_rest(harness: Harness, desk: FakeDesk):
    await _complaints(harness, 48)
    sync = CardSync(harness.store, desk)
    await _run(harness, sync, 1)
    assert len(desk.cases()) == 4
    [backlog] = desk.backlogs()
    assert backlog.count == 44
    assert len(backlog.most_urgent) == 3
    assert not {case for case, *_ in backlog.most_urgent} & set(desk.cases())
    await _run(harness, sync, 80)
    assert sorted(desk.cases()) == [case.id for case in await harness.all(Case)]
    assert [view.count for view in desk.backlogs()] == [0]
    backlog_messages = len(desk.sent_at) - 48
    assert backlog_messages <= 2 + 60 / BACKLOG_INTERVAL


async def test_alerts_come_first_and_then_the_most_urgent_cases(harness: Harness, desk: FakeDesk):
    await _complaints(harness, 20)
    async with harness.store.writing() as session:
        await session.execute(update(Case).where(Case.id == 17).values(rank=999.0))
    await harness.receive(harness.post("Ferroviola, domani sento il mio avvocato (-)", author="rita"))
    await harness.analyze()
    await _run(harness, CardSync(harness.store, desk), 1)
    shown = [view for view in desk.shown.values() if not isinstance(view, BacklogView)]
    assert isinstance(shown[0], AlertView)
    assert 17 in desk.cases()


async def test_a_full_chat_with_a_reserve_still_gets_the_backlog_card(harness: Harness, desk: FakeDesk):
    desk.rate_limit = RateLimit(5, 60.0, reserve=1)
    await _complaints(harness, 5)
    sync = CardSync(harness.store, desk)
    await _run(harness, sync, 1)
    assert desk.backlogs() == []
    await _complaints(harness, 7, "rotto")
    await _run(harness, sync, 1)
    assert [view.count for view in desk.backlogs()] == [7]
    assert len(desk.cases()) == 5
    await _run(harness, sync, 120)
    assert len(desk.cases()) == 12


async def test_a_few_cases_at_once_need_no_backlog_card(harness: Harness, desk: FakeDesk):
    await _complaints(harness, 8)
    await _run(harness, CardSync(harness.store, desk), 20)
    assert len(desk.cases()) == 8
    assert desk.backlogs() == []


async def test_a_backlog_keeps_its_card_over_a_restart_and_the_next_flood_gets_a_new_one(
    harness: Harness, desk: FakeDesk
):
    await _complaints(harness, 40)
    await _run(harness, CardSync(harness.store, desk), 1)
    desk.sent_at.clear()
    sync = CardSync(harness.store, desk)
    await _run(harness, sync, 60)
    assert [view.count for view in desk.backlogs()] == [0]
    await _complaints(harness, 30, "rotto")
    await _run(harness, sync, 60)
    assert [view.count for view in desk.backlogs()] == [0, 0]


def test_every_desk_renders_a_backlog_with_its_text_escaped():
    view = BacklogView(count=43, most_urgent=((7, "<!channel>", "@everyone *tutti* fermi"),))
    t = translator("it")
    text, keyboard = telegram_cards.render(view, t)
    assert "43" in text
    assert keyboard is None
    assert "&lt;!channel&gt;" in text
    blocks, _ = slack_cards.render(view, t)
    assert "<!channel>" not in blocks[0]["text"]["text"]
    body = discord_cards.render(view, t)
    assert "@everyone" not in body["embeds"][0]["description"]


async def test_digests_and_backlogs_link_to_a_web_desk_that_others_can_reach(harness: Harness, desk: FakeDesk):
    await _complaints(harness, 48)
    harness.now = harness.now.replace(day=24, hour=8)
    async with harness.store.writing() as session:
        await scheduled_digests.write_due(harness.context(session))
    await _run(harness, CardSync(harness.store, desk, "https://desk.agency.example"), 90)
    [digest] = [view for view in desk.shown.values() if isinstance(view, DigestView)]
    assert digest.url == "https://desk.agency.example/digest?period=day&date=2026-11-23"
    assert desk.backlogs()[0].url == "https://desk.agency.example/"
    for cards in (telegram_cards, slack_cards, discord_cards):
        assert "desk.agency.example/digest" in str(cards.render(digest, translator("it")))
    without_url = msgspec.structs.replace(digest, url="")
    assert "agency.example" not in str(telegram_cards.render(without_url, translator("it")))
