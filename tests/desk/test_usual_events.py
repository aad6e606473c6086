"""What people usually do on a chat, in each form in which its platform sends it: skin tones, captions, mentions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Generic, TypeVar

import pytest
from conftest import Harness
from platforms.discord import GENERAL, DiscordServer
from platforms.discord import OWN as DISCORD_BOT
from platforms.discord import TOKEN as DISCORD_TOKEN
from platforms.slack import APP_TOKEN, SlackServer
from platforms.slack import TOKEN as SLACK_TOKEN
from platforms.telegram import TOKEN as TELEGRAM_TOKEN
from platforms.telegram import BotApi

from actions.perform import perform_chat_action
from cards.action_queue import ActionQueue
from cards.card_sync import CardSync
from connections.discord import Discord
from connections.http import session as http_session
from connections.slack import Slack
from connections.telegram import Telegram
from desk import Desk
from desk.discord import DiscordDesk
from desk.slack import SlackDesk
from desk.telegram import TelegramDesk
from models.configuration import Chat, ConfigurationFile, Member
from models.tables.action import Action
from models.tables.alert import Alert
from models.tables.case import Case, CaseEvent
from models.tables.reply import Reply
from store.queued_actions import store_actions
from triage import case_actions

S = TypeVar("S")
CHANNEL = "C1"
"""On Slack."""
GROUP = "-1001"
"""On Telegram."""
SLACK = {"ana": "UANA", "bruno": "UBRUNO"}
TELEGRAM = {"ana": "11", "bruno": "12"}
DISCORD = {"ana": "301", "bruno": "302"}


class Office(Generic[S]):
    """A queue's chat: a server and the desk on it, driven step by step."""

    def __init__(self, harness: Harness, server: S, desk: Desk) -> None:
        self.harness = harness
        self.server = server
        self.desk = desk
        self.sync = CardSync(harness.store, desk)
        self.queue = ActionQueue(harness.store, desk, perform_chat_action, harness.checker)
        self.batches = desk.actions(None)

    async def update_cards(self) -> None:
        while await self.sync.update_cards(self.harness.configuration, self.harness.now):
            pass

    async def act(self) -> None:
        """Performs what was done; what the desk makes nothing of leaves everything as it was."""
        actions: tuple[Action, ...] = ()
        with suppress(TimeoutError, StopAsyncIteration):
            async with asyncio.timeout(1):
                while not (actions := (await anext(self.batches)).actions):
                    pass
        async with self.harness.store.writing() as session:
            await store_actions(session, self.desk.name, actions, self.harness.now)
        await self.queue.run_batch(self.harness.configuration, self.harness.now)
        await self.update_cards()


async def staffed(harness: Harness, desk: str, chat: str, identities: dict[str, str]) -> None:
    """The trains' queue in a chat, where Ana and Bruno are known."""
    members = (Member(slug=slug, name=slug.title(), identities={desk: who}) for slug, who in identities.items())
    await harness.apply(ConfigurationFile(members=tuple(members)))
    await harness.change_queue("trains", chats=(Chat(desk=desk, chat=chat),))


@pytest.fixture
async def slack(harness: Harness) -> AsyncIterator[Office[SlackServer]]:
    await staffed(harness, "slack", CHANNEL, SLACK)
    async with SlackServer() as server, http_session() as http:
        connection = Slack("slack", SLACK_TOKEN, APP_TOKEN, http, base_url=server.base_url)
        office = Office(harness, server, SlackDesk(connection))
        await office.desk.connect()
        await anext(office.batches)
        await server.connected()
        yield office
        await office.batches.aclose()


@pytest.fixture
async def telegram(harness: Harness) -> AsyncIterator[Office[BotApi]]:
    await staffed(harness, "telegram", GROUP, TELEGRAM)
    async with BotApi() as api:
        connection = Telegram("telegram", TELEGRAM_TOKEN, base_url=api.base_url, base_file_url=api.base_url, poll=0)
        office = Office(harness, api, TelegramDesk(connection))
        yield office
        await office.batches.aclose()
        await office.desk.close()


@pytest.fixture
async def discord(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office[DiscordServer]]:
    monkeypatch.setattr("connections.discord.GUILD_READY_TIMEOUT", 0.05)
    monkeypatch.setattr("connections.discord.BATCH_WINDOW", 0.02)
    await staffed(harness, "discord", GENERAL, DISCORD)
    async with DiscordServer() as server:
        connection = Discord("discord", DISCORD_TOKEN, api=server.api, gateway=server.gateway, desk=True)
        office = Office(harness, server, DiscordDesk(connection))
        await office.desk.connect()
        async with asyncio.timeout(10):
            await anext(office.batches)
        yield office
        await office.batches.aclose()
        await office.desk.close()


async def notes(harness: Harness) -> list[str]:
    return [event.text for event in await harness.all(CaseEvent, CaseEvent.kind == "noted")]


