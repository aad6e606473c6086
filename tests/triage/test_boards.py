from datetime import datetime

import msgspec
import pytest
from conftest import House
from sqlalchemy import update

from desk import discord_cards, slack_cards, telegram_cards
from insights import digests
from languages import Translator, translator
from models.case import Case
from models.catalogue import Chat
from models.errors import Unavailable
from triage.boards import BACKLOG_EVERY, Board, Pace
from triage.card import Card
from triage.viewing import AlertView, BacklogView, DigestView, View

CHAT = "-1"


class Group:
    """A chat that refuses the sixth message in five seconds, and keeps what stands in it."""

    name = platform = "tg"

    def __init__(self, house: House) -> None:
        self.pace = Pace(5, 5.0)
        self.house = house
        self.stands: dict[str, View] = {}
        self.came: list[datetime] = []

    async def show(self, view: View, _chat: str, address: str | None, _t: Translator) -> str:
        lately = [at for at in self.came if (self.house.now - at).total_seconds() < self.pace.seconds]
        if len(lately) >= self.pace.most + self.pace.spare:
            raise Unavailable("too many messages")
        self.came.append(self.house.now)
        address = address or str(len(self.stands) + 1)
        self.stands[address] = view
        return address

    async def answer(self, *_: object) -> None: ...

    def cards(self) -> list[int]:
        return [view.case for view in self.stands.values() if isinstance(view, Card)]

    def backlogs(self) -> list[BacklogView]:
        return [view for view in self.stands.values() if isinstance(view, BacklogView)]


@pytest.fixture
async def group(house: House) -> Group:
    await house.change_queue("trains", chats=(Chat(desk="tg", chat=CHAT),))
    return Group(house)


async def _complaints(house: House, count: int, word: str = "fermo") -> None:
    await house.hear(*(house.post(f"Ferroviola {word} {word * n} (-)", author=f"{word}{n}") for n in range(count)))
    while await house.read():
        pass


async def _pass(house: House, board: Board, seconds: int) -> None:
    for _ in range(seconds):
        house.later(seconds=1)
        while await board.redraw(house.catalogue, house.now):
            pass


async def test_a_chat_gets_no_more_than_it_takes_and_is_told_how_much_more_there_is(house: House, group: Group):
    await _complaints(house, 48)
    board = Board(house.store, group, house.checker)
    await _pass(house, board, 1)
    assert len(group.cards()) == 4
    (backlog,) = group.backlogs()
    assert backlog.count == 44
    assert len(backlog.worst) == 3
    assert not {case for case, *_ in backlog.worst} & set(group.cards())
    await _pass(house, board, 80)
    assert sorted(group.cards()) == [case.id for case in await house.all(Case)]
    assert [one.count for one in group.backlogs()] == [0]
    told = sum(1 for at in group.came) - 48
    assert told <= 2 + 60 / BACKLOG_EVERY


async def test_the_worst_go_first_and_an_alert_before_them(house: House, group: Group):
    await _complaints(house, 20)
    async with house.store.writing() as session:
        await session.execute(update(Case).where(Case.id == 17).values(rank=999.0))
    await house.hear(house.post("Ferroviola, domani sento il mio avvocato (-)", author="rita"))
    await house.read()
    board = Board(house.store, group, house.checker)
    await _pass(house, board, 1)
    shown = [view for view in group.stands.values() if not isinstance(view, BacklogView)]
    assert isinstance(shown[0], AlertView)
    assert 17 in group.cards()


async def test_a_chat_with_a_long_breath_is_told_of_the_rest_though_it_has_had_its_fill(house: House, group: Group):
    group.pace = Pace(5, 60.0, spare=1)
    await _complaints(house, 5)
    board = Board(house.store, group, house.checker)
    await _pass(house, board, 1)
    assert group.backlogs() == []
    await _complaints(house, 7, "rotto")
    await _pass(house, board, 1)
    assert [one.count for one in group.backlogs()] == [7]
    assert len(group.cards()) == 5
    await _pass(house, board, 120)
    assert len(group.cards()) == 12


async def test_a_few_cases_at_once_need_no_backlog(house: House, group: Group):
    await _complaints(house, 8)
    await _pass(house, Board(house.store, group, house.checker), 20)
    assert len(group.cards()) == 8
    assert group.backlogs() == []


async def test_a_backlog_goes_on_after_a_restart_on_the_same_card_and_the_next_flood_gets_a_new_one(
    house: House, group: Group
):
    await _complaints(house, 40)
    await _pass(house, Board(house.store, group, house.checker), 1)
    group.came.clear()
    board = Board(house.store, group, house.checker)
    await _pass(house, board, 60)
    assert [one.count for one in group.backlogs()] == [0]
    await _complaints(house, 30, "rotto")
    await _pass(house, board, 60)
    assert [one.count for one in group.backlogs()] == [0, 0]


async def test_a_backlog_is_said_in_the_words_of_every_desk():
    view = BacklogView(count=43, worst=((7, "<!channel>", "@everyone *tutti* fermi"),))
    t = translator("it")
    text, keyboard = telegram_cards.render(view, t)
    assert "43" in text
    assert keyboard is None
    assert "&lt;!channel&gt;" in text
    blocks, _ = slack_cards.render(view, t)
    assert "<!channel>" not in blocks[0]["text"]["text"]
    body = discord_cards.render(view, t)
    assert "@everyone" not in body["embeds"][0]["description"]


async def test_where_others_reach_the_web_desk_digests_and_backlogs_lead_there(house: House, group: Group):
    await _complaints(house, 48)
    house.now = house.now.replace(day=24, hour=8)
    async with house.store.writing() as session:
        await digests.write_due(house.turn(session))
    board = Board(house.store, group, house.checker, "https://desk.agency.example")
    await _pass(house, board, 90)
    [digest] = [view for view in group.stands.values() if isinstance(view, DigestView)]
    assert digest.url == "https://desk.agency.example/digest?period=day&date=2026-11-23"
    assert group.backlogs()[0].url == "https://desk.agency.example/"
    for cards in (telegram_cards, slack_cards, discord_cards):
        assert "desk.agency.example/digest" in str(cards.render(digest, translator("it")))
    quiet = msgspec.structs.replace(digest, url="")
    assert "agency.example" not in str(telegram_cards.render(quiet, translator("it")))
