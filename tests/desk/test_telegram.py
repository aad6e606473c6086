"""The Telegram desk against a Bot API server on loopback, with a real database and triage."""

import asyncio
from datetime import UTC, datetime

import pytest
import telegram
from conftest import Harness
from platforms.telegram import BOT, TOKEN, BotApi

from actions.perform import perform_chat_action
from ascolto.demo.square import Square as SquareServer
from cards import scheduled_digests
from cards.action_queue import ActionQueue
from cards.card_sync import CardSync
from cards.chat_views import DigestView
from cards.outcome import Outcome, PerformedAction, Preview
from connections.http import session as http_session
from connections.square import Square
from connections.telegram import Telegram
from desk.telegram import TelegramDesk, to_action
from languages import translator
from models.configuration import Chat
from models.errors import Unauthorized, Unavailable
from models.tables.action import Action, QueuedAction
from models.tables.card_placement import CardPlacement
from models.tables.case import Case
from models.tables.digest import Chart, ChartPoint
from models.tables.reply import Reply
from publishing import replies
from publishing.sending import ReplyPublisher
from responders.square import SquareResponder
from store.queued_actions import store_actions
from triage import case_actions
from triage.schedule import deadlines

GROUP = "-1001"
ANA, BRUNO, NON_MEMBER = 11, 12, 999


DIGEST = DigestView(
    lines=("Treni", "143 menzioni"),
    chart=Chart(
        title="Treni", points=(ChartPoint("22 nov", 80, 20), ChartPoint("23 nov", 143, 61)), period=1, usual=0.25
    ),
)


class Desk:
    """The desk with its card sync and its action queue, driven step by step."""

    def __init__(self, harness: Harness, api: BotApi) -> None:
        self.harness = harness
        self.api = api
        self.connection = Telegram("telegram", TOKEN, base_url=api.base_url, base_file_url=api.base_url, poll=0)
        self.desk = TelegramDesk(self.connection)
        self.sync = CardSync(harness.store, self.desk)
        self.queue = ActionQueue(harness.store, self.desk, perform_chat_action, harness.checker)
        self.batches = self.desk.actions(None)

    async def update_cards(self) -> int:
        return await self.sync.update_cards(self.harness.configuration, self.harness.now)

    async def receive(self) -> None:
        """Stores the next actions; they are confirmed only afterwards."""
        batch = await anext(self.batches)
        async with self.harness.store.writing() as session:
            await store_actions(session, "telegram", batch.actions, self.harness.now)

    async def act(self) -> None:
        await self.receive()
        await self.queue.run_batch(self.harness.configuration, self.harness.now)
        while await self.update_cards():
            pass


@pytest.fixture
async def api():
    async with BotApi() as api:
        yield api


@pytest.fixture
async def desk(harness: Harness, api: BotApi):
    await harness.change_queue("trains", chats=(Chat(desk="telegram", chat=GROUP),), language="it")
    desk = Desk(harness, api)
    yield desk
    await desk.batches.aclose()
    await desk.desk.close()