async def called(harness: Harness) -> list[tuple[str, ...]]:
    """Whom notes called."""
    return [alert.notified for alert in await harness.all(Alert, Alert.kind == "note")]


async def corrections(harness: Harness) -> list[str]:
    return [event.detail.sentiment for event in await harness.all(CaseEvent, CaseEvent.kind == "corrected")]


def discord_card(server: DiscordServer) -> dict[str, Any]:
    return next(m for (c, _), m in server.messages.items() if c == GENERAL and m["author"] == DISCORD_BOT)


def person(number: str, name: str) -> dict[str, Any]:
    return {"id": number, "username": name, "discriminator": "0", "global_name": name.title(), "avatar": None}


# Skin tones.


@pytest.mark.parametrize(
    ("name", "sentiment"),
    [
        ("-1::skin-tone-4", "negative"),
        ("+1::skin-tone-2", "positive"),
        ("thumbsup::skin-tone-6", "positive"),
        ("thumbsdown::skin-tone-3", "negative"),
        ("-1", "negative"),
    ],
)
async def test_a_reaction_in_any_skin_tone_corrects_the_sentiment_on_slack(
    harness: Harness, slack: Office[SlackServer], name: str, sentiment: str
):
    await harness.case()
    await slack.update_cards()
    await slack.server.react(slack.server.last(CHANNEL), name, SLACK["ana"])
    await slack.act()
    assert await corrections(harness) == [sentiment]


@pytest.mark.parametrize(("emoji", "sentiment"), [("👎🏽", "negative"), ("👍🏿", "positive"), ("👍", "positive")])
async def test_a_reaction_in_any_skin_tone_corrects_the_sentiment_on_discord(
    harness: Harness, discord: Office[DiscordServer], emoji: str, sentiment: str
):
    await harness.case()
    await discord.update_cards()
    await discord.server.react(discord_card(discord.server), emoji, person(DISCORD["ana"], "ana"))
    await discord.act()
    assert await corrections(harness) == [sentiment]


# Notes on Slack: https://docs.slack.dev/reference/events/message


async def thread_event(office: Office[SlackServer], text: str, **fields: Any) -> None:
    """Ana writes in the thread of the card."""
    card = office.server.last(CHANNEL)
    event = {"type": "message", "user": SLACK["ana"], "text": text, "channel": CHANNEL, "ts": "9.9"}
    await office.server.event({**event, "thread_ts": card["ts"], **fields})
    await office.act()


@pytest.mark.parametrize(
    "fields",
    [
        {"subtype": "thread_broadcast", "root": {"type": "message", "text": "card"}},
        {"subtype": "file_share", "files": [{"id": "F1", "name": "foto.png"}]},
        {"subtype": "me_message"},
        {},
    ],
)
async def test_a_message_in_the_thread_of_a_card_is_a_note_in_each_of_its_forms(
    harness: Harness, slack: Office[SlackServer], fields: dict[str, Any]
):
    await harness.case()
    await slack.update_cards()
    await thread_event(slack, "l'ha già chiesto ieri", **fields)
    assert await notes(harness) == ["l'ha già chiesto ieri"]


@pytest.mark.parametrize(
    "fields",
    [
        {"subtype": "bot_message", "bot_id": "B1"},
        {"subtype": "thread_broadcast", "bot_id": "B1"},
        {"subtype": "message_deleted", "deleted_ts": "9.9"},
        {"subtype": "channel_join"},
    ],
)
async def test_what_no_colleague_wrote_is_no_note(harness: Harness, slack: Office[SlackServer], fields: dict[str, Any]):
    await harness.case()
    await slack.update_cards()
    await thread_event(slack, "promemoria", **fields)
    assert await notes(harness) == []


async def test_a_note_in_slacks_markup_reads_as_it_was_written_and_calls_who_was_chosen(
    harness: Harness, slack: Office[SlackServer]
):
    await harness.case()
    await slack.update_cards()
    link = "<https://ferroviola.example/scheda|scheda>"
    await thread_event(slack, f"<@UBRUNO> puoi chiamare? S&amp;P e &lt;guasto&gt; {link}")
    [note] = await notes(harness)
    assert note.startswith("@bruno puoi chiamare? S&P e <guasto> ")
    assert "https://ferroviola.example/scheda" in note
    assert not {"<@", "&amp;", "|scheda", "<https"} & {
        mark for mark in ("<@", "&amp;", "|scheda", "<https") if mark in note
    }
    assert await called(harness) == [("bruno",)]


