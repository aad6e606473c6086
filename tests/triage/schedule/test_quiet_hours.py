"""A member's own settings and view: quiet hours, absences, their cases and the next one."""

from datetime import UTC, date, datetime

import pytest
from conftest import Harness

from actions.perform import perform_chat_action
from cards.outcome import Outcome
from models.configuration import Absence, ConfigurationFile, Member
from models.errors import Refused
from models.tables.action import Action
from triage import case_actions
from triage.schedule import on_call
from triage.schedule.quiet_hours import add_absence, set_quiet_hours


async def _set(harness: Harness, setting, text: str) -> None:
    await harness.do(setting, harness.member("ana"), text)
    await harness.apply(ConfigurationFile())


def _ana(harness: Harness) -> Member:
    return harness.configuration.members[harness.member("ana")]


@pytest.mark.parametrize(
    ("text", "quiet_hours"),
    [
        ("22:00-07:00", {"mon-sun": "22:00-07:00"}),
        ("mon-fri 20:00-08:00, sat-sun 00:00-24:00", {"mon-fri": "20:00-08:00", "sat-sun": "00:00-24:00"}),
        ("off", {}),
        ("OFF", {}),
    ],
)
async def test_quiet_hours_are_saved(harness: Harness, text: str, quiet_hours: dict[str, str]):
    await _set(harness, set_quiet_hours, text)
    assert _ana(harness).quiet_hours == quiet_hours


async def test_a_member_is_quiet_during_their_quiet_hours_only(harness: Harness):
    await _set(harness, set_quiet_hours, "22:00-07:00")
    assert on_call.is_quiet(_ana(harness), datetime(2026, 11, 23, 22, 30, tzinfo=UTC))
    assert not on_call.is_quiet(_ana(harness), datetime(2026, 11, 23, 12, 0, tzinfo=UTC))


@pytest.mark.parametrize("text", ["always", "25:00-07:00", "22:00", "someday 22:00-07:00", "22:00-07:00 x", "💥", "-"])
async def test_invalid_quiet_hours_are_refused_with_an_example(harness: Harness, text: str):
    with pytest.raises(Refused, match="22:00-07:00"):
        await _set(harness, set_quiet_hours, text)


@pytest.mark.parametrize(
    ("text", "absence"),
    [
        ("2026-12-24", Absence(first=date(2026, 12, 24), last=date(2026, 12, 24))),
        ("24.12 6.1 bruno", Absence(first=date(2026, 12, 24), last=date(2027, 1, 6), cover="bruno")),
        ("24/12/2026 - 6/1/2027 Bruno", Absence(first=date(2026, 12, 24), last=date(2027, 1, 6), cover="bruno")),
        ("1.3", Absence(first=date(2027, 3, 1), last=date(2027, 3, 1))),
    ],
)
async def test_absences_are_saved_and_removed(harness: Harness, text: str, absence: Absence):
    await _set(harness, add_absence, text)
    assert _ana(harness).absences == (absence,)
    await _set(harness, add_absence, "off")
    assert _ana(harness).absences == ()


@pytest.mark.parametrize("text", ["tomorrow", "31.2", "24.12 6.1 12.1", "bruno", "24.12 nobody", "24.12.2026 1.1.2020"])
async def test_invalid_days_and_unknown_covers_are_refused(harness: Harness, text: str):
    with pytest.raises(Refused):
        await _set(harness, add_absence, text)
    assert _ana(harness).absences == ()


async def _type(harness: Harness, verb: str, text: str = "", who: str = "11") -> Outcome:
    """A command typed on Telegram."""
    async with harness.store.writing() as session:
        action = Action(native_id="x", verb=verb, who=who, chat="-1", text=text)
        performed = await perform_chat_action(harness.context(session), "telegram", "telegram", action)
    assert performed is not None
    return performed.outcome


async def test_a_member_sees_their_cases_the_overdue_ones_and_the_queue(harness: Harness):
    first = await harness.case("Ferroviola in ritardo (-)", "rita")
    second = await harness.case("Ferroviola, domani sento il mio avvocato (-)", "ugo")
    await harness.do(case_actions.claim, first.id, harness.member("ana"))
    mine, overdue, queue = (await _type(harness, "mine")).message.split("\n\n")
    assert mine.splitlines()[0] == "Your cases: 1"
    assert f"#{first.id} @rita" in mine
    assert f"#{second.id}" not in mine
    assert overdue == "Overdue: 0"
    assert f"#{second.id} @ugo" in queue


async def test_the_next_unclaimed_case_is_offered(harness: Harness):
    assert (await _type(harness, "next")).message == "No cases waiting"
    first = await harness.case("Ferroviola in ritardo (-)", "rita")
    second = await harness.case("Ferroviola, domani sento il mio avvocato (-)", "ugo")
    await harness.do(case_actions.claim, first.id, harness.member("ana"))
    offered = await _type(harness, "next")
    assert (offered.case, [choice.verb for choice in offered.choices]) == (second.id, ["claim"])


async def test_commands_of_non_members_and_invalid_hours_are_refused(harness: Harness):
    assert (await _type(harness, "mine", who="999")).refused
    assert (await _type(harness, "quiet_hours", "sempre")).refused
    assert "22:00-07:00" in (await _type(harness, "quiet_hours", "22:00-07:00")).message
