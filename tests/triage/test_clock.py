from datetime import timedelta

from conftest import House

from models.case import Alert, Case, CaseEvent
from triage import actions, clock, replying


async def test_a_claim_runs_out(house: House):
    case = await house.case()
    await house.do(actions.claim, case.id, house.member("ana"))
    house.later(minutes=29)
    assert await house.do(clock.tick) == 0
    house.later(minutes=1)
    assert await house.do(clock.tick) == 1
    case = await house.get(Case, case.id)
    assert (case.state, case.claimed_by) == ("waiting", None)


async def test_a_snoozed_case_wakes(house: House):
    case = await house.case()
    await house.do(actions.snooze, case.id, house.member("ana"), house.now + timedelta(minutes=45))
    house.later(minutes=44)
    await house.do(clock.tick)
    assert (await house.get(Case, case.id)).state == "snoozed"
    house.later(minutes=1)
    await house.do(clock.tick)
    assert (await house.get(Case, case.id)).state == "waiting"


async def test_a_late_case_calls_the_chain_step_by_step_and_then_is_quiet(house: House):
    case = await house.case()
    said = []
    for _ in range(400):
        house.later(minutes=1)
        await house.do(clock.tick)
    said = [(a.kind, a.called) for a in await house.all(Alert)]
    assert said == [("late", "ana"), ("late", "lidia"), ("late", "ana,bruno,lidia")]
    events = [e for e in await house.all(CaseEvent) if e.kind == "late"]
    assert [round((e.at - case.heard_at).total_seconds() / 60) for e in events] == [60, 90, 120]


async def test_an_answered_case_is_never_late(house: House):
    case = await house.case()
    ana = house.member("ana")
    await house.do(actions.claim, case.id, ana)
    await house.do(replying.answered_by_hand, case.id, ana)
    house.later(hours=5)
    await house.do(clock.tick)
    assert await house.all(Alert) == []


async def test_asking_the_clock_twice_does_nothing_twice(house: House):
    await house.case()
    house.later(minutes=61)
    assert await house.do(clock.tick) == 1
    assert await house.do(clock.tick) == 0


async def test_of_a_storm_only_the_first_calls(house: House):
    for n in range(4):
        await house.hear(
            house.post(f"Ferroviola ferma da due ore a Bologna, nessuno dice niente {n} (-)", author=f"a{n}")
        )
    await house.read()
    house.later(minutes=61)
    await house.do(clock.tick)
    assert len(await house.all(Alert)) == 1