async def test_a_case_from_its_card_to_the_published_reply(harness: Harness, api: BotApi, desk: Desk):
    square = SquareServer(lambda: harness.now)
    await square.start()
    post = square.post(id="p1", author="rita", text="Ferroviola in ritardo (-)")
    case = await harness.case("Ferroviola in ritardo (-)", native_id=post.id, url="https://square.example/posts/p1")
    await desk.update_cards()
    card = api.last(GROUP)
    assert "#1 @rita" in card["text"]
    assert "Ferroviola in ritardo" in card["text"]

    api.press_label(card, "👀", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).claimed_by == harness.member("ana")
    assert "Ana" in api.messages[GROUP, card["message_id"]]["text"]

    api.press_label(card, "✍️", ANA)
    await desk.act()
    question = api.last(GROUP)
    assert question["asks_for_answer"]
    assert "ci scusiamo per il ritardo" in question["text"]

    api.type(GROUP, "@rita ci scusiamo davvero: https://ferroviola.example/aiuto", ANA, in_reply_to=question)
    await desk.act()
    preview = api.last(GROUP)
    assert "@rita ci scusiamo davvero" in preview["text"]
    assert (await harness.get(Case, case.id)).state == "claimed"

    api.press_label(preview, "✅", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "publishing"
    assert "reply_markup" not in api.messages[GROUP, preview["message_id"]]

    harness.advance(seconds=10)
    async with http_session() as http:
        responder = SquareResponder(Square("square", square.url, http))
        await ReplyPublisher(harness.store, responder).publish_due(harness.configuration, harness.now)
    await desk.update_cards()
    assert [p.text for p in square.replies] == ["@rita ci scusiamo davvero: https://ferroviola.example/aiuto"]
    receipt = api.messages[GROUP, card["message_id"]]
    assert square.replies[0].url in receipt["html"]
    assert api.last(GROUP)["message_id"] == preview["message_id"], "the card was updated in place"
    await square.stop()


async def test_a_button_press_by_a_non_member_is_refused(harness: Harness, api: BotApi, desk: Desk):
    case = await harness.case()
    await desk.update_cards()
    api.press_label(api.last(GROUP), "👀", NON_MEMBER)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "waiting"
    assert "999" in api.callback_answers[-1]["text"]


async def test_the_second_member_to_claim_a_case_sees_who_was_first(harness: Harness, api: BotApi, desk: Desk):
    await harness.case()
    await desk.update_cards()
    card = dict(api.last(GROUP))
    api.press_label(card, "👀", ANA)
    api.press_label(card, "👀", BRUNO)
    await desk.act()
    assert "Ana" in api.callback_answers[-1]["text"]
    assert api.callback_answers[-1]["show_alert"] == "true"


async def test_a_repeated_update_is_performed_once(harness: Harness, api: BotApi, desk: Desk):
    case = await harness.case()
    await desk.update_cards()
    api.press_label(api.last(GROUP), "⬆️", ANA)
    await desk.receive()
    api.repeat_last_update()
    desk.batches = desk.desk.actions(None)
    await desk.act()
    assert len(await harness.all(QueuedAction)) == 1
    assert (await harness.get(Case, case.id)).escalation_level == 1


async def test_an_action_stored_before_a_crash_is_performed_after_it(harness: Harness, api: BotApi, desk: Desk):
    case = await harness.case()
    await desk.update_cards()
    api.press_label(api.last(GROUP), "👀", ANA)
    await desk.receive()  # then a crash
    again = Desk(harness, api)
    await again.queue.run_batch(harness.configuration, harness.now)
    assert (await harness.get(Case, case.id)).claimed_by == harness.member("ana")
    await again.desk.close()


async def test_an_approval_is_valid_only_for_the_text_that_was_shown(harness: Harness, api: BotApi, desk: Desk):
    case = await harness.case()
    await harness.do(replies.save_draft, case.id, harness.member("ana"), "Ci scusiamo molto.")
    await desk.update_cards()
    api.press_label(api.last(GROUP), "✍️", ANA)
    await desk.act()
    question = api.last(GROUP)
    api.type(GROUP, "Ci scusiamo, prima versione.", ANA, in_reply_to=question)
    await desk.act()
    old = dict(api.last(GROUP))
    api.type(GROUP, "Ci scusiamo, seconda versione.", ANA, in_reply_to=question)
    await desk.act()
    api.press_label(old, "✅", ANA)
    await desk.act()
    [reply] = await harness.all(Reply)
    assert (reply.state, reply.text) == ("draft", "Ci scusiamo, seconda versione.")


async def test_messages_in_reply_to_a_card_are_not_a_reply(harness: Harness, api: BotApi, desk: Desk):
    await harness.case()
    await desk.update_cards()
    api.type(GROUP, "ma questi sono matti", ANA, in_reply_to=api.last(GROUP))
    api.type(GROUP, "ciao", ANA)
    await desk.act()
    assert await harness.all(Reply) == []


async def test_a_deleted_card_is_posted_again(harness: Harness, api: BotApi, desk: Desk):
    case = await harness.case()
    await desk.update_cards()
    api.delete(api.last(GROUP))
    await harness.do(case_actions.add_note, case.id, harness.member("ana"), "una nota")
    await desk.update_cards()
    assert "una nota" in api.last(GROUP)["text"]


async def test_a_rate_limited_card_is_sent_later(harness: Harness, api: BotApi, desk: Desk):
    await desk.desk.connect()
    await harness.case()
    api.failures = [(429, {"description": "Too Many Requests: retry after 7", "parameters": {"retry_after": 7}})]
    with pytest.raises(Unavailable) as limited:
        await desk.update_cards()
    assert limited.value.retry_after == 7
    await desk.update_cards()
    assert "#1" in api.last(GROUP)["text"]


async def test_a_chat_that_rejects_a_card_does_not_block_the_others(harness: Harness, api: BotApi, desk: Desk):
    chats = (Chat(desk="telegram", chat="-5"), Chat(desk="telegram", chat=GROUP))
    await harness.change_queue("trains", chats=chats)
    await desk.desk.connect()
    await harness.case()
    api.failures = [(400, {"description": "Bad Request: chat not found"})]
    await desk.update_cards()
    placements = await harness.all(CardPlacement)
    assert sorted(placement.shown_revision > 0 for placement in placements) == [False, True]
    assert "Chat not found" in next(placement.error for placement in placements if placement.error)


@pytest.mark.parametrize(
    "name", ["<b>Rita</b>", "a & b <script>", "</blockquote>", "{{ 7*7 }}", "\u202eatiR", "R" * 300]
)
async def test_an_authors_name_and_text_are_escaped(harness: Harness, api: BotApi, desk: Desk, name: str):
    case = await harness.case(f"Ferroviola {name} <i>male</i> (-)", author=name)
    await harness.do(case_actions.add_note, case.id, harness.member("ana"), "<a href='x'>nota</a>")
    await desk.update_cards()
    assert "<i>male</i>" in api.last(GROUP)["text"]


async def test_a_long_post_and_a_long_note_fit_in_one_message(harness: Harness, api: BotApi, desk: Desk):
    case = await harness.case("Ferroviola & co <" + "a" * 9_000 + " (-)")
    await harness.do(case_actions.add_note, case.id, harness.member("ana"), "&" * 4_000)
    await desk.update_cards()
    assert api.messages


async def test_alerts_come_before_cases_and_name_who_is_notified(harness: Harness, api: BotApi, desk: Desk):
    await harness.case("Ferroviola: preso fuoco (-)")
    await desk.update_cards()
    texts = [m["text"] for m in api.messages.values()]
    assert "🚨" in texts[0]
    assert "preso fuoco" in texts[0]
    harness.advance(minutes=61)
    await harness.do(deadlines.run_due)
    await desk.update_cards()
    assert "Ana" in api.last(GROUP)["text"]


async def test_a_duplicate_group_has_one_card_at_a_time(harness: Harness, api: BotApi, desk: Desk):
    for n in range(3):
        await harness.receive(
            harness.post(f"Ferroviola ferma da due ore a Bologna, nessuno dice niente {n} (-)", author=f"a{n}")
        )
    await harness.analyze()
    await desk.update_cards()
    assert len(api.messages) == 1
    assert "×3" in api.last(GROUP)["text"]
    first = (await harness.cases())[0]
    await harness.do(case_actions.dismiss, first.id, harness.member("ana"), "solved")
    while await desk.update_cards():
        pass
    assert len(api.messages) == 2


async def test_a_wrong_token_is_unauthorized(api: BotApi):
    connection = Telegram("telegram", "1:wrong", base_url=api.base_url, base_file_url=api.base_url)
    with pytest.raises(Unauthorized, match="BotFather"):
        await connection.open()
    await connection.close()


async def test_a_server_that_is_down_at_the_start_is_unavailable(api: BotApi):
    await api.stop()
    connection = Telegram("telegram", TOKEN, base_url=api.base_url, base_file_url=api.base_url)
    with pytest.raises(Unavailable):
        await connection.open()
    await api.start()
    await asyncio.wait_for(connection.open(), 10)
    await connection.close()


async def test_a_non_member_who_writes_to_the_bot_gets_their_id(harness: Harness, api: BotApi, desk: Desk):
    api.type("999", "/start", NON_MEMBER)
    await desk.act()
    assert "999" in api.last("999")["text"]


async def test_commands_are_offered_in_each_language_and_accepted_in_all(harness: Harness, api: BotApi, desk: Desk):
    await desk.desk.connect()
    assert {code: [command["command"] for command in offered] for code, offered in api.commands.items()} == {
        "": ["mine", "next", "quiet", "away", "help"],
        "it": ["miei", "prossimo", "silenzio", "assente", "aiuto"],
        "ro": ["mele", "urmatorul", "liniste", "absent", "ajutor"],
    }
    api.write(text="/silenzio@ascolto_bot 22:00-07:00", user=ANA)
    await desk.act()
    assert "22:00-07:00" in list(api.messages.values())[-1]["text"]
    before = len(api.messages)
    api.write(text="/meteo Bologna", user=ANA)  # another bot's
    await desk.act()
    assert len(api.messages) == before + 1


async def test_a_digest_comes_with_its_chart(harness: Harness, api: BotApi, desk: Desk):
    await desk.desk.show(DIGEST, GROUP, None, translator("it"))
    assert [photo[:4] for photo in api.photos] == [b"\x89PNG"]
    assert "143 menzioni" in list(api.messages.values())[-1]["text"]


async def test_in_a_forum_cards_and_responses_are_in_the_topic(harness: Harness, api: BotApi, desk: Desk):
    await harness.change_queue("trains", chats=(Chat(desk="telegram", chat=f"{GROUP}/45"),), language="it")
    case = await harness.case()
    await desk.update_cards()
    [card] = api.messages.values()
    assert (card["chat"]["id"], card["message_thread_id"]) == (int(GROUP), 45)
    api.press_label(card, "👀", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "claimed"
    api.press_label(card, "💤", ANA)
    await desk.act()
    assert {message["message_thread_id"] for message in api.messages.values()} == {45}
    assert ("telegram", GROUP) in harness.configuration.desk_chats


async def test_undo_note_escalation_snooze_and_digest(harness: Harness, api: BotApi, desk: Desk):
    case = await harness.case("Ferroviola in ritardo (-)")
    await desk.update_cards()
    [number] = [number for _, number in api.messages]

    def card() -> dict:
        return api.messages[GROUP, number]

    api.press_label(card(), "👀", ANA)
    await desk.act()
    api.press_label(card(), "✍️", ANA)
    await desk.act()
    api.type(GROUP, "@rita ci scusiamo: https://ferroviola.example/aiuto", ANA, in_reply_to=api.last(GROUP))
    await desk.act()
    api.press_label(api.last(GROUP), "✅", ANA)
    await desk.act()
    api.press_label(card(), "↩️", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "claimed"
    await harness.do(case_actions.add_note, case.id, harness.member("ana"), "ne ho parlato con il deposito")
    await desk.update_cards()
    assert "📝 ne ho parlato con il deposito" in card()["text"]
    harness.advance(seconds=6)  # the chat's rate limit is used up
    api.press_label(card(), "⬆️", ANA)
    await desk.act()
    assert any("🚨" in message["text"] for message in api.messages.values())
    harness.advance(seconds=6)  # the chat's rate limit is used up
    api.press_label(card(), "💤", ANA)
    await desk.act()
    api.press_label(api.last(GROUP), "1", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "snoozed"
    assert "→" in card()["text"]
    harness.advance(hours=1)
    await harness.do(deadlines.run_due)
    assert (await harness.get(Case, case.id)).state == "waiting"
    harness.now = harness.now.replace(day=24, hour=8)
    await harness.do(scheduled_digests.write_due)
    harness.advance(minutes=2)
    while await desk.update_cards():
        pass
    assert "• " in api.last(GROUP)["text"]


def preview_of(text: str) -> Preview:
    return Preview(
        case=1, reply=1, revision=1, text=text, language="it", findings=(), can_publish=True, url="https://x.example"
    )


async def test_a_long_reply_is_shown_in_full_before_it_is_approved(api: BotApi, desk: Desk):
    text = "Ci scusiamo. " * 700 + "🚆" * 2_000 + " E le rimborsiamo il biglietto."
    action = Action(native_id="1", verb="review", who=str(ANA), chat=GROUP, case=1)
    performed = PerformedAction(Outcome(preview=preview_of(text), case=1), translator("it"), confirm=False)
    await desk.desk.respond(action, performed)
    sent = [message["text"] for (chat, _), message in api.messages.items() if chat == GROUP]
    assert "".join(sent[:-1]) == text
    assert all(len(part.encode("utf-16-le")) / 2 <= 4096 for part in sent)
    assert "✅" in str(api.last(GROUP)["reply_markup"])


@pytest.mark.parametrize(("author", "text"), [(BOT["id"], "> male\u2063#7\u2063 bye"), (4321, "\u2063#7\u2063")])
def test_text_on_a_card_cannot_choose_the_case_of_a_reply(author: int, text: str):
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
