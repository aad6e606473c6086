"""The Telegram desk against a Bot API server on loopback, with the real store and the real triage behind it."""

import asyncio
from datetime import UTC, datetime

import pytest
import telegram
from conftest import House
from platforms.telegram import BOT, TOKEN, BotApi

from ascolto.demo.square import Square as SquareServer
from connections.http import session as http_session
from connections.square import Square
from connections.telegram import Telegram
from desk.telegram import TelegramDesk, to_action
from insights import digests
from languages import translator
from models.case import Case, Reply
from models.catalogue import Chat
from models.desk import Action, CardPost, Chart, DeskEvent, Point
from models.errors import Unauthorized, Unavailable
from responders.square import SquareVoice
from store import desks
from triage import actions, clock, replying
from triage.boards import Board
from triage.desking import Outcome, Preview
from triage.publishing import Mouth
from triage.viewing import DigestView

GROUP = "-1001"
ANA, BRUNO, STRANGER = 11, 12, 999


DIGEST = DigestView(
    lines=("Treni", "143 menzioni"),
    chart=Chart(title="Treni", points=(Point("22 nov", 80, 20), Point("23 nov", 143, 61)), period=1, usual=0.25),
)


class Desk:
    """The desk with its board, driven step by step."""

    def __init__(self, house: House, api: BotApi) -> None:
        self.house = house
        self.api = api
        self.connection = Telegram("telegram", TOKEN, base_url=api.base_url, base_file_url=api.base_url, poll=0)
        self.desk = TelegramDesk(self.connection)
        self.board = Board(house.store, self.desk, house.checker)
        self.heard = self.desk.actions(None)

    async def redraw(self) -> int:
        return await self.board.redraw(self.house.catalogue, self.house.now)

    async def listen(self) -> None:
        """What was done is written down, and only then confirmed."""
        did = await anext(self.heard)
        async with self.house.store.writing() as session:
            await desks.write_actions(session, "telegram", did.actions, self.house.now)

    async def act(self) -> None:
        await self.listen()
        await self.board.act(self.house.catalogue, self.house.now)
        while await self.redraw():
            pass


@pytest.fixture
async def api():
    async with BotApi() as api:
        yield api


@pytest.fixture
async def desk(house: House, api: BotApi):
    await house.change_queue("trains", chats=(Chat(desk="telegram", chat=GROUP),), language="it")
    desk = Desk(house, api)
    yield desk
    await desk.heard.aclose()
    await desk.desk.close()


