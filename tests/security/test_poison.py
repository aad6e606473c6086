"""One bad mention, button, reply, card or deadline stops no other."""

import pytest
from conftest import NOW, Harness

from actions.perform import perform_chat_action
from cards.action_queue import ActionQueue
from models.incoming import IncomingAuthor, IncomingPost, normalized
from models.tables.action import Action, QueuedAction
from models.tables.failed_item import FailedItem
from store import failed_items, queued_actions
from triage import priority
from triage.schedule import deadlines


class Desk:
    name = "telegram"
    platform = "telegram"

    def __init__(self) -> None:
        self.responses: list[str] = []

    async def respond(self, _action: Action, performed) -> None:
        self.responses.append(performed.outcome.message)


def press(number: int, verb: str, text: str = "", **fields) -> Action:
    return Action(native_id=str(number), verb=verb, who="11", chat="1", text=text, respond_to="r", **fields)


async def run(harness: Harness, desk: Desk, *actions: Action, perform=perform_chat_action) -> list[QueuedAction]:
    async with harness.store.writing() as session:
        await queued_actions.store_actions(session, desk.name, actions, harness.now)
    queue = ActionQueue(harness.store, desk, perform, harness.checker)
    while await queue.run_batch(harness.configuration, harness.now):
        pass
    return await harness.all(QueuedAction)


@pytest.mark.parametrize(
    "bad",
    [
        press(1, "snooze", "abc", case=1),
        press(1, "snooze", "9" * 30, case=1),
        press(1, "assign", case=999),
        press(1, "mark_published", case=999),
        press(1, "mark_published", case=1, reply=999),
        press(1, "no such verb", case=1),
        press(1, "claim", "\ud83d", case=2**62),
    ],
)
async def test_a_bad_button_stops_no_other(harness: Harness, bad: Action):
    case, desk = await harness.case("Ferroviola male (-)"), Desk()
    rows = await run(harness, desk, bad, press(2, "claim", case=case.id))
    assert all(row.performed_at for row in rows)
    assert (await harness.cases())[0].state == "claimed"


async def test_an_error_of_ours_is_told_recorded_and_retried_by_hand(harness: Harness):
    desk, calls = Desk(), 0

    async def perform(*_):
        nonlocal calls
        calls += 1
        raise AttributeError("of ours")

    await run(harness, desk, press(1, "claim", case=1), perform=perform)
    [item] = await harness.all(FailedItem)
    assert (calls, item.step, item.error.split()[0]) == (1, "action on telegram", "AttributeError")
    assert "did not work" in desk.responses[0]
    async with harness.store.writing() as session:
        await failed_items.retry(session, item.id)
    [row] = await harness.all(QueuedAction)
    assert (row.performed_at, await harness.all(FailedItem)) == (None, [])


async def test_a_mention_that_cannot_be_read_is_set_aside_after_three_tries(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
):
    def reading(texts, *_):
        if any("veleno" in text for text in texts):
            raise ValueError("veleno")
        return original(texts, *_)

    original = harness.classification.reader.read
    monkeypatch.setattr(harness.classification.reader, "read", reading)
    await harness.receive(harness.post("Ferroviola veleno (-)"), harness.post("Ferroviola male (-)", "zoe"))
    for _ in range(6):
        await harness.classification.analyze_batch(harness.configuration, harness.now)
    [item] = await harness.all(FailedItem)
    assert (item.step, item.tries, "veleno" in item.error) == ("analysis", 3, False)
    assert len(await harness.cases()) == 1
    assert await harness.classification.analyze_batch(harness.configuration, harness.now) == 0
    monkeypatch.undo()
    async with harness.store.writing() as session:
        await failed_items.retry(session, item.id)
    await harness.classification.analyze_batch(harness.configuration, harness.now)
    assert len(await harness.cases()) == 2


async def test_a_deadline_that_fails_stops_no_other(harness: Harness, monkeypatch: pytest.MonkeyPatch):
    first, second = await harness.case("Ferroviola uno (-)"), await harness.case("Ferroviola due (-)")
    monkeypatch.setattr(deadlines, "next_notification", _failing_for(first.id, deadlines.next_notification))
    harness.advance(hours=2)
    for _ in range(4):
        await harness.do(deadlines.run_due)
    [item] = await harness.all(FailedItem)
    assert (item.step, item.item, item.tries) == ("deadlines", str(first.id), 3)
    assert {case.id: case.escalation_level > 0 for case in await harness.cases()} == {first.id: False, second.id: True}


def _failing_for(number: int, original):
    def notification(context, case):
        if case.id == number:
            raise KeyError(number)
        return original(context, case)

    return notification


@pytest.mark.parametrize(("followers", "expected"), [(-1, None), (2**70, None), (0, 0), (7, 7)])
def test_a_number_outside_its_domain_is_unknown(followers: int, expected: int | None):
    author = IncomingAuthor(handle="a", followers=followers)
    post = IncomingPost(
        platform="x",
        native_id="1",
        author=author,
        text="mezza \ud83d emoji",
        created_at=NOW,
        language="it_IT",
    )
    assert (normalized(post).author.followers, normalized(post).text, normalized(post).language) == (
        expected, "mezza  emoji", "it",
    )  # fmt: skip
    priority.score_parts(
        negative=0.5, intent="complaint", severity=None, followers=expected, mentions=1, earlier_cases=0, duplicates=1
    )
