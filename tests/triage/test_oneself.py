"""What members say of themselves: hours, days, what they hold."""

from datetime import UTC, date, datetime

import pytest
from conftest import House

from models.catalogue import Absence
from models.desk import Action
from models.errors import Refused
from triage import actions, calling, oneself
from triage.desking import Outcome, perform


def of(house: House, slug: str = "ana"):
    return house.catalogue.members.named(slug)[1]


async def say(house: House, does, text: str):
    await house.do(does, house.member("ana"), text)
    await house.apply(type(house.catalogue.contents())())


@pytest.mark.parametrize(
    ("text", "quiet"),
    [
        ("22:00-07:00", {"mon-sun": "22:00-07:00"}),
        ("mon-fri 20:00-08:00, sat-sun 00:00-24:00", {"mon-fri": "20:00-08:00", "sat-sun": "00:00-24:00"}),
        ("off", {}),
        ("OFF", {}),
    ],
)
async def test_quiet_hours_are_kept(house: House, text: str, quiet: dict):
    await say(house, oneself.be_quiet, text)
    assert of(house).quiet == quiet


async def test_in_quiet_hours_nobody_is_called(house: House):
    await say(house, oneself.be_quiet, "22:00-07:00")
    assert calling.is_quiet(of(house), datetime(2026, 11, 23, 22, 30, tzinfo=UTC))
    assert not calling.is_quiet(of(house), datetime(2026, 11, 23, 12, 0, tzinfo=UTC))


@pytest.mark.parametrize("text", ["always", "25:00-07:00", "22:00", "someday 22:00-07:00", "22:00-07:00 x", "💥", "-"])
async def test_hours_that_are_none_are_refused_with_an_example(house: House, text: str):
    with pytest.raises(Refused, match="22:00-07:00"):
        await say(house, oneself.be_quiet, text)


@pytest.mark.parametrize(
    ("text", "away"),
    [
        ("2026-12-24", Absence(first=date(2026, 12, 24), last=date(2026, 12, 24))),
        ("24.12 6.1 bruno", Absence(first=date(2026, 12, 24), last=date(2027, 1, 6), cover="bruno")),
        ("24/12/2026 - 6/1/2027 Bruno", Absence(first=date(2026, 12, 24), last=date(2027, 1, 6), cover="bruno")),
        ("1.3", Absence(first=date(2027, 3, 1), last=date(2027, 3, 1))),
    ],
)
async def test_days_away_are_kept_as_they_are_written(house: House, text: str, away: Absence):
    await say(house, oneself.be_away, text)
    assert of(house).away == (away,)
    await say(house, oneself.be_away, "off")
    assert of(house).away == ()


@pytest.mark.parametrize("text", ["tomorrow", "31.2", "24.12 6.1 12.1", "bruno", "24.12 nobody", "24.12.2026 1.1.2020"])
async def test_days_that_are_none_and_covers_that_are_nobody_are_refused(house: House, text: str):
    with pytest.raises(Refused):
        await say(house, oneself.be_away, text)
    assert of(house).away == ()


async def _typed(house: House, verb: str, text: str = "", who: str = "11") -> Outcome:
    async with house.store.writing() as session:
        action = Action(native_id="x", verb=verb, who=who, chat="-1", text=text)
        return (await perform(house.turn(session), "telegram", action))[0]


async def test_what_one_holds_and_what_is_next(house: House):
    assert (await _typed(house, "next")).said == "Nothing waits."
    first = await house.case("Ferroviola in ritardo (-)", "rita")
    second = await house.case("Ferroviola, domani sento il mio avvocato (-)", "ugo")
    await house.do(actions.claim, first.id, house.member("ana"))
    mine, late, queue = (await _typed(house, "mine")).said.split("\n\n")
    assert mine.splitlines()[0] == "Yours: 1"
    assert f"#{first.id} @rita" in mine
    assert f"#{second.id}" not in mine
    assert late == "Late: 0"
    assert f"#{second.id} @ugo" in queue
    offered = await _typed(house, "next")
    assert (offered.case, [choice.verb for choice in offered.choices]) == (second.id, ["claim"])
    assert (await _typed(house, "mine", who="999")).refused
    assert (await _typed(house, "quiet", "sempre")).refused
    assert "22:00-07:00" in (await _typed(house, "quiet", "22:00-07:00")).said