@pytest.mark.parametrize(
    ("sent", "note", "members"),
    [
        ("<@UBRUNO> chiami?", "@bruno chiami?", [("bruno",)]),
        ("<@UBRUNO|bruno.neri> chiami?", "@bruno chiami?", [("bruno",)]),
        ("@bruno chiami?", "@bruno chiami?", [("bruno",)]),
        ("chiedi in <#C9|treni>", "chiedi in #treni", []),
        ("<!channel> aiuto", "@channel aiuto", []),
        ("<!here> aiuto", "@here aiuto", []),
        ("<!subteam^S1|@capi> aiuto", "@capi aiuto", []),
        ("vedi <https://ferroviola.example/p?a=1&amp;b=2>", "vedi https://ferroviola.example/p?a=1&b=2", []),
        (
            "scrivi a <mailto:aiuto@ferroviola.example|aiuto@ferroviola.example>",
            "scrivi a aiuto@ferroviola.example",
            [],
        ),
        ("<tel:+39025555|+39 025555>", "+39 025555", []),
        ("2 &lt; 3 &amp;&amp; 4 &gt; 3", "2 < 3 && 4 > 3", []),
        ("scrivi &amp;lt; e basta", "scrivi &lt; e basta", []),
        ("&lt;@UBRUNO&gt; scritto a mano", "<@UBRUNO> scritto a mano", []),
    ],
)
async def test_slacks_markup_is_read(
    harness: Harness, slack: Office[SlackServer], sent: str, note: str, members: list[tuple[str, ...]]
):
    await harness.case()
    await slack.update_cards()
    await thread_event(slack, sent)
    assert (await notes(harness), await called(harness)) == ([note], members)


async def test_a_mention_of_nobody_we_know_keeps_the_rest_of_the_note(harness: Harness, slack: Office[SlackServer]):
    await harness.case()
    await slack.update_cards()
    await thread_event(slack, "<@UWHO> dice che &lt;ieri&gt; era chiuso")
    [note] = await notes(harness)
    assert note.endswith(" dice che <ieri> era chiuso")
    assert await called(harness) == []


@pytest.mark.parametrize("mention", ["<@302>", "<@!302>", "@bruno"])
async def test_a_mention_in_a_note_on_discord_calls_who_was_chosen(
    harness: Harness, discord: Office[DiscordServer], mention: str
):
    await harness.case()
    await discord.update_cards()
    card, ana = discord_card(discord.server), person(DISCORD["ana"], "ana")
    mentioned = [] if mention.startswith("@") else [{**person("302", "bruno.neri"), "member": None}]
    mentioned = [{key: value for key, value in one.items() if key != "member"} for one in mentioned]
    await discord.server.write(f"{mention} puoi chiamare?", ana, in_reply_to=card, mentions=mentioned)
    await discord.act()
    assert await notes(harness) == ["@bruno puoi chiamare?"]
    assert await called(harness) == [("bruno",)]


# Answers on Telegram: https://core.telegram.org/bots/api#message

PHOTO = [{"file_id": "p", "file_unique_id": "p", "width": 90, "height": 90}]
FILE = {"file_id": "d", "file_unique_id": "d", "file_name": "modulo.pdf"}
VOICE = {"file_id": "v", "file_unique_id": "v", "duration": 3}
VIDEO = {"file_id": "w", "file_unique_id": "w", "width": 90, "height": 90, "duration": 3}
TEXT = "@rita ci scusiamo davvero: https://ferroviola.example/aiuto"


async def asked(harness: Harness, office: Office[BotApi]) -> dict[str, Any]:
    """The bot's question to Ana."""
    await harness.case()
    await office.update_cards()
    office.server.press_label(office.server.last(GROUP), "👀", 11)
    await office.act()
    office.server.press_label(next(iter(office.server.messages.values())), "✍️", 11)
    await office.act()
    question = office.server.last(GROUP)
    assert question["asks_for_answer"]
    return question


async def drafts(harness: Harness) -> list[str]:
    return [reply.text for reply in await harness.all(Reply)]


def from_bot(api: BotApi) -> list[str]:
    return [message["text"] for message in api.messages.values() if message["from"]["is_bot"]]


@pytest.mark.parametrize(
    "attached",
    [{"photo": PHOTO}, {"document": FILE}, {"video": VIDEO}, {"photo": PHOTO, "media_group_id": "1"}],
    ids=["photo", "document", "video", "album"],
)
async def test_the_caption_of_an_answer_becomes_the_draft(
    harness: Harness, telegram: Office[BotApi], attached: dict[str, Any]
):
    question = await asked(harness, telegram)
    telegram.server.write(int(GROUP), user=11, in_reply_to=question, caption=TEXT, **attached)
    await telegram.act()
    assert await drafts(harness) == [TEXT]
    assert any(TEXT in text for text in from_bot(telegram.server)), "it is shown for review"


