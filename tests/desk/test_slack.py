"""The Slack desk against a server on loopback, with the real store and the real triage behind it."""

import asyncio

import pytest
from conftest import House
from platforms.slack import APP_TOKEN, TOKEN, SlackServer

from ascolto.demo.square import Square as SquareServer
from connections.http import session as http_session
from connections.slack import Slack
from connections.square import Square
from desk.slack import SlackDesk
from insights import digests
from languages import translator
from models.case import Case, CaseEvent, Reply
from models.catalogue import Chat, Contents, Member
from models.desk import CardPost, Chart, DeskEvent, Point
from models.errors import Unauthorized, Unavailable
from responders.square import SquareVoice
from store import desks
from triage import actions, clock, replying
from triage.boards import Board
from triage.publishing import Mouth
from triage.viewing import DigestView

CHANNEL = "C1"
ANA, BRUNO, STRANGER = "UANA", "UBRUNO", "UWHO"


DIGEST = DigestView(
    lines=("Treni", "143 menzioni"),
    chart=Chart(title="Treni", points=(Point("22 nov", 80, 20), Point("23 nov", 143, 61)), period=1, usual=0.25),
)


class Desk:
    """The desk with its board, driven step by step."""

    def __init__(self, house: House, server: SlackServer, http) -> None:
        self.house = house
        self.server = server
        self.desk = SlackDesk(Slack("slack", TOKEN, APP_TOKEN, http, base_url=server.base_url))
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
            await desks.write_actions(session, "slack", did.actions, self.house.now)

    async def act(self) -> None:
        await self.listen()
        await self.board.act(self.house.catalogue, self.house.now)
        await self.redraw()

    async def card(self) -> dict:
        return self.server.last(CHANNEL)


@pytest.fixture
async def server():
    async with SlackServer() as server:
        yield server


@pytest.fixture
async def desk(house: House, server: SlackServer):
    await house.change_queue("trains", chats=(Chat(desk="slack", chat=CHANNEL),), language="it")
    members = (
        Member(slug="ana", name="Ana", identities={"slack": ANA}),
        Member(slug="bruno", name="Bruno", language="it", identities={"slack": BRUNO}),
    )
    await house.apply(Contents(members=members))
    async with http_session() as http:
        desk = Desk(house, server, http)
        await desk.desk.connect()
        await anext(desk.heard)
        await server.connected()
        yield desk
        await desk.heard.aclose()


def words(message: dict) -> str:
    """All that a person reads of a message."""
    pieces = [message.get("text", "")]
    for block in message.get("blocks", ()):
        pieces.append(block.get("text", {}).get("text", ""))
        texts = (element["text"] for element in block.get("elements", ()))
        pieces += [text["text"] if isinstance(text, dict) else text for text in texts]
    return "\n".join(pieces)


