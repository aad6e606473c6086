"""The Discord desk against a gateway on loopback, with a real database and triage."""

import asyncio

import pytest
from conftest import Harness
from platforms.discord import FORUM, GENERAL, OWN, TOKEN, DiscordServer, body_error

from actions.perform import perform_chat_action
from ascolto.demo.square import Square as SquareServer
from cards import scheduled_digests
from cards.action_queue import ActionQueue
from cards.card_sync import CardSync
from cards.chat_views import DigestView
from cards.outcome import Preview
from connections.discord import Discord
from connections.http import session as http_session
from connections.square import Square
from desk import discord_cards
from desk.discord import DiscordDesk
from languages import translator
from listener.discord import DiscordListener
from models.configuration import Chat, ConfigurationFile, Member
from models.errors import Unauthorized, Unavailable
from models.tables.card_placement import CardPlacement
from models.tables.case import Case, CaseEvent
from models.tables.digest import Chart, ChartPoint
from models.tables.reply import Reply
from publishing import replies
from publishing.sending import ReplyPublisher
from responders.square import SquareResponder
from store.queued_actions import store_actions
from triage import case_actions
from triage.schedule import deadlines


def person(number: str, name: str) -> dict:
    return {"id": number, "username": name, "discriminator": "0", "global_name": name.title(), "avatar": None}


ANA, BRUNO, NON_MEMBER = person("301", "ana"), person("302", "bruno"), person("399", "who")


DIGEST = DigestView(
    lines=("Treni", "143 menzioni"),
    chart=Chart(
        title="Treni", points=(ChartPoint("22 nov", 80, 20), ChartPoint("23 nov", 143, 61)), period=1, usual=0.25
    ),
)


class Desk:
    """The desk with its card sync and its action queue, driven step by step."""

    def __init__(self, harness: Harness, server: DiscordServer) -> None:
        self.harness = harness
        self.server = server
        self.connection = Discord("discord", TOKEN, api=server.api, gateway=server.gateway, desk=True)
        self.desk = DiscordDesk(self.connection)
        self.sync = CardSync(harness.store, self.desk)
        self.queue = ActionQueue(harness.store, self.desk, perform_chat_action, harness.checker)
        self.batches = self.desk.actions(None)

    async def update_cards(self) -> None:
        while await self.sync.update_cards(self.harness.configuration, self.harness.now):
            pass

    async def receive(self) -> None:
        async with asyncio.timeout(5):
            while not (batch := await anext(self.batches)).actions:
                pass
        async with self.harness.store.writing() as session:
            await store_actions(session, "discord", batch.actions, self.harness.now)

    async def act(self) -> None:
        await self.receive()
        await self.queue.run_batch(self.harness.configuration, self.harness.now)
        await self.update_cards()

    def card(self) -> dict:
        """Our first message in the channel."""
        return next(m for (c, _), m in self.server.messages.items() if c == GENERAL and m["author"] == OWN)

    def response(self) -> dict:
        """The response to the last interaction."""
        kind, body = self.server.responses[-1]
        assert kind == "callback"
        return body


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("connections.discord.GUILD_READY_TIMEOUT", 0.05)
    monkeypatch.setattr("connections.discord.BATCH_WINDOW", 0.02)
    async with DiscordServer() as server:
        yield server


@pytest.fixture
async def desk(harness: Harness, server: DiscordServer):
    await harness.change_queue("trains", chats=(Chat(desk="discord", chat=GENERAL),), language="it")
    members = (
        Member(slug="ana", name="Ana", identities={"discord": "301"}),
        Member(slug="bruno", name="Bruno", language="it", identities={"discord": "302"}),
    )
    await harness.apply(ConfigurationFile(members=members))
    desk = Desk(harness, server)
    await desk.desk.connect()
    async with asyncio.timeout(10):
        await anext(desk.batches)
    yield desk
    await desk.batches.aclose()
    await desk.desk.close()


def text_of(message: dict) -> str:
    return "\n".join([message.get("content", ""), *(embed["description"] for embed in message.get("embeds", ()))])


