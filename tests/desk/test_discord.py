"""The Discord desk against a gateway on loopback, with the real store and the real triage behind it."""

import asyncio

import pytest
from conftest import House
from platforms.discord import FORUM, GENERAL, OWN, TOKEN, DiscordServer, wrong_body

from ascolto.demo.square import Square as SquareServer
from connections.discord import Discord
from connections.http import session as http_session
from connections.square import Square
from desk import discord_cards
from desk.discord import DiscordDesk
from insights import digests
from languages import translator
from listener.discord import DiscordEar
from models.case import Case, CaseEvent, Reply
from models.catalogue import Chat, Contents, Member
from models.desk import CardPost, Chart, Point
from models.errors import Unauthorized, Unavailable
from responders.square import SquareVoice
from store import desks
from triage import actions, clock, replying
from triage.boards import Board
from triage.desking import Preview
from triage.publishing import Mouth
from triage.viewing import DigestView


def person(number: str, name: str) -> dict:
    return {"id": number, "username": name, "discriminator": "0", "global_name": name.title(), "avatar": None}


ANA, BRUNO, STRANGER = person("301", "ana"), person("302", "bruno"), person("399", "who")


DIGEST = DigestView(
    lines=("Treni", "143 menzioni"),
    chart=Chart(title="Treni", points=(Point("22 nov", 80, 20), Point("23 nov", 143, 61)), period=1, usual=0.25),
)


class Desk:
    """The desk with its board, driven step by step."""

    def __init__(self, house: House, server: DiscordServer) -> None:
        self.house = house
        self.server = server
        self.connection = Discord("discord", TOKEN, api=server.api, gateway=server.gateway, desk=True)
        self.desk = DiscordDesk(self.connection)
        self.board = Board(house.store, self.desk, house.checker)
        self.heard = self.desk.actions(None)

    async def redraw(self) -> None:
        while await self.board.redraw(self.house.catalogue, self.house.now):
            pass

    async def listen(self) -> None:
        async with asyncio.timeout(5):
            while not (did := await anext(self.heard)).actions:
                pass
        async with self.house.store.writing() as session:
            await desks.write_actions(session, "discord", did.actions, self.house.now)

    async def act(self) -> None:
        await self.listen()
        await self.board.act(self.house.catalogue, self.house.now)
        await self.redraw()

    def card(self) -> dict:
        """The first message of ours in the channel."""
        return next(m for (c, _), m in self.server.messages.items() if c == GENERAL and m["author"] == OWN)

    def answered(self) -> dict:
        """What the last interaction was answered with."""
        kind, body = self.server.said_to[-1]
        assert kind == "callback"
        return body


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("connections.discord.GATHERED", 0.05)
    monkeypatch.setattr("connections.discord.PATIENCE", 0.02)
    async with DiscordServer() as server:
        yield server


@pytest.fixture
async def desk(house: House, server: DiscordServer):
    await house.change_queue("trains", chats=(Chat(desk="discord", chat=GENERAL),), language="it")
    members = (
        Member(slug="ana", name="Ana", identities={"discord": "301"}),
        Member(slug="bruno", name="Bruno", language="it", identities={"discord": "302"}),
    )
    await house.apply(Contents(members=members))
    desk = Desk(house, server)
    await desk.desk.connect()
    async with asyncio.timeout(10):
        await anext(desk.heard)
    yield desk
    await desk.heard.aclose()
    await desk.desk.close()


def words(message: dict) -> str:
    return "\n".join([message.get("content", ""), *(embed["description"] for embed in message.get("embeds", ()))])


async def test_the_whole_walk_from_card_to_receipt(house: House, server: DiscordServer, desk: Desk):
    square = SquareServer(lambda: house.now)
    await square.start()
    said = square.post(id="p1", author="rita", text="Ferroviola in ritardo (-)")
    case = await house.case("Ferroviola in ritardo (-)", native_id=said.id, url="https://square.example/posts/p1")
    await desk.redraw()
    assert "#1 @rita" in words(desk.card())
    assert "Ferroviola in ritardo" in words(desk.card())

    await server.press(desk.card(), "👀", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).claimed_by == house.member("ana")
    assert "Ana" in words(desk.card())
    assert desk.answered() == {"type": 6}

    await server.press(desk.card(), "✍️", ANA)
    await desk.act()
    assert desk.answered()["type"] == 9
    window = desk.answered()["data"]
    assert "ci scusiamo per il ritardo" in window["components"][0]["components"][0]["value"]

    await server.submit(window, "@rita ci scusiamo *davvero*: https://ferroviola.example/aiuto", ANA)
    await desk.act()
    preview = desk.answered()["data"]
    assert preview["flags"] == 64
    assert "@rita ci scusiamo *davvero*" in words(preview)
    assert not wrong_body(preview)
    assert (await house.get(Case, case.id)).state == "claimed"

    await server.press(preview, "✅", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "answering"
    assert (desk.answered()["type"], desk.answered()["data"]["components"]) == (7, [])

    house.later(seconds=10)
    async with http_session() as http:
        await Mouth(house.store, SquareVoice(Square("square", square.url, http))).speak(house.catalogue, house.now)
    await desk.redraw()
    assert [p.text for p in square.said] == ["@rita ci scusiamo *davvero*: https://ferroviola.example/aiuto"]
    assert square.said[0].url in words(desk.card())
    await square.stop()


async def test_a_strangers_click_is_answered_and_does_nothing(house: House, server: DiscordServer, desk: Desk):
    case = await house.case()
    await desk.redraw()
    await server.press(desk.card(), "👀", STRANGER)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "waiting"
    assert "399" in desk.answered()["data"]["content"]
    assert desk.answered()["data"]["flags"] == 64


async def test_the_second_is_told_who_was_first(house: House, server: DiscordServer, desk: Desk):
    await house.case()
    await desk.redraw()
    card = dict(desk.card())
    await server.press(card, "👀", ANA)
    await desk.act()
    await server.press(card, "👀", BRUNO)
    await desk.act()
    assert "Ana" in desk.answered()["data"]["content"]


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
    house: House, server: DiscordServer, desk: Desk, emoji: str, state: str, sentiment: str
):
    case = await house.case()
    await desk.redraw()
    await server.react(desk.card(), emoji, ANA)
    await desk.act()
    case = await house.get(Case, case.id)
    assert (case.state, case.sentiment) == (state, sentiment)


