"""The Slack desk against a server on loopback, with a real database and triage."""

import asyncio

import pytest
from conftest import Harness
from platforms.slack import APP_TOKEN, TOKEN, SlackServer

from actions.perform import perform_chat_action
from ascolto.demo.square import Square as SquareServer
from cards import scheduled_digests
from cards.action_queue import ActionQueue
from cards.card_sync import CardSync
from cards.chat_views import DigestView
from connections.http import session as http_session
from connections.slack import Slack
from connections.square import Square
from desk.slack import SlackDesk
from languages import translator
from models.configuration import Chat, ConfigurationFile, Member
from models.errors import Unauthorized, Unavailable
from models.tables.action import QueuedAction
from models.tables.card_placement import CardPlacement
from models.tables.case import Case, CaseEvent
from models.tables.digest import Chart, ChartPoint
from models.tables.reply import Reply
from publishing import approvals, replies
from publishing.sending import ReplyPublisher
from responders.square import SquareResponder
from store.queued_actions import store_actions
from triage import case_actions
from triage.schedule import deadlines

CHANNEL = "C1"
ANA, BRUNO, NON_MEMBER = "UANA", "UBRUNO", "UWHO"


DIGEST = DigestView(
    lines=("Treni", "143 menzioni"),
    chart=Chart(
        title="Treni", points=(ChartPoint("22 nov", 80, 20), ChartPoint("23 nov", 143, 61)), period=1, usual=0.25
    ),
)


class Desk:
    """The desk with its card sync and its action queue, driven step by step."""

    def __init__(self, harness: Harness, server: SlackServer, http) -> None:
        self.harness = harness
        self.server = server
        self.desk = SlackDesk(Slack("slack", TOKEN, APP_TOKEN, http, base_url=server.base_url))
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
            await store_actions(session, "slack", batch.actions, self.harness.now)

    async def act(self) -> None:
        await self.receive()
        await self.queue.run_batch(self.harness.configuration, self.harness.now)
        await self.update_cards()


@pytest.fixture
async def server():
    async with SlackServer() as server:
        yield server


@pytest.fixture
async def desk(harness: Harness, server: SlackServer):
    await harness.change_queue("trains", chats=(Chat(desk="slack", chat=CHANNEL),), language="it")
    members = (
        Member(slug="ana", name="Ana", identities={"slack": ANA}),
        Member(slug="bruno", name="Bruno", language="it", identities={"slack": BRUNO}),
    )
    await harness.apply(ConfigurationFile(members=members))
    async with http_session() as http:
        desk = Desk(harness, server, http)
        await desk.desk.connect()
        await anext(desk.batches)
        await server.connected()
        yield desk
        await desk.batches.aclose()


def text_of(message: dict) -> str:
    """All the text of a message."""
    parts = [message.get("text", "")]
    for block in message.get("blocks", ()):
        parts.append(block.get("text", {}).get("text", ""))
        texts = (element["text"] for element in block.get("elements", ()))
        parts += [text["text"] if isinstance(text, dict) else text for text in texts]
    return "\n".join(parts)