async def test_the_whole_walk_from_card_to_receipt(house: House, api: BotApi, desk: Desk):
    square = SquareServer(lambda: house.now)
    await square.start()
    said = square.post(id="p1", author="rita", text="Ferroviola in ritardo (-)")
    case = await house.case("Ferroviola in ritardo (-)", native_id=said.id, url="https://square.example/posts/p1")
    await desk.redraw()
    card = api.last(GROUP)
    assert "#1 @rita" in card["text"]
    assert "Ferroviola in ritardo" in card["text"]

    api.press_label(card, "Take it" if "Take it" in str(card) else "👀", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).claimed_by == house.member("ana")
    assert "Ana" in api.messages[GROUP, card["message_id"]]["text"]

    api.press_label(card, "✍️", ANA)
    await desk.act()
    question = api.last(GROUP)
    assert question["asks_for_answer"]
    assert "ci scusiamo per il ritardo" in question["text"]

    api.type(GROUP, "@rita ci scusiamo davvero: https://ferroviola.example/aiuto", ANA, under=question)
    await desk.act()
    preview = api.last(GROUP)
    assert "@rita ci scusiamo davvero" in preview["text"]
    assert (await house.get(Case, case.id)).state == "claimed"

    api.press_label(preview, "✅", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "answering"
    assert "reply_markup" not in api.messages[GROUP, preview["message_id"]]

    house.later(seconds=10)
    async with http_session() as http:
        voice = SquareVoice(Square("square", square.url, http))
        await Mouth(house.store, voice).speak(house.catalogue, house.now)
    await desk.redraw()
    assert [p.text for p in square.said] == ["@rita ci scusiamo davvero: https://ferroviola.example/aiuto"]
    receipt = api.messages[GROUP, card["message_id"]]
    assert square.said[0].url in receipt["html"]
    assert api.last(GROUP)["message_id"] == preview["message_id"], "the card was updated in place"
    await square.stop()


async def test_a_strangers_click_is_answered_and_does_nothing(house: House, api: BotApi, desk: Desk):
    case = await house.case()
    await desk.redraw()
    api.press_label(api.last(GROUP), "👀", STRANGER)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "waiting"
    assert "999" in api.answers[-1]["text"]


async def test_a_second_manager_is_told_who_was_first(house: House, api: BotApi, desk: Desk):
    await house.case()
    await desk.redraw()
    card = dict(api.last(GROUP))
    api.press_label(card, "👀", ANA)
    api.press_label(card, "👀", BRUNO)
    await desk.act()
    assert "Ana" in api.answers[-1]["text"]
    assert api.answers[-1]["show_alert"] == "true"


async def test_an_update_told_twice_is_acted_on_once(house: House, api: BotApi, desk: Desk):
    case = await house.case()
    await desk.redraw()
    api.press_label(api.last(GROUP), "⬆️", ANA)
    await desk.listen()
    api.repeat_last_update()
    desk.heard = desk.desk.actions(None)
    await desk.act()
    assert len(await house.all(DeskEvent)) == 1
    assert (await house.get(Case, case.id)).level == 1


async def test_a_click_written_down_before_a_crash_is_acted_on_after_it(house: House, api: BotApi, desk: Desk):
    case = await house.case()
    await desk.redraw()
    api.press_label(api.last(GROUP), "👀", ANA)
    await desk.listen()  # and here the power goes
    again = Desk(house, api)
    await again.board.act(house.catalogue, house.now)
    assert (await house.get(Case, case.id)).claimed_by == house.member("ana")
    await again.desk.close()


async def test_an_approval_is_for_the_text_that_was_shown(house: House, api: BotApi, desk: Desk):
    case = await house.case()
    await house.do(replying.draft, case.id, house.member("ana"), "Ci scusiamo molto.")
    await desk.redraw()
    api.press_label(api.last(GROUP), "✍️", ANA)
    await desk.act()
    question = api.last(GROUP)
    api.type(GROUP, "Ci scusiamo, prima versione.", ANA, under=question)
    await desk.act()
    old = dict(api.last(GROUP))
    api.type(GROUP, "Ci scusiamo, seconda versione.", ANA, under=question)
    await desk.act()
    api.press_label(old, "✅", ANA)
    await desk.act()
    [reply] = await house.all(Reply)
    assert (reply.state, reply.text) == ("draft", "Ci scusiamo, seconda versione.")


async def test_words_under_a_card_are_not_a_reply(house: House, api: BotApi, desk: Desk):
    await house.case()
    await desk.redraw()
    api.type(GROUP, "ma questi sono matti", ANA, under=api.last(GROUP))
    api.type(GROUP, "ciao", ANA)
    await desk.act()
    assert await house.all(Reply) == []


async def test_a_deleted_card_is_shown_again(house: House, api: BotApi, desk: Desk):
    case = await house.case()
    await desk.redraw()
    api.forget(api.last(GROUP))
    await house.do(actions.note, case.id, house.member("ana"), "una nota")
    await desk.redraw()
    assert "una nota" in api.last(GROUP)["text"]


async def test_a_limited_chat_waits_and_the_card_is_not_lost(house: House, api: BotApi, desk: Desk):
    await desk.desk.connect()
    await house.case()
    api.fails = [(429, {"description": "Too Many Requests: retry after 7", "parameters": {"retry_after": 7}})]
    with pytest.raises(Unavailable) as limited:
        await desk.redraw()
    assert limited.value.retry_after == 7
    await desk.redraw()
    assert "#1" in api.last(GROUP)["text"]


async def test_a_chat_that_refuses_does_not_hold_up_the_others(house: House, api: BotApi, desk: Desk):
    chats = (Chat(desk="telegram", chat="-5"), Chat(desk="telegram", chat=GROUP))
    await house.change_queue("trains", chats=chats)
    await desk.desk.connect()
    await house.case()
    api.fails = [(400, {"description": "Bad Request: chat not found"})]
    await desk.redraw()
    posts = await house.all(CardPost)
    assert sorted(post.shown > 0 for post in posts) == [False, True]
    assert "Chat not found" in next(post.error for post in posts if post.error)


@pytest.mark.parametrize(
    "name", ["<b>Rita</b>", "a & b <script>", "</blockquote>", "{{ 7*7 }}", "\u202eatiR", "R" * 300]
)
async def test_a_strangers_name_and_words_are_only_words(house: House, api: BotApi, desk: Desk, name: str):
    case = await house.case(f"Ferroviola {name} <i>male</i> (-)", author=name)
    await house.do(actions.note, case.id, house.member("ana"), "<a href='x'>nota</a>")
    await desk.redraw()
    assert "<i>male</i>" in api.last(GROUP)["text"]


async def test_a_long_post_and_a_long_note_fit_in_one_message(house: House, api: BotApi, desk: Desk):
    case = await house.case("Ferroviola & co <" + "a" * 9_000 + " (-)")
    await house.do(actions.note, case.id, house.member("ana"), "&" * 4_000)
    await desk.redraw()
    assert api.messages


async def test_alerts_come_before_cases_and_name_who_is_called(house: House, api: BotApi, desk: Desk):
    await house.case("Ferroviola: preso fuoco (-)")
    await desk.redraw()
    texts = [m["text"] for m in api.messages.values()]
    assert "🚨" in texts[0]
    assert "preso fuoco" in texts[0]
    house.later(minutes=61)
    await house.do(clock.tick)
    await desk.redraw()
    assert "Ana" in api.last(GROUP)["text"]


async def test_of_a_storm_one_card_is_shown_and_the_next_follows(house: House, api: BotApi, desk: Desk):
    for n in range(3):
        await house.hear(
            house.post(f"Ferroviola ferma da due ore a Bologna, nessuno dice niente {n} (-)", author=f"a{n}")
        )
    await house.read()
    await desk.redraw()
    assert len(api.messages) == 1
    assert "×3" in api.last(GROUP)["text"]
    first = (await house.cases())[0]
    await house.do(actions.dismiss, first.id, house.member("ana"), "solved")
    while await desk.redraw():
        pass
    assert len(api.messages) == 2


async def test_a_wrong_token_says_which_step_to_take(api: BotApi):
    connection = Telegram("telegram", "1:wrong", base_url=api.base_url, base_file_url=api.base_url)
    with pytest.raises(Unauthorized, match="BotFather"):
        await connection.open()
    await connection.close()


async def test_offline_at_the_start_is_unavailable_and_not_a_crash(api: BotApi):
    await api.stop()
    connection = Telegram("telegram", TOKEN, base_url=api.base_url, base_file_url=api.base_url)
    with pytest.raises(Unavailable):
        await connection.open()
    await api.start()
    await asyncio.wait_for(connection.open(), 10)
    await connection.close()


async def test_someone_who_writes_to_the_bot_learns_their_number(house: House, api: BotApi, desk: Desk):
    api.type("999", "/start", STRANGER)
    await desk.act()
    assert "999" in api.last("999")["text"]


async def test_commands_are_offered_in_each_language_and_understood_in_all(house: House, api: BotApi, desk: Desk):
    await desk.desk.connect()
    assert {code: [one["command"] for one in offered] for code, offered in api.commands.items()} == {
        "": ["mine", "next", "quiet", "away", "help"],
        "it": ["miei", "prossimo", "silenzio", "assente", "aiuto"],
        "ro": ["ale", "urmatorul", "liniste", "plecat", "ajutor"],
    }
    api.write(text="/silenzio@ascolto_bot 22:00-07:00", user=ANA)
    await desk.act()
    assert "22:00-07:00" in list(api.messages.values())[-1]["text"]
    before = len(api.messages)
    api.write(text="/meteo Bologna", user=ANA)  # another bot's
    await desk.act()
    assert len(api.messages) == before + 1


async def test_a_digest_brings_its_chart(house: House, api: BotApi, desk: Desk):
    await desk.desk.show(DIGEST, GROUP, None, translator("it"))
    assert [picture[:4] for picture in api.photos] == [b"\x89PNG"]
    assert "143 menzioni" in list(api.messages.values())[-1]["text"]


async def test_in_a_forum_cards_stand_in_the_topic_and_answers_too(house: House, api: BotApi, desk: Desk):
    await house.change_queue("trains", chats=(Chat(desk="telegram", chat=f"{GROUP}/45"),), language="it")
    case = await house.case()
    await desk.redraw()
    [card] = api.messages.values()
    assert (card["chat"]["id"], card["message_thread_id"]) == (int(GROUP), 45)
    api.press_label(card, "👀", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "claimed"
    api.press_label(card, "💤", ANA)
    await desk.act()
    assert {message["message_thread_id"] for message in api.messages.values()} == {45}
    assert ("telegram", GROUP) in house.catalogue.homes


async def test_the_walk_goes_on_undone_noted_escalated_asleep_and_into_the_digest(
    house: House, api: BotApi, desk: Desk
):
    case = await house.case("Ferroviola in ritardo (-)")
    await desk.redraw()
    [number] = [number for _, number in api.messages]

    def card() -> dict:
        return api.messages[GROUP, number]

    api.press_label(card(), "👀", ANA)
    await desk.act()
    api.press_label(card(), "✍️", ANA)
    await desk.act()
    api.type(GROUP, "@rita ci scusiamo: https://ferroviola.example/aiuto", ANA, under=api.last(GROUP))
    await desk.act()
    api.press_label(api.last(GROUP), "✅", ANA)
    await desk.act()
    api.press_label(card(), "↩️", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "claimed"
    await house.do(actions.note, case.id, house.member("ana"), "ne ho parlato con il deposito")
    await desk.redraw()
    assert "📝 ne ho parlato con il deposito" in card()["text"]
    house.later(seconds=6)  # what a chat takes at once is spent
    api.press_label(card(), "⬆️", ANA)
    await desk.act()
    assert any("🚨" in message["text"] for message in api.messages.values())
    house.later(seconds=6)  # what a chat takes at once is spent
    api.press_label(card(), "💤", ANA)
    await desk.act()
    api.press_label(api.last(GROUP), "1", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "snoozed"
    assert "→" in card()["text"]
    house.later(hours=1)
    await house.do(clock.tick)
    assert (await house.get(Case, case.id)).state == "waiting"
    house.now = house.now.replace(day=24, hour=8)
    await house.do(digests.write_due)
    house.later(minutes=2)
    while await desk.redraw():
        pass
    assert "• " in api.last(GROUP)["text"]


def shown(text: str) -> Preview:
    return Preview(
        case=1, reply=1, revision=1, text=text, language="it", findings=(), can_publish=True, url="https://x.example"
    )


async def test_a_long_reply_is_shown_to_its_last_word_before_it_is_approved(api: BotApi, desk: Desk):
    text = "Ci scusiamo. " * 700 + "🚆" * 2_000 + " E le rimborsiamo il biglietto."
    pressed = Action(native_id="1", verb="review", who=str(ANA), chat=GROUP, case=1)
    await desk.desk.answer(pressed, Outcome(preview=shown(text), case=1), translator("it"))
    sent = [message["text"] for (chat, _), message in api.messages.items() if chat == GROUP]
    assert "".join(sent[:-1]) == text
    assert all(len(piece.encode("utf-16-le")) / 2 <= 4096 for piece in sent)
    assert "✅" in str(api.last(GROUP)["reply_markup"])


@pytest.mark.parametrize(("author", "text"), [(BOT["id"], "> male\u2063#7\u2063 bye"), (4321, "\u2063#7\u2063")])
def test_a_stranger_does_not_choose_the_case_that_a_note_goes_to(author: int, text: str):
    chat, now = telegram.Chat(-1001, "supergroup"), datetime.now(UTC)
    card = telegram.Message(5, now, chat, from_user=telegram.User(author, "bot", is_bot=True), text=text)
    note = telegram.Message(
        6,
        now,
        chat,
        from_user=telegram.User(ANA, "Ana", is_bot=False),
        text="tra noi: cliente noto",
        reply_to_message=card,
    )
    assert to_action(telegram.Update(1, message=note), BOT["id"]) is None