async def test_a_reply_to_a_card_is_a_note_and_never_a_reply(house: House, server: DiscordServer, desk: Desk):
    await house.case()
    await desk.redraw()
    await server.write("l'ha già chiesto ieri", ANA, under=desk.card())
    await desk.act()
    assert [e.text for e in await house.all(CaseEvent, CaseEvent.kind == "noted")] == ["l'ha già chiesto ieri"]
    assert await house.all(Reply) == []
    assert "l'ha già chiesto ieri" in words(desk.card())


async def test_what_is_said_elsewhere_is_no_business_of_ours(house: House, server: DiscordServer, desk: Desk):
    await house.case()
    await desk.redraw()
    other = server.make("un altro bot", OWN)
    await server.react(other, "👀", STRANGER)
    await desk.act()
    assert server.said_to == []
    assert (await house.cases())[0].state == "waiting"


@pytest.mark.parametrize(
    "words_of_a_stranger",
    ["@everyone @here <@301> <@&500>", "**grassetto** __sotto__ `codice`", "[banca](https://evil.example)"],
)
async def test_a_strangers_words_are_only_words(
    house: House, server: DiscordServer, desk: Desk, words_of_a_stranger: str
):
    await house.case(f"Ferroviola {words_of_a_stranger} (-)", author="@everyone")
    await desk.redraw()
    shown = words(desk.card())
    for live in ("@everyone", "@here", "<@301>", "**grassetto", "`codice", "[banca]("):
        assert live not in shown.replace("\\" + live, "")


async def test_a_card_that_somebody_deleted_is_shown_anew(house: House, server: DiscordServer, desk: Desk):
    await house.case()
    await desk.redraw()
    server.messages.clear()
    await house.do(actions.claim, 1, house.member("ana"))
    await desk.redraw()
    assert "Ana" in words(desk.card())


async def test_a_long_case_stays_within_the_limits(house: House, server: DiscordServer, desk: Desk):
    await house.case("Ferroviola (-) " + "*_~`|> parola " * 2000)
    await desk.redraw()
    [post] = await house.all(CardPost)
    assert post.error is None
    assert post.address


async def test_ear_and_desk_share_one_gateway(house: House, server: DiscordServer, desk: Desk):
    listening = DiscordEar(desk.connection).listen(None)
    async with asyncio.timeout(5):
        await anext(listening)
        await server.write("Ferroviola in ritardo")
        while not (heard := await anext(listening)).posts:
            pass
    assert [p.text for p in heard.posts] == ["Ferroviola in ritardo"]
    assert len(server.identified) == 1
    await listening.aclose()
    await house.case()
    await desk.redraw()
    await server.press(desk.card(), "👀", ANA)
    await desk.act()
    assert (await house.cases())[0].state == "claimed"


async def test_limits_outages_and_rights(house: House, server: DiscordServer, desk: Desk):
    await house.case()
    server.fails = [(429, {"message": "banned"}, {"Retry-After": "7"})]
    with pytest.raises(Unavailable) as limited:
        await desk.redraw()
    assert limited.value.retry_after == 7
    server.token = "another"
    with pytest.raises(Unauthorized):
        await desk.desk.connect()


async def test_what_is_typed_after_ascolto_is_answered_to_who_typed_it(house: House, server: DiscordServer, desk: Desk):
    case = await house.case()
    typed = {"id": "1", "name": "ascolto", "type": 1, "options": [{"name": "what", "type": 3, "value": "next"}]}
    await desk.connection.open()
    await server.command(typed, ANA)
    await desk.act()
    assert f"#{case.id} @rita" in desk.answered()["data"]["embeds"][0]["description"]
    [known] = [one for one in server.commands if one["name"] == "ascolto"]
    assert [option["name"] for option in known["options"]] == ["what"]