async def test_a_case_from_its_card_to_the_published_reply(harness: Harness, server: DiscordServer, desk: Desk):
    square = SquareServer(lambda: harness.now)
    await square.start()
    post = square.post(id="p1", author="rita", text="Ferroviola in ritardo (-)")
    case = await harness.case("Ferroviola in ritardo (-)", native_id=post.id, url="https://square.example/posts/p1")
    await desk.update_cards()
    assert "#1 @rita" in text_of(desk.card())
    assert "Ferroviola in ritardo" in text_of(desk.card())

    await server.press(desk.card(), "👀", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).claimed_by == harness.member("ana")
    assert "Ana" in text_of(desk.card())
    assert desk.response() == {"type": 6}

    await server.press(desk.card(), "✍️", ANA)
    await desk.act()
    assert desk.response()["type"] == 9
    modal = desk.response()["data"]
    assert "ci scusiamo per il ritardo" in modal["components"][0]["components"][0]["value"]

    await server.submit(modal, "@rita ci scusiamo *davvero*: https://ferroviola.example/aiuto", ANA)
    await desk.act()
    preview = desk.response()["data"]
    assert preview["flags"] == 64
    assert "@rita ci scusiamo *davvero*" in text_of(preview)
    assert not body_error(preview)
    assert (await harness.get(Case, case.id)).state == "claimed"

    await server.press(preview, "✅", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "publishing"
    assert (desk.response()["type"], desk.response()["data"]["components"]) == (7, [])

    harness.advance(seconds=10)
    async with http_session() as http:
        await ReplyPublisher(harness.store, SquareResponder(Square("square", square.url, http))).publish_due(
            harness.configuration, harness.now
        )
    await desk.update_cards()
    assert [p.text for p in square.replies] == ["@rita ci scusiamo *davvero*: https://ferroviola.example/aiuto"]
    assert square.replies[0].url in text_of(desk.card())
    await square.stop()


async def test_a_button_press_by_a_non_member_is_refused(harness: Harness, server: DiscordServer, desk: Desk):
    case = await harness.case()
    await desk.update_cards()
    await server.press(desk.card(), "👀", NON_MEMBER)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "waiting"
    assert "399" in desk.response()["data"]["content"]
    assert desk.response()["data"]["flags"] == 64


async def test_the_second_member_to_claim_a_case_sees_who_was_first(
    harness: Harness, server: DiscordServer, desk: Desk
):
    await harness.case()
    await desk.update_cards()
    card = dict(desk.card())
    await server.press(card, "👀", ANA)
    await desk.act()
    await server.press(card, "👀", BRUNO)
    await desk.act()
    assert "Ana" in desk.response()["data"]["content"]


@pytest.mark.parametrize(
    ("emoji", "state", "sentiment"),
    [
        ("👀", "claimed", "negative"),
        ("🙈", "dismissed", "negative"),
        ("💤", "snoozed", "negative"),
        ("👍", "waiting", "positive"),
    ],
)
async def test_reactions_are_actions(
    harness: Harness, server: DiscordServer, desk: Desk, emoji: str, state: str, sentiment: str
):
    case = await harness.case()
    await desk.update_cards()
    await server.react(desk.card(), emoji, ANA)
    await desk.act()
    case = await harness.get(Case, case.id)
    assert (case.state, case.sentiment) == (state, sentiment)


async def test_a_reply_to_a_card_is_an_internal_note(harness: Harness, server: DiscordServer, desk: Desk):
    await harness.case()
    await desk.update_cards()
    await server.write("l'ha già chiesto ieri", ANA, in_reply_to=desk.card())
    await desk.act()
    assert [e.text for e in await harness.all(CaseEvent, CaseEvent.kind == "noted")] == ["l'ha già chiesto ieri"]
    assert await harness.all(Reply) == []
    assert "l'ha già chiesto ieri" in text_of(desk.card())


async def test_reactions_to_other_messages_are_ignored(harness: Harness, server: DiscordServer, desk: Desk):
    await harness.case()
    await desk.update_cards()
    other = server.add_message("un altro bot", OWN)
    await server.react(other, "👀", NON_MEMBER)
    await desk.act()
    assert server.responses == []
    assert (await harness.cases())[0].state == "waiting"


@pytest.mark.parametrize(
    "text",
    ["@everyone @here <@301> <@&500>", "**grassetto** __sotto__ `codice`", "[banca](https://evil.example)"],
)
async def test_an_authors_text_is_escaped(harness: Harness, server: DiscordServer, desk: Desk, text: str):
    await harness.case(f"Ferroviola {text} (-)", author="@everyone")
    await desk.update_cards()
    shown = text_of(desk.card())
    for markup in ("@everyone", "@here", "<@301>", "**grassetto", "`codice", "[banca]("):
        assert markup not in shown.replace("\\" + markup, "")


async def test_a_deleted_card_is_posted_again(harness: Harness, server: DiscordServer, desk: Desk):
    await harness.case()
    await desk.update_cards()
    server.messages.clear()
    await harness.do(case_actions.claim, 1, harness.member("ana"))
    await desk.update_cards()
    assert "Ana" in text_of(desk.card())


async def test_a_long_case_stays_within_the_limits(harness: Harness, server: DiscordServer, desk: Desk):
    await harness.case("Ferroviola (-) " + "*_~`|> parola " * 2000)
    await desk.update_cards()
    [placement] = await harness.all(CardPlacement)
    assert placement.error is None
    assert placement.message_id


async def test_listener_and_desk_share_one_gateway(harness: Harness, server: DiscordServer, desk: Desk):
    listening = DiscordListener(desk.connection).listen(None)
    async with asyncio.timeout(5):
        await anext(listening)
        await server.write("Ferroviola in ritardo")
        while not (batch := await anext(listening)).posts:
            pass
    assert [p.text for p in batch.posts] == ["Ferroviola in ritardo"]
    assert len(server.identifications) == 1
    await listening.aclose()
    await harness.case()
    await desk.update_cards()
    await server.press(desk.card(), "👀", ANA)
    await desk.act()
    assert (await harness.cases())[0].state == "claimed"


async def test_rate_limits_and_revoked_tokens_are_reported(harness: Harness, server: DiscordServer, desk: Desk):
    await harness.case()
    server.failures = [(429, {"message": "banned"}, {"Retry-After": "7"})]
    with pytest.raises(Unavailable) as limited:
        await desk.update_cards()
    assert limited.value.retry_after == 7
    server.token = "another"
    with pytest.raises(Unauthorized):
        await desk.desk.connect()


async def test_the_ascolto_command_is_answered_to_its_sender(harness: Harness, server: DiscordServer, desk: Desk):
    case = await harness.case()
    typed = {"id": "1", "name": "ascolto", "type": 1, "options": [{"name": "what", "type": 3, "value": "next"}]}
    await desk.connection.open()
    await server.command(typed, ANA)
    await desk.act()
    assert f"#{case.id} @rita" in desk.response()["data"]["embeds"][0]["description"]
    [command] = [command for command in server.commands if command["name"] == "ascolto"]
    assert [option["name"] for option in command["options"]] == ["what"]


async def test_a_digest_comes_with_its_chart(harness: Harness, server: DiscordServer, desk: Desk):
    await desk.desk.show(DIGEST, GENERAL, None, translator("it"))
    assert [image[:4] for image in server.images] == [b"\x89PNG"]
    [embed] = list(server.messages.values())[-1]["embeds"]
    assert embed["image"] == {"url": "attachment://chart.png"}
    assert "143 menzioni" in embed["description"]


async def test_in_a_forum_each_case_has_its_own_post_and_messages_there_are_notes(
    harness: Harness, server: DiscordServer, desk: Desk
):
    await harness.change_queue("trains", chats=(Chat(desk="discord", chat=f"{FORUM}/*"),), language="it")
    case = await harness.case("Ferroviola @everyone in ritardo (-)")
    await desk.update_cards()
    [thread] = server.threads
    assert (thread["parent_id"], thread["name"]) == (FORUM, f"#{case.id} @rita: Ferroviola @everyone in ritardo (-)")
    card = server.messages[thread["id"], thread["id"]]
    await desk.connection.open()
    acting = asyncio.ensure_future(desk.act())
    await server.connected()
    await server.send("THREAD_CREATE", thread)
    await server.press(card, "👀", ANA, channel=thread["id"])
    await acting
    assert (await harness.get(Case, case.id)).state == "claimed"
    server.archived.add(thread["id"])
    await server.write("ne ho parlato con il deposito", ANA, thread["id"])
    await desk.act()
    notes = [event.text for event in await harness.all(CaseEvent) if event.kind == "noted"]
    assert notes == ["ne ho parlato con il deposito"]
    assert "ne ho parlato" in server.messages[thread["id"], thread["id"]]["embeds"][0]["description"]
    assert server.archived == set()


async def test_undo_note_escalation_snooze_and_digest(harness: Harness, server: DiscordServer, desk: Desk):
    case = await harness.case("Ferroviola in ritardo (-)")
    await desk.update_cards()
    await desk.connection.open()
    await server.press(desk.card(), "👀", ANA)
    await desk.act()
    await server.press(desk.card(), "✍️", ANA)
    await desk.act()
    await server.submit(desk.response()["data"], "@rita ci scusiamo: https://ferroviola.example/aiuto", ANA)
    await desk.act()
    await server.press(desk.response()["data"], "✅", ANA)
    await desk.act()
    await server.press(desk.card(), "↩️", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "claimed"
    await server.write("ne ho parlato con il deposito", ANA, in_reply_to=desk.card())
    await desk.act()
    assert "📝 ne ho parlato con il deposito" in text_of(desk.card())
    harness.advance(seconds=6)  # the chat's rate limit is used up
    await server.press(desk.card(), "⬆️", ANA)
    await desk.act()
    shown = [text_of(m) for (c, _), m in server.messages.items() if c == GENERAL and m["author"] == OWN]
    assert any("🚨" in text for text in shown)
    harness.advance(seconds=6)  # the chat's rate limit is used up
    await server.press(desk.card(), "💤", ANA)
    await desk.act()
    await server.press(desk.response()["data"], "1", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "snoozed"
    assert "→" in text_of(desk.card())
    harness.advance(hours=1)
    await harness.do(deadlines.run_due)
    assert (await harness.get(Case, case.id)).state == "waiting"
    harness.now = harness.now.replace(day=24, hour=8)
    await harness.do(scheduled_digests.write_due)
    await desk.update_cards()
    shown = [text_of(m) for (c, _), m in server.messages.items() if c == GENERAL and m["author"] == OWN]
    assert any("• " in text for text in shown)


def preview_of(text: str) -> Preview:
    return Preview(
        case=1, reply=1, revision=1, text=text, language="it", findings=(), can_publish=True, url="https://x.example"
    )


def test_a_preview_that_does_not_fit_cannot_be_approved():
    short, long = (discord_cards.preview(preview_of("Ci scusiamo. " * n), translator("en")) for n in (200, 400))
    assert "✅" in str(short["components"])
    assert "✅" not in str(long["components"])
    assert "approve it on the web desk" in text_of(long)
    assert not body_error(long)


@pytest.mark.parametrize("backticks", range(1, 9))
def test_backticks_do_not_end_the_code_block_of_a_preview(backticks: int):
    block = text_of(discord_cards.preview(preview_of("ciao " + "`" * backticks + " ||no||"), translator("en")))
    assert block.count("```") == 2
    assert block.rindex("```") > block.index("||no||")


async def test_a_draft_too_long_for_the_modal_is_not_truncated(harness: Harness, server: DiscordServer, desk: Desk):
    case = await harness.case()
    await harness.do(replies.save_draft, case.id, harness.member("ana"), "Ci scusiamo. " * 400)
    await desk.update_cards()
    await server.press(desk.card(), "✍️", ANA)
    await desk.act()
    assert desk.response()["type"] == 4
    assert "web" in str(desk.response()["data"])
