"""Buttons of a modified client: what makes no sense is answered and done with, and tells nothing of other brands."""

import asyncio
import re
from collections.abc import AsyncIterator

import msgspec
import pytest
from conftest import Harness
from platforms.telegram import BotApi
from web_desk import Desk

from actions.perform import perform_chat_action
from actions.table import ACTIONS
from cards.action_queue import ActionQueue
from cards.card_sync import CardSync
from cards.outcome import PerformedAction
from connections.telegram import Telegram
from desk.telegram import TelegramDesk
from models.configuration import Chat, ConfigurationFile
from models.tables.action import Action, QueuedAction
from models.tables.reply import Reply
from publishing import approvals, replies
from store.queued_actions import store_actions
from triage import case_actions

GROUP = "-1001"
ANA, PIERO = 11, 14
HUGE = "9" * 22
"""More than a column holds."""
BAD = [
    "snooze|1|||abc",
    "snooze|1|||999999999999999",
    "snooze|1|||-5",
    "snooze|1|||1e400",
    "assign|999|||",
    "assign|1|||nobody",
    "assign|1|||'; DROP TABLE case",
    "published_by_hand|3|||",
    "mark_published|999|||",
    "mark_published|1|999||",
    "publish_again|1|999|7|",
    "undo|1|999||",
    "approve|1|999|1|",
    f"claim|{HUGE}|||",
    f"approve|1|{HUGE}|{HUGE}|",
    "mute_alert|1|||abc",
    f"mute_alert|1|||{HUGE}",
    "correct|1|||furious",
    "claim|١|||",
    "claim||||",
    "claim",
    "|||||||||",
    "nothing|1|||",
    "",
]  # fmt: skip


class TelegramHouse:
    """A Telegram desk on a server on loopback, with its card sync, intake and action queue."""

    def __init__(self, harness: Harness, api: BotApi) -> None:
        self.harness, self.api = harness, api
        connection = Telegram("telegram", api.token, base_url=api.base_url, base_file_url=api.base_url, poll=0)
        self.desk = TelegramDesk(connection)
        self.sync = CardSync(harness.store, self.desk)
        self.queue = ActionQueue(harness.store, self.desk, perform_chat_action, harness.checker)
        self.batches = self.desk.actions(None)

    async def update_cards(self) -> None:
        while await self.sync.update_cards(self.harness.configuration, self.harness.now):
            pass

    async def act(self) -> None:
        """Everything that was pressed, stored and performed, as the workers do."""
        async with asyncio.timeout(4):
            batch = await anext(self.batches)
        async with self.harness.store.writing() as session:
            await store_actions(session, "telegram", batch.actions, self.harness.now)
        for _ in range(5):
            await self.queue.run_batch(self.harness.configuration, self.harness.now)


@pytest.fixture
async def telegram(harness: Harness) -> AsyncIterator[TelegramHouse]:
    await harness.change_queue("trains", chats=(Chat(desk="telegram", chat=GROUP),))
    async with BotApi() as api:
        house = TelegramHouse(harness, api)
        await harness.case()
        await house.update_cards()
        yield house
        await house.batches.aclose()
        await house.desk.close()


@pytest.mark.parametrize("data", BAD)
async def test_a_button_that_makes_no_sense_stops_no_colleague(harness: Harness, telegram: TelegramHouse, data: str):
    card = telegram.api.last(GROUP)
    telegram.api.press(card, data, ANA)
    telegram.api.press(card, "claim|1|||", ANA)
    await telegram.act()
    assert (await harness.cases())[0].claimed_by == harness.member("ana")
    assert all(row.performed_at and row.outcome for row in await harness.all(QueuedAction))


async def test_the_card_of_a_case_that_a_restored_copy_does_not_have_stops_nobody(
    harness: Harness, telegram: TelegramHouse
):
    card = telegram.api.last(GROUP)
    for verb in ("claim", "mark_published", "snooze", "assign", "reply", "review"):
        telegram.api.press(card, f"{verb}|3|3|1|", ANA)
    telegram.api.press(card, "claim|1|||", ANA)
    await telegram.act()
    assert (await harness.cases())[0].claimed_by == harness.member("ana")


