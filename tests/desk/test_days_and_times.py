"""A time is the one on the button whenever it was drawn, and says its day unless that is today."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from conftest import Harness

from actions.perform import perform_chat_action
from cards.case_view import CaseView, case_view
from cards.outcome import Choice, Outcome
from desk import buttons, discord_cards, slack_cards, telegram_cards
from languages import translator
from models.configuration import ConfigurationFile, Member
from models.tables.action import Action
from models.tables.case import Case
from triage import case_actions
from triage.schedule import deadlines

ROME = ZoneInfo("Europe/Rome")
OFFICE = {"mon-fri": "08:00-20:00"}
BUTTON = 64
"""Bytes of a button's token on Telegram, the least of all chats."""


def rome(day: int, hour: int, minute: int = 0, month: int = 11, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=ROME).astimezone(UTC)


async def act(harness: Harness, action: Action | None) -> Outcome:
    assert action is not None
    async with harness.store.writing() as session:
        performed = await perform_chat_action(harness.context(session), "telegram", "telegram", action)
    assert performed is not None
    return performed.outcome


async def snooze_choices(harness: Harness, case: Case, who: str = "11") -> Sequence[Choice]:
    """The buttons under a card on which Snooze was pressed."""
    return (await act(harness, Action(native_id="s", verb="snooze", who=who, chat="-1", case=case.id))).choices


async def press(harness: Harness, choices: Sequence[Choice], case: Case, label: str, who: str = "11") -> Outcome:
    button = next(button for button in buttons.for_choices(choices, case.id) if button.label == label)
    action = buttons.parse_token(button.token(BUTTON), native_id="b", who=who, chat="-1", message="7", respond_to="r")
    outcome = await act(harness, action)
    assert not outcome.refused, outcome.message
    return outcome


async def snoozed_until(harness: Harness, case: Case, zone: ZoneInfo = ROME) -> datetime:
    until = (await harness.get(Case, case.id)).snoozed_until
    assert until is not None
    return until.astimezone(zone)


# Snoozed.


@pytest.mark.parametrize("later", [0, 1, 40, 175])
async def test_tomorrow_at_nine_is_nine_whenever_the_button_was_drawn(harness: Harness, later: int):
    harness.now = rome(30, 20, 55)
    case = await harness.case()
    choices = await snooze_choices(harness, case)
    harness.advance(minutes=later, seconds=17)
    outcome = await press(harness, choices, case, "Tomorrow at 9")
    assert await snoozed_until(harness, case) == rome(1, 9, month=12)
    assert re.search(r"Tue.* 1 Dec.* 0?9:00", outcome.message), outcome.message


async def test_tomorrow_at_nine_is_nine_in_the_members_zone(harness: Harness):
    members = (Member(slug="ana", name="Ana", identities={"telegram": "11"}, zone="Europe/Bucharest"),)
    await harness.apply(ConfigurationFile(members=members))
    harness.now = rome(30, 20, 55)
    case = await harness.case()
    choices = await snooze_choices(harness, case)
    harness.advance(minutes=40)
    outcome = await press(harness, choices, case, "Tomorrow at 9")
    assert await snoozed_until(harness, case) == rome(1, 8, month=12)
    assert re.search(r"Tue.*0?9:00", outcome.message), outcome.message


async def test_in_the_members_language_the_button_says_and_does_the_same(harness: Harness):
    harness.now = rome(30, 20, 55)
    case = await harness.case()
    choices = await snooze_choices(harness, case, who="12")
    harness.advance(minutes=40)
    outcome = await press(harness, choices, case, translator("it")("Tomorrow at 9"), who="12")
    assert await snoozed_until(harness, case) == rome(1, 9, month=12)
    assert re.search(r"mar.* 1 dic.* 0?9:00", outcome.message), outcome.message


async def test_a_button_drawn_before_midnight_and_pressed_after_it_is_still_nine(harness: Harness):
    harness.now = rome(30, 23, 50)
    case = await harness.case()
    choices = await snooze_choices(harness, case)
    harness.advance(minutes=25)
    await press(harness, choices, case, "Tomorrow at 9")
    until = await snoozed_until(harness, case)
    assert (until.hour, until.minute) == (9, 0)
    assert timedelta() < until - harness.now < timedelta(hours=34)