@pytest.mark.parametrize(
    "attached", [{"photo": PHOTO}, {"voice": VOICE}, {"document": FILE}], ids=["photo", "voice", "file"]
)
async def test_an_answer_without_words_is_answered_with_a_sentence(
    harness: Harness, telegram: Office[BotApi], attached: dict[str, Any]
):
    question = await asked(harness, telegram)
    before = len(from_bot(telegram.server))
    telegram.server.write(int(GROUP), user=11, in_reply_to=question, **attached)
    await telegram.act()
    assert [bool(text) for text in from_bot(telegram.server)[before:]] == [True]
    assert [text for text in await drafts(harness) if text] == []


async def test_an_edited_answer_is_the_draft(harness: Harness, telegram: Office[BotApi]):
    question = await asked(harness, telegram)
    answer = telegram.server.type(GROUP, "@rita ci scusiamo, ma", 11, in_reply_to=question)
    await telegram.act()
    telegram.server.edit(answer, TEXT)
    await telegram.act()
    assert await drafts(harness) == [TEXT]
    assert any(TEXT in text for text in from_bot(telegram.server)), "it is shown for review"


async def test_an_edited_caption_is_the_draft(harness: Harness, telegram: Office[BotApi]):
    question = await asked(harness, telegram)
    answer = telegram.server.write(int(GROUP), user=11, in_reply_to=question, caption="@rita", photo=PHOTO)
    await telegram.act()
    telegram.server.raw_update(edited_message={**answer, "caption": TEXT, "edit_date": answer["date"] + 60})
    await telegram.act()
    assert await drafts(harness) == [TEXT]


async def test_a_photo_among_colleagues_is_no_answer(harness: Harness, telegram: Office[BotApi]):
    await harness.case()
    await telegram.update_cards()
    before = len(from_bot(telegram.server))
    telegram.server.write(int(GROUP), user=11, caption="il mio gatto", photo=PHOTO)
    card = next(iter(telegram.server.messages.values()))
    telegram.server.write(int(GROUP), user=11, in_reply_to=card, caption="questi sono matti", photo=PHOTO)
    await telegram.act()
    assert (await drafts(harness), len(from_bot(telegram.server))) == ([], before)


# Handed over.

NOTE = "puoi chiamare tu il deposito?"


async def assigned(harness: Harness, case: Case, note: str = NOTE) -> None:
    await harness.do(case_actions.assign, case.id, harness.member("ana"), "bruno", note)


async def slack_messages(harness: Harness, office: Office[SlackServer], note: str) -> list[str]:
    """The new messages once a case is handed over, each with its chat."""
    case = await harness.case()
    await office.update_cards()
    before = set(office.server.messages)
    await assigned(harness, case, note)
    await office.update_cards()
    return [f"{key[0]} {message}" for key, message in office.server.messages.items() if key not in before]


@pytest.mark.parametrize("note", [NOTE, ""])
async def test_who_is_handed_a_case_is_told_on_slack(harness: Harness, slack: Office[SlackServer], note: str):
    [message] = await slack_messages(harness, slack, note)
    assert "UBRUNO" in message
    assert note in message


@pytest.mark.parametrize("note", [NOTE, ""])
async def test_who_is_handed_a_case_is_told_on_telegram(harness: Harness, telegram: Office[BotApi], note: str):
    case = await harness.case()
    await telegram.update_cards()
    before = set(telegram.server.messages)
    await assigned(harness, case, note)
    await telegram.update_cards()
    [key] = set(telegram.server.messages) - before
    assert key[0] == "12" or "tg://user?id=12" in telegram.server.messages[key]["html"]
    assert note in telegram.server.messages[key]["text"]


async def test_who_is_handed_a_case_is_told_on_discord(harness: Harness, discord: Office[DiscordServer]):
    case = await harness.case()
    await discord.update_cards()
    before = set(discord.server.messages)
    await assigned(harness, case)
    await discord.update_cards()
    [key] = set(discord.server.messages) - before
    message = discord.server.messages[key]
    assert "<@302>" in message["content"]
    assert NOTE in f"{message['content']} {message['embeds']}"


async def test_who_takes_a_case_is_told_nothing(harness: Harness, slack: Office[SlackServer]):
    case = await harness.case()
    await slack.update_cards()
    await harness.do(case_actions.claim, case.id, harness.member("bruno"))
    await harness.do(case_actions.add_note, case.id, harness.member("bruno"), "lo prendo io")
    await slack.update_cards()
    assert len(slack.server.messages) == 1


async def test_each_handover_is_told_once(harness: Harness, slack: Office[SlackServer]):
    case = await harness.case()
    await slack.update_cards()
    await assigned(harness, case)
    await slack.update_cards()
    await harness.do(case_actions.assign, case.id, harness.member("bruno"), "ana", "torna a te")
    harness.advance(seconds=6)
    await slack.update_cards()
    await slack.update_cards()
    told = [str(message) for message in slack.server.messages.values()]
    assert [sum(note in message for message in told[1:]) for note in (NOTE, "torna a te")] == [1, 1]
