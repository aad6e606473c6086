"""Which mentions open, continue or reopen a case."""

from datetime import timedelta

import pytest
from conftest import Harness

from models.tables.case import Case
from publishing import replies
from triage import case_actions


async def test_a_complaint_opens_a_case_and_chatter_does_not(harness: Harness):
    await harness.receive(
        harness.post("Ferroviola in ritardo (-)"), harness.post("oggi ho preso ferroviola", author="ugo")
    )
    await harness.analyze()
    [case] = await harness.cases()
    assert (case.state, case.intent, case.sentiment, case.topics) == ("waiting", "complaint", "negative", ("delay",))
    assert case.first_answer_due == harness.now + timedelta(minutes=60)


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
async def test_a_case_is_opened_for_what_needs_a_person(harness: Harness, text: str, opens: bool):
    await harness.receive(harness.post(text))
    await harness.analyze()
    assert bool(await harness.cases()) == opens


async def test_posts_of_one_author_in_one_thread_are_one_case(harness: Harness):
    await harness.receive(
        harness.post("Ferroviola in ritardo (-)", thread="t1"),
        harness.post("e ancora ferroviola (-)", thread="t1"),
        harness.post("ferroviola anche qui (-)", thread="t2"),
        harness.post("ferroviola anche io (-)", author="ugo", thread="t1"),
    )
    await harness.analyze()
    cases = await harness.cases()
    assert sorted((case.thread, case.mention_count) for case in cases) == [("t1", 1), ("t1", 2), ("t2", 1)]


async def _answered(harness: Harness) -> Case:
    case = await harness.case(thread="t1")
    ana = harness.member("ana")
    await harness.do(case_actions.claim, case.id, ana)
    await harness.do(replies.mark_answered, case.id, ana)
    return case


async def test_a_thank_you_does_not_reopen_an_answered_case(harness: Harness):
    case = await _answered(harness)
    await harness.receive(harness.post("ferroviola grazie! (+)", thread=case.thread))
    await harness.analyze()
    [case] = await harness.cases()
    assert (case.state, case.mention_count) == ("answered", 2)


async def test_another_complaint_reopens_an_answered_case(harness: Harness):
    case = await _answered(harness)
    harness.advance(hours=3)
    await harness.receive(harness.post("ferroviola ancora niente (-)", thread=case.thread))
    await harness.analyze()
    [reopened] = await harness.cases()
    assert (reopened.id, reopened.state, reopened.claimed_by) == (case.id, "waiting", None)
    assert reopened.first_answer_due == harness.now + timedelta(minutes=60)


async def test_a_complaint_after_the_reopen_window_opens_a_new_case(harness: Harness):
    case = await _answered(harness)
    harness.advance(days=8)
    await harness.receive(harness.post("ferroviola di nuovo (-)", thread=case.thread))
    await harness.analyze()
    assert [case.state for case in await harness.cases()] == ["answered", "waiting"]


async def test_the_score_is_the_sum_of_its_parts(harness: Harness):
    case = await harness.case("Ferroviola: preso fuoco (-)", followers=100_000)
    assert {part.name for part in case.score_parts} == {"negativity", "severity", "complaint", "reach"}
    assert case.score == sum(part.points for part in case.score_parts)


async def test_waiting_ranks_an_older_case_above_one_with_a_slightly_higher_score(harness: Harness):
    old = await harness.case("Ferroviola boh (-)", author="a")
    harness.advance(hours=3)
    new = await harness.case("Ferroviola mah, seguita da molti (-)", author="b", followers=2_000)
    old, new = await harness.get(Case, old.id), await harness.get(Case, new.id)
    assert new.score > old.score
    assert old.rank > new.rank