@pytest.mark.parametrize("before", [rome(27, 18, month=3, year=2027), rome(30, 18, month=10, year=2027)])
async def test_on_the_night_of_a_clock_change_nine_is_nine(harness: Harness, before: datetime):
    harness.now = before
    case = await harness.case()
    choices = await snooze_choices(harness, case)
    harness.advance(minutes=40)
    await press(harness, choices, case, "Tomorrow at 9")
    until = await snoozed_until(harness, case)
    assert (until.date() - before.date(), until.hour, until.minute) == (timedelta(days=1), 9, 0)


async def test_an_hour_is_an_hour_from_the_press(harness: Harness):
    harness.now = rome(30, 20, 55)
    case = await harness.case()
    choices = await snooze_choices(harness, case)
    harness.advance(minutes=40)
    outcome = await press(harness, choices, case, "1 hour")
    assert await snoozed_until(harness, case) == rome(30, 22, 35)
    assert "22:35" in outcome.message


async def test_a_button_of_minutes_from_before_an_update_still_works(harness: Harness):
    case = await harness.case()
    action = buttons.parse_token(f"snooze|{case.id}|||90", native_id="b", who="11", chat="-1")
    await act(harness, action)
    assert await snoozed_until(harness, case) == harness.now + timedelta(minutes=90)


# Due.


async def view_of(harness: Harness, case: Case) -> CaseView:
    async with harness.store.reading() as session:
        return await case_view(harness.context(session), case.id)


async def cards_of(harness: Harness, case: Case, language: str = "en") -> list[str]:
    """The card on each chat."""
    view, t = await view_of(harness, case), translator(language)
    rendered = (slack_cards.render(view, t), telegram_cards.render(view, t)[0], discord_cards.render(view, t))
    return [str(card).replace("\\", "").replace("\u200b", "") for card in rendered]


async def received(harness: Harness, at: datetime, hours: dict[str, str]) -> Case:
    await harness.change_queue("trains", hours=hours)
    harness.now = at
    return await harness.case()


@pytest.mark.parametrize(("language", "day"), [("en", "Mon"), ("it", "lun"), ("ro", "lun")])
async def test_a_deadline_after_the_weekend_says_its_day(harness: Harness, language: str, day: str):
    case = await received(harness, rome(27, 21), OFFICE)
    for card in await cards_of(harness, case, language):
        assert re.search(rf"⏳ {day}\b[^·]*09:00", card), card


async def test_a_deadline_tomorrow_says_its_day_too(harness: Harness):
    case = await received(harness, rome(24, 19, 30), OFFICE)
    for card in await cards_of(harness, case):
        assert re.search(r"⏳ Wed\b[^·]*08:30", card), card


async def test_a_deadline_today_is_a_time_alone(harness: Harness):
    case = await received(harness, rome(24, 10, 15), OFFICE)
    for card in await cards_of(harness, case):
        assert "⏳ 11:15" in card, card


async def test_today_is_the_queues_day_and_not_the_servers(harness: Harness):
    await harness.change_queue("trains", zone="Europe/Bucharest")
    case = await received(harness, datetime(2026, 11, 24, 21, 30, tzinfo=UTC), {})
    for card in await cards_of(harness, case):
        assert re.search(r"⏳ Wed\b[^·]*00:30", card), card


async def test_a_deadline_missed_yesterday_says_its_day(harness: Harness):
    case = await received(harness, rome(24, 10), {})
    harness.now = rome(25, 9)
    await harness.do(deadlines.run_due)
    for card in await cards_of(harness, case):
        assert re.search(r"⏰ Tue\b[^·]*11:00", card), card


async def test_a_snoozed_case_says_its_day(harness: Harness):
    case = await received(harness, rome(24, 10), {})
    await harness.do(case_actions.snooze, case.id, harness.member("ana"), rome(26, 9))
    for card in await cards_of(harness, case):
        assert re.search(r"→ Thu\b[^·]*09:00", card), card