async def test_the_whole_walk_from_card_to_receipt(house: House, server: SlackServer, desk: Desk):
    square = SquareServer(lambda: house.now)
    await square.start()
    said = square.post(id="p1", author="rita", text="Ferroviola in ritardo (-)")
    case = await house.case("Ferroviola in ritardo (-)", native_id=said.id, url="https://square.example/posts/p1")
    await desk.redraw()
    card = server.last(CHANNEL)
    assert "#1 @rita" in words(card)
    assert "Ferroviola in ritardo" in words(card)

    await server.press(card, "👀", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).claimed_by == house.member("ana")
    assert "Ana" in words(server.last(CHANNEL))

    await server.press(server.last(CHANNEL), "✍️", ANA)
    await desk.act()
    [window] = server.windows
    assert "ci scusiamo per il ritardo" in window["blocks"][0]["element"]["initial_value"]

    await server.submit(window, "@rita ci scusiamo davvero: https://ferroviola.example/aiuto", ANA)
    await desk.act()
    preview = server.whispers[-1]
    assert (preview["user"], preview["channel"]) == (ANA, CHANNEL)
    assert "@rita ci scusiamo davvero" in words(preview)
    assert (await house.get(Case, case.id)).state == "claimed"

    await server.press(preview, "✅", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "answering"
    assert server.responded[-1][1] == {"delete_original": True}

    await server.press(server.last(CHANNEL), "↩️", ANA)
    await desk.act()
    [reply] = await house.all(Reply)
    assert reply.state == "draft"
    await house.do(replying.approve, reply.id, reply.revision, house.member("ana"))

    house.later(seconds=10)
    async with http_session() as http:
        await Mouth(house.store, SquareVoice(Square("square", square.url, http))).speak(house.catalogue, house.now)
    await desk.redraw()
    assert [p.text for p in square.said] == ["@rita ci scusiamo davvero: https://ferroviola.example/aiuto"]
    assert square.said[0].url in words(server.last(CHANNEL))
    assert len(server.messages) == 1, "the card was updated in place"
    await square.stop()


async def test_what_is_told_is_acknowledged_only_after_it_was_written_down(
    house: House, server: SlackServer, desk: Desk
):
    await house.case()
    await desk.redraw()
    envelope = await server.press(server.last(CHANNEL), "👀", ANA)
    await desk.listen()
    assert envelope not in server.acknowledged
    going_on = asyncio.ensure_future(anext(desk.heard))
    await server.acked(envelope)
    going_on.cancel()
    await asyncio.gather(going_on, return_exceptions=True)


async def test_a_retry_is_the_same_press(house: House, server: SlackServer, desk: Desk):
    await house.case()
    await desk.redraw()
    card = server.last(CHANNEL)
    await server.press(card, "👀", ANA, again="7.7")
    await desk.act()
    await server.press(card, "👀", ANA, again="7.7")
    await desk.act()
    assert len(await house.all(DeskEvent)) == 1


async def test_a_strangers_click_is_answered_and_does_nothing(house: House, server: SlackServer, desk: Desk):
    case = await house.case()
    await desk.redraw()
    await server.press(server.last(CHANNEL), "👀", STRANGER)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "waiting"
    assert STRANGER in server.whispers[-1]["text"]


async def test_the_second_is_told_who_was_first(house: House, server: SlackServer, desk: Desk):
    await house.case()
    await desk.redraw()
    card = server.last(CHANNEL)
    await server.press(card, "👀", ANA)
    await desk.act()
    await server.press(card, "👀", BRUNO)
    await desk.act()
    assert "Ana" in server.whispers[-1]["text"]


@pytest.mark.parametrize(
    ("name", "state", "sentiment"),
    [
        ("eyes", "claimed", "negative"),
        ("see_no_evil", "dismissed", "negative"),
        ("zzz", "snoozed", "negative"),
        ("+1", "waiting", "positive"),
    ],
)
async def test_reactions_are_actions(
    house: House, server: SlackServer, desk: Desk, name: str, state: str, sentiment: str
):
    case = await house.case()
    await desk.redraw()
    await server.react(server.last(CHANNEL), name, ANA)
    await desk.act()
    case = await house.get(Case, case.id)
    assert (case.state, case.sentiment) == (state, sentiment)


async def test_a_word_in_the_cards_thread_is_a_note_and_never_a_reply(house: House, server: SlackServer, desk: Desk):
    await house.case()
    await desk.redraw()
    await server.reply_in_thread(server.last(CHANNEL), "l'ha già chiesto ieri", ANA)
    await desk.act()
    assert [e.text for e in await house.all(CaseEvent, CaseEvent.kind == "noted")] == ["l'ha già chiesto ieri"]
    assert await house.all(Reply) == []
    assert "l'ha già chiesto ieri" in words(server.last(CHANNEL))


async def test_what_is_said_elsewhere_is_no_business_of_ours(house: House, server: SlackServer, desk: Desk):
    await house.case()
    await desk.redraw()
    await server.react({"channel": CHANNEL, "ts": "0.1"}, "eyes", STRANGER)
    await desk.act()
    await server.reply_in_thread({"channel": CHANNEL, "ts": "0.1"}, "pranzo?", ANA)
    await desk.act()
    assert server.whispers == []
    assert (await house.cases())[0].state == "waiting"


@pytest.mark.parametrize(
    "words_of_a_stranger",
    [
        "<!channel> <@UANA> @everyone",
        "*grassetto* _corsivo_ `codice` ~via~",
        "<https://evil.example|banca>",
        "> citazione & <b>",
    ],
)
async def test_a_strangers_words_are_only_words(
    house: House, server: SlackServer, desk: Desk, words_of_a_stranger: str
):
    await house.case(f"Ferroviola {words_of_a_stranger} (-)", author="<!here>")
    await desk.redraw()
    shown = words(server.last(CHANNEL))
    assert "<!" not in shown
    assert "<@" not in shown
    assert "<https://evil" not in shown
    for mark in "*_`~":
        assert f"{mark}grassetto" not in shown
    assert not any(
        block.get("text", {}).get("type") == "mrkdwn" and not block["text"]["verbatim"]
        for block in server.last(CHANNEL)["blocks"]
    )


async def test_what_is_malformed_is_passed_over(house: House, server: SlackServer, desk: Desk):
    await house.case()
    await desk.redraw()
    for raw in (
        "x",
        "{}",
        "[]",
        '{"type": "interactive", "envelope_id": "e", "payload": 3}',
        '{"type": "new_kind", "envelope_id": "f"}',
    ):
        await server.frame(raw)
    forged = {"type": "block_actions", "user": {"id": ANA}, "actions": [{"value": "drop|tables|;|--|x"}]}
    await server.tell("interactive", forged)
    await server.press(server.last(CHANNEL), "👀", ANA)
    await desk.act()
    assert (await house.cases())[0].state == "claimed"


async def test_a_card_that_somebody_deleted_is_shown_anew(house: House, server: SlackServer, desk: Desk):
    await house.case()
    await desk.redraw()
    server.messages.clear()
    await house.do(actions.claim, 1, house.member("ana"))
    await desk.redraw()
    assert "Ana" in words(server.last(CHANNEL))


async def test_a_long_case_stays_within_the_limits(house: House, server: SlackServer, desk: Desk):
    await house.case("Ferroviola (-) " + "<&>* parola " * 2000)
    await desk.redraw()
    [post] = await house.all(CardPost)
    assert post.error is None
    assert post.address


async def test_limits_outages_and_rights(house: House, server: SlackServer, desk: Desk):
    await house.case()
    server.fails = [(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "7"})]
    with pytest.raises(Unavailable) as limited:
        await desk.redraw()
    assert limited.value.retry_after == 7
    server.token = "another"
    with pytest.raises(Unauthorized, match="slack-manifest"):
        await desk.desk.connect()
    server.token = TOKEN
    await server.drop()
    with pytest.raises(Unavailable):
        await desk.listen()