async def test_a_case_from_its_card_to_the_published_reply(harness: Harness, server: SlackServer, desk: Desk):
    square = SquareServer(lambda: harness.now)
    await square.start()
    post = square.post(id="p1", author="rita", text="Ferroviola in ritardo (-)")
    case = await harness.case("Ferroviola in ritardo (-)", native_id=post.id, url="https://square.example/posts/p1")
    await desk.update_cards()
    card = server.last(CHANNEL)
    assert "#1 @rita" in text_of(card)
    assert "Ferroviola in ritardo" in text_of(card)

    await server.press(card, "👀", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).claimed_by == harness.member("ana")
    assert "Ana" in text_of(server.last(CHANNEL))

    await server.press(server.last(CHANNEL), "✍️", ANA)
    await desk.act()
    [modal] = server.modals
    assert "ci scusiamo per il ritardo" in modal["blocks"][0]["element"]["initial_value"]

    await server.submit(modal, "@rita ci scusiamo davvero: https://ferroviola.example/aiuto", ANA)
    await desk.act()
    preview = server.ephemerals[-1]
    assert (preview["user"], preview["channel"]) == (ANA, CHANNEL)
    assert "@rita ci scusiamo davvero" in text_of(preview)
    assert (await harness.get(Case, case.id)).state == "claimed"

    await server.press(preview, "✅", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "publishing"
    assert server.follow_ups[-1][1] == {"delete_original": True}

    await server.press(server.last(CHANNEL), "↩️", ANA)
    await desk.act()
    [reply] = await harness.all(Reply)
    assert reply.state == "draft"
    await harness.do(approvals.approve, reply.id, reply.revision, harness.member("ana"))

    harness.advance(seconds=10)
    async with http_session() as http:
        await ReplyPublisher(harness.store, SquareResponder(Square("square", square.url, http))).publish_due(
            harness.configuration, harness.now
        )
    await desk.update_cards()
    assert [p.text for p in square.replies] == ["@rita ci scusiamo davvero: https://ferroviola.example/aiuto"]
    assert square.replies[0].url in text_of(server.last(CHANNEL))
    assert len(server.messages) == 1, "the card was updated in place"
    await square.stop()


async def test_an_event_is_acknowledged_only_after_it_is_stored(harness: Harness, server: SlackServer, desk: Desk):
    await harness.case()
    await desk.update_cards()
    envelope = await server.press(server.last(CHANNEL), "👀", ANA)
    await desk.receive()
    assert envelope not in server.acknowledged
    resumed = asyncio.ensure_future(anext(desk.batches))
    await server.acked(envelope)
    resumed.cancel()
    await asyncio.gather(resumed, return_exceptions=True)


async def test_a_repeated_press_is_stored_once(harness: Harness, server: SlackServer, desk: Desk):
    await harness.case()
    await desk.update_cards()
    card = server.last(CHANNEL)
    await server.press(card, "👀", ANA, action_ts="7.7")
    await desk.act()
    await server.press(card, "👀", ANA, action_ts="7.7")
    await desk.act()
    assert len(await harness.all(QueuedAction)) == 1


async def test_a_button_press_by_a_non_member_is_refused(harness: Harness, server: SlackServer, desk: Desk):
    case = await harness.case()
    await desk.update_cards()
    await server.press(server.last(CHANNEL), "👀", NON_MEMBER)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "waiting"
    assert NON_MEMBER in server.ephemerals[-1]["text"]


async def test_the_second_member_to_claim_a_case_sees_who_was_first(harness: Harness, server: SlackServer, desk: Desk):
    await harness.case()
    await desk.update_cards()
    card = server.last(CHANNEL)
    await server.press(card, "👀", ANA)
    await desk.act()
    await server.press(card, "👀", BRUNO)
    await desk.act()
    assert "Ana" in server.ephemerals[-1]["text"]


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
    harness: Harness, server: SlackServer, desk: Desk, name: str, state: str, sentiment: str
):
    case = await harness.case()
    await desk.update_cards()
    await server.react(server.last(CHANNEL), name, ANA)
    await desk.act()
    case = await harness.get(Case, case.id)
    assert (case.state, case.sentiment) == (state, sentiment)


async def test_a_message_in_a_cards_thread_is_an_internal_note(harness: Harness, server: SlackServer, desk: Desk):
    await harness.case()
    await desk.update_cards()
    await server.reply_in_thread(server.last(CHANNEL), "l'ha già chiesto ieri", ANA)
    await desk.act()
    assert [e.text for e in await harness.all(CaseEvent, CaseEvent.kind == "noted")] == ["l'ha già chiesto ieri"]
    assert await harness.all(Reply) == []
    assert "l'ha già chiesto ieri" in text_of(server.last(CHANNEL))


async def test_reactions_and_messages_elsewhere_are_ignored(harness: Harness, server: SlackServer, desk: Desk):
    await harness.case()
    await desk.update_cards()
    await server.react({"channel": CHANNEL, "ts": "0.1"}, "eyes", NON_MEMBER)
    await desk.act()
    await server.reply_in_thread({"channel": CHANNEL, "ts": "0.1"}, "pranzo?", ANA)
    await desk.act()
    assert server.ephemerals == []
    assert (await harness.cases())[0].state == "waiting"


