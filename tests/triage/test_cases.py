from datetime import timedelta

import pytest
from conftest import House

from models.case import Alert, Case, CaseEvent
from models.mention import MentionBrand
from triage import actions, replying


async def test_a_complaint_opens_a_case_and_a_chat_does_not(house: House):
    await house.hear(house.post("Ferroviola in ritardo (-)"), house.post("oggi ho preso ferroviola", author="ugo"))
    await house.read()
    [case] = await house.cases()
    assert (case.state, case.intent, case.sentiment, case.topics) == ("waiting", "complaint", "negative", ("delay",))
    assert case.first_answer_due == house.now + timedelta(minutes=60)


@pytest.mark.parametrize(
    ("text", "opens"),
    [
        ("@ferroviola a che ora parte il 9412?", True),
        ("ma a voi ferroviola piace?", False),
        ("@ferroviola grazie (+)", False),
        ("vorrei abbonarmi a ferroviola", True),
        ("ferroviola guadagna da casa, scrivimi in dm (-)", False),
        ("ferroviola: il treno ha preso fuoco", True),
    ],
)
async def test_what_needs_a_human(house: House, text: str, opens: bool):
    await house.hear(house.post(text))
    await house.read()
    assert bool(await house.cases()) == opens


async def test_one_author_in_one_thread_is_one_case(house: House):
    await house.hear(
        house.post("Ferroviola in ritardo (-)", thread="t1"),
        house.post("e ancora ferroviola (-)", thread="t1"),
        house.post("ferroviola anche qui (-)", thread="t2"),
        house.post("ferroviola anche io (-)", author="ugo", thread="t1"),
    )
    await house.read()
    assert sorted((c.thread, c.mentions) for c in await house.cases()) == [("t1", 1), ("t1", 2), ("t2", 1)]


async def test_a_thank_you_after_our_answer_does_not_reopen_the_case(house: House):
    case = await _answered(house)
    await house.hear(house.post("ferroviola grazie! (+)", thread=case.thread))
    await house.read()
    [case] = await house.cases()
    assert (case.state, case.mentions) == ("answered", 2)


async def test_going_on_complaining_after_our_answer_reopens_the_case(house: House):
    case = await _answered(house)
    house.later(hours=3)
    await house.hear(house.post("ferroviola ancora niente (-)", thread=case.thread))
    await house.read()
    [again] = await house.cases()
    assert (again.id, again.state, again.claimed_by) == (case.id, "waiting", None)
    assert again.first_answer_due == house.now + timedelta(minutes=60)


async def test_after_the_reopen_window_it_is_a_new_case(house: House):
    case = await _answered(house)
    house.later(days=8)
    await house.hear(house.post("ferroviola di nuovo (-)", thread=case.thread))
    await house.read()
    assert [c.state for c in await house.cases()] == ["answered", "waiting"]


async def _answered(house: House) -> Case:
    case = await house.case(thread="t1")
    ana = house.member("ana")
    await house.do(actions.claim, case.id, ana)
    await house.do(replying.answered_by_hand, case.id, ana)
    return case


async def test_a_muted_author_opens_no_case_and_is_still_counted(house: House):
    case = await house.case()
    await house.do(actions.mute, case.id, house.member("ana"))
    await house.hear(house.post("ferroviola vergogna (-)", thread="other"))
    await house.read()
    assert len(await house.cases()) == 1
    async with house.store.reading() as session:
        reads = await house_reads(session)
    assert [r.sentiment for r in reads] == ["negative", "negative"]


async def house_reads(session) -> list[MentionBrand]:
    from sqlalchemy import select

    return list(await session.scalars(select(MentionBrand)))


async def test_imports_open_nothing_and_backfill_only_when_fresh(house: House):
    old = house.now - timedelta(hours=30)
    await house.hear(
        house.post("ferroviola incendio (-)", author="a", origin="import"),
        house.post("ferroviola (-)", author="b", origin="backfill", created_at=old),
        house.post("ferroviola male (-)", author="c", origin="backfill"),
    )
    await house.read()
    assert len(await house.cases()) == 1
    assert await house.all(Alert) == []


async def test_live_mentions_are_read_before_a_long_backlog(house: House):
    await house.hear(*(house.post(f"ferroviola {n}", origin="import") for n in range(400)))
    await house.hear(house.post("ferroviola adesso (-)"))
    await house.triage.read_batch(house.catalogue, house.now)
    assert len(await house.cases()) == 1


async def test_a_grave_mention_alerts_once_and_says_in_which_words(house: House):
    case = await house.case("Ferroviola: il sedile ha preso fuoco (-)", thread="t1")
    await house.hear(house.post("ferroviola ripeto, preso fuoco (-)", thread="t1"))
    await house.read()
    [alert] = await house.all(Alert)
    assert (alert.kind, alert.case_id, alert.reason) == ("grave", case.id, "safety: preso fuoco")


async def test_the_more_particular_queue_takes_the_case(house: House):
    await house.case("Ferroviola e varză (-)", author="ion", language="ro")
    await house.case("Ferroviola in ritardo (-)", author="rita", language="it")
    queues = [house.catalogue.queues[c.queue_id].slug for c in await house.cases()]
    assert queues == ["trains-ro", "trains"]


async def test_a_brand_without_a_queue_still_gets_its_case(house: House):
    await house.hear(house.post("panegrano ammuffito (-)"), brand="panegrano")
    await house.read()
    [case] = await house.cases()
    assert case.queue_id is None


async def test_the_reasons_for_the_priority_add_up(house: House):
    case = await house.case("Ferroviola: preso fuoco (-)", followers=100_000)
    assert {part.name for part in case.parts} == {"negativity", "grave", "complaint", "reach"}
    assert case.points == sum(part.points for part in case.parts)


async def test_waiting_moves_an_older_case_before_a_slightly_heavier_one(house: House):
    old = await house.case("Ferroviola boh (-)", author="a")
    house.later(hours=3)
    new = await house.case("Ferroviola mah, seguita da molti (-)", author="b", followers=2_000)
    old, new = await house.get(Case, old.id), await house.get(Case, new.id)
    assert new.points > old.points
    assert old.rank > new.rank


async def test_near_duplicates_from_many_people_are_one_storm(house: House):
    for n in range(5):
        await house.hear(
            house.post(f"Ferroviola ferma da due ore a Bologna, nessuno dice niente {n} (-)", author=f"a{n}")
        )
    await house.hear(house.post("Ferroviola: ho perso gli occhiali sul treno per Bari (-)", author="z"))
    await house.read()
    storm = [c for c in await house.cases() if c.storm_id]
    assert len(storm) == 5
    assert len({c.storm_id for c in storm}) == 1
    assert any(part.name == "storm" for part in storm[-1].parts)


async def test_a_case_can_be_opened_by_hand_and_only_once(house: House):
    await house.hear(house.post("oggi ferroviola"))
    await house.read()
    [read] = list(await _reads(house))
    ana = house.member("ana")
    first = await house.do(actions.open_by_hand, house.brand(), read.mention_id, ana)
    second = await house.do(actions.open_by_hand, house.brand(), read.mention_id, ana)
    assert first.id == second.id
    assert [e.kind for e in await house.all(CaseEvent)] == ["opened"]


async def _reads(house: House) -> list[MentionBrand]:
    async with house.store.reading() as session:
        return await house_reads(session)