async def test_a_socket_that_says_farewell_is_opened_anew_at_once(house: House, server: SlackServer, desk: Desk):
    await server.say_farewell()
    with pytest.raises(Unavailable) as ended:
        await desk.listen()
    assert ended.value.retry_after == 0.0


async def test_without_the_apps_token_no_socket_opens(server: SlackServer):
    async with http_session() as http:
        desk = SlackDesk(Slack("slack", TOKEN, "xapp-wrong", http, base_url=server.base_url))
        with pytest.raises(Unauthorized):
            await anext(desk.actions(None))


async def test_what_is_typed_after_ascolto_is_answered_to_who_typed_it(house: House, server: SlackServer, desk: Desk):
    case = await house.case()
    typed = {"user_id": ANA, "channel_id": CHANNEL, "trigger_id": "t1", "command": "/ascolto", "text": "prossimo"}
    await server.tell("slash_commands", typed)
    await desk.act()
    offered = server.whispers[-1]
    assert (offered["user"], f"#{case.id} @rita" in offered["blocks"][0]["text"]["text"]) == (ANA, True)
    await server.press(offered, "👀", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "claimed"
    await server.tell("slash_commands", {**typed, "trigger_id": "t2", "text": "quiet 22:00-07:00"})
    await desk.act()
    assert "22:00-07:00" in server.whispers[-1]["text"]


async def test_the_apps_home_shows_what_is_ones_own_late_and_waiting(house: House, server: SlackServer, desk: Desk):
    case = await house.case()
    opened = {"event_id": "Ev1", "event": {"type": "app_home_opened", "user": ANA, "channel": "D1", "tab": "home"}}
    await server.tell("events_api", opened)
    await desk.act()
    texts = [block["text"]["text"] for block in server.homes[ANA]["blocks"]]
    assert len(texts) == 3
    assert f"#{case.id} @rita" in texts[2]
    await server.tell("events_api", {"event_id": "Ev2", "event": {**opened["event"], "user": STRANGER}})
    await desk.act()
    assert STRANGER in server.homes[STRANGER]["blocks"][0]["text"]["text"]


async def test_a_digest_brings_its_chart_and_comes_without_where_the_app_may_not_upload(
    house: House, server: SlackServer, desk: Desk
):
    await desk.desk.show(DIGEST, CHANNEL, None, translator("it"))
    [(channel, picture)] = server.shared
    assert (channel, picture[:4]) == (CHANNEL, b"\x89PNG")
    assert "143 menzioni" in words(server.last(CHANNEL))
    server.fails = [(200, {"ok": False, "error": "missing_scope"}, {})]
    before = len(server.messages)
    await desk.desk.show(DIGEST, CHANNEL, None, translator("it"))
    assert (len(server.shared), len(server.messages)) == (1, before + 1)


async def test_the_walk_goes_on_undone_noted_escalated_asleep_and_into_the_digest(
    house: House, server: SlackServer, desk: Desk
):
    case = await house.case("Ferroviola in ritardo (-)")
    await desk.redraw()

    def card() -> dict:
        return next(iter(server.messages.values()))

    await server.press(card(), "👀", ANA)
    await desk.act()
    await server.press(card(), "✍️", ANA)
    await desk.act()
    await server.submit(server.windows[-1], "@rita ci scusiamo: https://ferroviola.example/aiuto", ANA)
    await desk.act()
    await server.press(server.whispers[-1], "✅", ANA)
    await desk.act()
    await server.press(card(), "↩️", ANA)
    await desk.act()
    assert "claimed" in words(card()).replace("preso", "claimed")
    await server.reply_in_thread(card(), "ne ho parlato con il deposito", ANA)
    await desk.act()
    assert "📝 ne ho parlato con il deposito" in words(card())
    house.later(seconds=6)  # what a chat takes at once is spent
    await server.press(card(), "⬆️", ANA)
    await desk.act()
    assert "🚨" in words(server.last(CHANNEL))
    house.later(seconds=6)  # what a chat takes at once is spent
    await server.press(card(), "💤", ANA)
    await desk.act()
    await server.press(server.whispers[-1], "1 ", ANA)
    await desk.act()
    assert (await house.get(Case, case.id)).state == "snoozed"
    assert "→" in words(card())
    house.later(hours=1)
    await house.do(clock.tick)
    assert (await house.get(Case, case.id)).state == "waiting"
    house.now = house.now.replace(day=24, hour=8)
    await house.do(digests.write_due)
    await desk.redraw()
    assert "• " in words(server.last(CHANNEL))


async def test_a_draft_too_long_for_the_window_is_not_cut_to_fit(house: House, server: SlackServer, desk: Desk):
    case = await house.case()
    await house.do(replying.draft, case.id, house.member("ana"), "Ci scusiamo. " * 400)
    await desk.redraw()
    await server.press(server.last(CHANNEL), "✍️", ANA)
    await desk.act()
    assert server.windows == []
    assert "desk web" in words(server.whispers[-1]) or "web desk" in words(server.whispers[-1])