@pytest.mark.parametrize(
    "text",
    [
        "<!channel> <@UANA> @everyone",
        "*grassetto* _corsivo_ `codice` ~via~",
        "<https://evil.example|banca>",
        "> citazione & <b>",
    ],
)
async def test_an_authors_text_is_escaped(harness: Harness, server: SlackServer, desk: Desk, text: str):
    await harness.case(f"Ferroviola {text} (-)", author="<!here>")
    await desk.update_cards()
    shown = text_of(server.last(CHANNEL))
    assert "<!" not in shown
    assert "<@" not in shown
    assert "<https://evil" not in shown
    for mark in "*_`~":
        assert f"{mark}grassetto" not in shown
    assert not any(
        block.get("text", {}).get("type") == "mrkdwn" and not block["text"]["verbatim"]
        for block in server.last(CHANNEL)["blocks"]
    )


async def test_malformed_messages_are_skipped(harness: Harness, server: SlackServer, desk: Desk):
    await harness.case()
    await desk.update_cards()
    for raw in (
        "x",
        "{}",
        "[]",
        '{"type": "interactive", "envelope_id": "e", "payload": 3}',
        '{"type": "new_kind", "envelope_id": "f"}',
    ):
        await server.frame(raw)
    forged = {"type": "block_actions", "user": {"id": ANA}, "actions": [{"value": "drop|tables|;|--|x"}]}
    await server.send("interactive", forged)
    await server.press(server.last(CHANNEL), "👀", ANA)
    await desk.act()
    assert (await harness.cases())[0].state == "claimed"


async def test_a_deleted_card_is_posted_again(harness: Harness, server: SlackServer, desk: Desk):
    await harness.case()
    await desk.update_cards()
    server.messages.clear()
    await harness.do(case_actions.claim, 1, harness.member("ana"))
    await desk.update_cards()
    assert "Ana" in text_of(server.last(CHANNEL))


async def test_a_long_case_stays_within_the_limits(harness: Harness, server: SlackServer, desk: Desk):
    await harness.case("Ferroviola (-) " + "<&>* parola " * 2000)
    await desk.update_cards()
    [placement] = await harness.all(CardPlacement)
    assert placement.error is None
    assert placement.message_id


async def test_rate_limits_revoked_tokens_and_closed_sockets_are_reported(
    harness: Harness, server: SlackServer, desk: Desk
):
    await harness.case()
    server.failures = [(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "7"})]
    with pytest.raises(Unavailable) as limited:
        await desk.update_cards()
    assert limited.value.retry_after == 7
    server.token = "another"
    with pytest.raises(Unauthorized, match="slack-manifest"):
        await desk.desk.connect()
    server.token = TOKEN
    await server.drop()
    with pytest.raises(Unavailable):
        await desk.receive()


async def test_a_requested_reconnect_happens_at_once(harness: Harness, server: SlackServer, desk: Desk):
    await server.request_reconnect()
    with pytest.raises(Unavailable) as closed:
        await desk.receive()
    assert closed.value.retry_after == 0.0


async def test_a_wrong_app_token_is_unauthorized(server: SlackServer):
    async with http_session() as http:
        desk = SlackDesk(Slack("slack", TOKEN, "xapp-wrong", http, base_url=server.base_url))
        with pytest.raises(Unauthorized):
            await anext(desk.actions(None))


