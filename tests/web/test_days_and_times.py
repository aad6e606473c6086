"""Times on the web desk: a button means what it says whenever it was drawn, and a moment says its day."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from conftest import Harness

from models.tables.case import Case
from triage import case_actions

ROME = ZoneInfo("Europe/Rome")
MONDAY_EVENING = datetime(2026, 11, 30, 20, 55, tzinfo=ROME).astimezone(UTC)
TUESDAY_AT_NINE = datetime(2026, 12, 1, 9, tzinfo=ROME).astimezone(UTC)


@pytest.mark.parametrize("later", [0, 40])
async def test_tomorrow_at_nine_is_nine_whenever_the_page_was_drawn(desk, harness: Harness, later: int):
    harness.now = MONDAY_EVENING
    case = await harness.case()
    browser = await desk.sign_in("ana")
    async with browser.get(f"/cases/{case.id}") as response:
        drawn = re.search(r'<button name="(\w+)" value="([^"]*)"[^>]*>Tomorrow at 9</button>', await response.text())
    assert drawn is not None
    harness.advance(minutes=later, seconds=17)
    async with browser.post(f"/cases/{case.id}/actions/snooze", data={drawn[1]: drawn[2]}) as response:
        toast = response.headers["HX-Trigger"]
    assert (await harness.get(Case, case.id)).snoozed_until == TUESDAY_AT_NINE
    assert re.search(r"Tue.* 1 Dec.* 0?9:00", toast), toast


async def test_what_happened_on_another_day_says_so_in_the_history(desk, harness: Harness):
    case = await harness.case()
    await harness.do(case_actions.add_note, case.id, harness.member("ana"), "ho chiamato il deposito")
    harness.advance(days=2)
    await harness.do(case_actions.add_note, case.id, harness.member("ana"), "richiamato")
    browser = await desk.sign_in("ana")
    async with browser.get(f"/cases/{case.id}/details") as response:
        page = await response.text()
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).partition("History")[2]
    assert re.search(r"Mon\w* 23 Nov\w* .*ho chiamato il deposito", shown), shown
    assert re.search(r"10:00 (?:\S+ ){0,3}richiamato", shown), shown