async def test_a_digest_brings_its_chart(house: House, server: DiscordServer, desk: Desk):
    await desk.desk.show(DIGEST, GENERAL, None, translator("it"))
    assert [picture[:4] for picture in server.pictures] == [b"\x89PNG"]
    [embed] = list(server.messages.values())[-1]["embeds"]
    assert embed["image"] == {"url": "attachment://chart.png"}
    assert "143 menzioni" in embed["description"]


async def test_in_a_forum_each_case_has_a_post_of_its_own_and_what_is_said_there_is_a_note(
    house: House, server: DiscordServer, desk: Desk
):
    await house.change_queue("trains", chats=(Chat(desk="discord", chat=f"{FORUM}/*"),), language="it")
    case = await house.case("Ferroviola @everyone in ritardo (-)")
    await desk.redraw()
    [thread] = server.threads
    assert (thread["parent_id"], thread["name"]) == (FORUM, f"#{case.id} @rita: Ferroviola @everyone in ritardo (-)")
    card = server.messages[thread["id"], thread["id"]]
    await desk.connection.open()
    listening = asyncio.ensure_future(desk.act())
    await server.connected()
    await server.tell("THREAD_CREATE", thread)
    await server.press(card, "👀", ANA, channel=thread["id"])
    await listening
    assert (await house.get(Case, case.id)).state == "claimed"
    server.archived.add(thread["id"])
    await server.write("ne ho parlato con il deposito", ANA, thread["id"])
    await desk.act()
    notes = [event.text for event in await house.all(CaseEvent) if event.kind == "noted"]
    assert notes == ["ne ho parlato con il deposito"]
    assert "ne ho parlato" in server.messages[thread["id"], thread["id"]]["embeds"][0]["description"]
    assert server.archived == set()


async def test_the_walk_goes_on_undone_noted_escalated_asleep_and_into_the_digest(
    house: House, server: DiscordServer, desk: Desk
):
    case = await house.case("Ferroviola in ritardo (-)")
    await desk.redraw()
    await desk.connection.open()
    await server.press(desk.card(), "👀", ANA)
    await desk.act()
    await server.press(desk.card(), "✍️", ANA)
    await desk.act()
    await server.submit(desk.answered()["data"], "@rita ci scusiamo: https://ferroviola.example/aiuto", ANA)
    await desk.act()
    await server.press(desk.answered()["data"], "✅", ANA)
    await desk.act()
    await server.press(desk.card(), "↩️", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "claimed"
    await server.write("ne ho parlato con il deposito", ANA, under=desk.card())
    await desk.act()
    assert "📝 ne ho parlato con il deposito" in words(desk.card())
    house.later(seconds=6)  # what a chat takes at once is spent
    await server.press(desk.card(), "⬆️", ANA)
    await desk.act()
    shown = [words(m) for (c, _), m in server.messages.items() if c == GENERAL and m["author"] == OWN]
    assert any("🚨" in text for text in shown)
    house.later(seconds=6)  # what a chat takes at once is spent
    await server.press(desk.card(), "💤", ANA)
    await desk.act()
    await server.press(desk.answered()["data"], "1", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "snoozed"
    assert "→" in words(desk.card())
    house.later(hours=1)
    await house.do(clock.tick)
    assert (await house.get(Case, case.id)).state == "waiting"
    house.now = house.now.replace(day=24, hour=8)
    await house.do(digests.write_due)
    await desk.redraw()
    shown = [words(m) for (c, _), m in server.messages.items() if c == GENERAL and m["author"] == OWN]
    assert any("• " in text for text in shown)


def shown(text: str) -> Preview:
    return Preview(
        case=1, reply=1, revision=1, text=text, language="it", findings=(), can_publish=True, url="https://x.example"
    )


def test_what_cannot_be_shown_whole_cannot_be_approved_there():
    short, long = (discord_cards.preview(shown("Ci scusiamo. " * n), translator("en")) for n in (200, 400))
    assert "✅" in str(short["components"])
    assert "✅" not in str(long["components"])
    assert "approve it on the web desk" in words(long)
    assert not wrong_body(long)


@pytest.mark.parametrize("ticks", range(1, 9))
def test_nothing_leaves_the_block_in_which_a_reply_is_shown(ticks: int):
    block = words(discord_cards.preview(shown("ciao " + "`" * ticks + " ||no||"), translator("en")))
    assert block.count("```") == 2
    assert block.rindex("```") > block.index("||no||")


async def test_a_draft_too_long_for_the_window_is_not_cut_to_fit(house: House, server: DiscordServer, desk: Desk):
    case = await house.case()
    await house.do(replying.draft, case.id, house.member("ana"), "Ci scusiamo. " * 400)
    await desk.redraw()
    await server.press(desk.card(), "✍️", ANA)
    await desk.act()
    assert desk.answered()["type"] == 4
    assert "web" in str(desk.answered()["data"])