async def test_the_ascolto_command_is_answered_to_its_sender(harness: Harness, server: SlackServer, desk: Desk):
    case = await harness.case()
    typed = {"user_id": ANA, "channel_id": CHANNEL, "trigger_id": "t1", "command": "/ascolto", "text": "prossimo"}
    await server.send("slash_commands", typed)
    await desk.act()
    offered = server.ephemerals[-1]
    assert (offered["user"], f"#{case.id} @rita" in offered["blocks"][0]["text"]["text"]) == (ANA, True)
    await server.press(offered, "👀", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "claimed"
    await server.send("slash_commands", {**typed, "trigger_id": "t2", "text": "quiet 22:00-07:00"})
    await desk.act()
    assert "22:00-07:00" in server.ephemerals[-1]["text"]


async def test_the_home_tab_shows_own_overdue_and_waiting_cases(harness: Harness, server: SlackServer, desk: Desk):
    case = await harness.case()
    opened = {"event_id": "Ev1", "event": {"type": "app_home_opened", "user": ANA, "channel": "D1", "tab": "home"}}
    await server.send("events_api", opened)
    await desk.act()
    texts = [block["text"]["text"] for block in server.homes[ANA]["blocks"]]
    assert len(texts) == 3
    assert f"#{case.id} @rita" in texts[2]
    await server.send("events_api", {"event_id": "Ev2", "event": {**opened["event"], "user": NON_MEMBER}})
    await desk.act()
    assert NON_MEMBER in server.homes[NON_MEMBER]["blocks"][0]["text"]["text"]


async def test_a_digest_comes_with_its_chart_unless_the_app_may_not_upload(
    harness: Harness, server: SlackServer, desk: Desk
):
    await desk.desk.show(DIGEST, CHANNEL, None, translator("it"))
    [(channel, image)] = server.shared_files
    assert (channel, image[:4]) == (CHANNEL, b"\x89PNG")
    assert "143 menzioni" in text_of(server.last(CHANNEL))
    server.failures = [(200, {"ok": False, "error": "missing_scope"}, {})]
    before = len(server.messages)
    await desk.desk.show(DIGEST, CHANNEL, None, translator("it"))
    assert (len(server.shared_files), len(server.messages)) == (1, before + 1)


async def test_undo_note_escalation_snooze_and_digest(harness: Harness, server: SlackServer, desk: Desk):
    case = await harness.case("Ferroviola in ritardo (-)")
    await desk.update_cards()

    def card() -> dict:
        return next(iter(server.messages.values()))

    await server.press(card(), "👀", ANA)
    await desk.act()
    await server.press(card(), "✍️", ANA)
    await desk.act()
    await server.submit(server.modals[-1], "@rita ci scusiamo: https://ferroviola.example/aiuto", ANA)
    await desk.act()
    await server.press(server.ephemerals[-1], "✅", ANA)
    await desk.act()
    await server.press(card(), "↩️", ANA)
    await desk.act()
    assert translator("it")("claimed") in text_of(card())
    await server.reply_in_thread(card(), "ne ho parlato con il deposito", ANA)
    await desk.act()
    assert "📝 ne ho parlato con il deposito" in text_of(card())
    harness.advance(seconds=6)  # the chat's rate limit is used up
    await server.press(card(), "⬆️", ANA)
    await desk.act()
    assert "🚨" in text_of(server.last(CHANNEL))
    harness.advance(seconds=6)  # the chat's rate limit is used up
    await server.press(card(), "💤", ANA)
    await desk.act()
    await server.press(server.ephemerals[-1], "1 ", ANA)
    await desk.act()
    assert (await harness.get(Case, case.id)).state == "snoozed"
    assert "→" in text_of(card())
    harness.advance(hours=1)
    await harness.do(deadlines.run_due)
    assert (await harness.get(Case, case.id)).state == "waiting"
    harness.now = harness.now.replace(day=24, hour=8)
    await harness.do(scheduled_digests.write_due)
    await desk.update_cards()
    assert "• " in text_of(server.last(CHANNEL))


async def test_a_draft_too_long_for_the_modal_is_not_truncated(harness: Harness, server: SlackServer, desk: Desk):
    case = await harness.case()
    await harness.do(replies.save_draft, case.id, harness.member("ana"), "Ci scusiamo. " * 400)
    await desk.update_cards()
    await server.press(server.last(CHANNEL), "✍️", ANA)
    await desk.act()
    assert server.modals == []
    assert "desk web" in text_of(server.ephemerals[-1]) or "web desk" in text_of(server.ephemerals[-1])