async def test_a_flood_of_nonsense_stops_nobody(harness: Harness, telegram: TelegramHouse):
    card = telegram.api.last(GROUP)
    for number in range(60):
        telegram.api.press(card, BAD[number % len(BAD)], ANA)
    telegram.api.press(card, "claim|1|||", ANA)
    await telegram.act()
    assert (await harness.cases())[0].claimed_by == harness.member("ana")


async def test_an_error_of_ours_on_a_desk_is_seen_on_the_status_page(desk: Desk, harness: Harness):
    class Chatting:
        name = platform = "telegram"

        async def respond(self, _action: Action, _performed: PerformedAction) -> None:
            return

    async def broken(*_: object) -> None:
        raise AttributeError("of ours")

    async with harness.store.writing() as session:
        action = Action(native_id="1", verb="claim", who="11", chat="1", case=1)
        await store_actions(session, "telegram", [action], harness.now)
    queue = ActionQueue(harness.store, Chatting(), broken, harness.checker)
    for _ in range(4):
        await queue.run_batch(harness.configuration, harness.now)
    async with (await desk.sign_in("lidia")).get("/status") as response:
        page = await response.text()
    assert "telegram" in page
    assert "AttributeError" in page


# Other brands (F15).


@pytest.fixture
async def chats(harness: Harness) -> Harness:
    """Piero, of another brand, in the same chats; a case with a draft that waits for approval."""
    entry = harness.configuration.members.by_slug("piero")
    assert entry is not None
    piero = msgspec.structs.replace(entry[1], identities={"telegram": str(PIERO)})
    await harness.apply(ConfigurationFile(members=(piero,)))
    return harness


async def answer(harness: Harness, verb: str, case: int, **fields: object) -> str:
    """What Piero is told, without the number of the case."""
    action = Action(native_id="1", verb=verb, who=str(PIERO), chat="1", case=case, **fields)  # type: ignore[arg-type]
    async with harness.store.writing() as session:
        performed = await perform_chat_action(harness.context(session), "telegram", "telegram", action)
        await session.rollback()
    if performed is None:
        return ""
    outcome = performed.outcome
    told = f"{outcome.message} {outcome.choices} {outcome.preview} {outcome.refused}"
    return re.sub(rf"(?<![\w.]){case}(?![\w.])", "N", told)


@pytest.mark.parametrize("text", ["", "ana", "60", "positive"])
@pytest.mark.parametrize("verb", sorted(ACTIONS))
async def test_a_case_of_another_brand_answers_as_one_that_does_not_exist(chats: Harness, verb: str, text: str):
    case = await chats.case("Ferroviola: chiamo il mio avvocato (-)")
    theirs, none = [await answer(chats, verb, number, text=text) for number in (case.id, 999)]
    assert theirs == none
    for name in ("Ana", "Bruno", "Lidia", "ana", "lidia", "avvocato"):
        assert name not in theirs.replace(f"member {text}", "")


@pytest.mark.parametrize("state", ["draft", "approved", "published", "unknown", "failed"])
@pytest.mark.parametrize(
    "verb", sorted(v for v in ACTIONS if ACTIONS[v].permission is None or "reply" in str(ACTIONS[v]))
)
async def test_the_state_of_a_reply_of_another_brand_is_not_told(chats: Harness, verb: str, state: str):
    case = await chats.case()
    ana = chats.member("ana")
    await chats.do(case_actions.claim, case.id, ana)
    reply = await chats.do(replies.save_draft, case.id, ana, "Ci scusiamo: https://ferroviola.example/aiuto")
    if state == "approved":
        await chats.do(approvals.approve, reply.id, reply.revision, ana)
    elif state != "draft":
        async with chats.store.writing() as session:
            (await session.get_one(Reply, reply.id)).state = state
    theirs = await answer(chats, verb, case.id, reply=reply.id, revision=reply.revision)
    none = await answer(chats, verb, 999, reply=999, revision=1)
    assert theirs == none
