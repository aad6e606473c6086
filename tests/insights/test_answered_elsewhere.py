"""An answer counts wherever it was given: by a reply of ours, in the platform's own app, or marked by hand."""

from datetime import UTC, datetime

from conftest import Harness

from insights import digests
from languages import translator
from models.tables.case import Case
from publishing import approvals, replies
from publishing.external_replies import record_answer
from publishing.replies import record_published
from triage import case_actions

TEXT = "Ci scusiamo molto: https://ferroviola.example/aiuto"


async def lines(harness: Harness, language: str = "en") -> list[str]:
    """Of the day's digest."""
    queue = digests.queue_of_brands(harness.configuration, ["ferroviola"], "Europe/Rome", language)
    period = digests.period_of("day", None, harness.now, "Europe/Rome")
    async with harness.store.reading() as session:
        return await digests.digest(harness.context(session), queue, period, translator(language))


async def cases_line(harness: Harness) -> str:
    return next(line for line in await lines(harness) if line.startswith("Cases: "))


async def opened(harness: Harness, count: int) -> list[Case]:
    """Cases of as many authors, with different complaints."""
    words = ("riscaldamento", "bagaglio", "biglietto", "coincidenza", "annuncio", "sedile", "bagno", "controllore")
    for n in range(count):
        await harness.case(f"Ferroviola, {words[n]} {'abcdefgh'[n] * 12} pessimo (-)", f"a{n}", native_id=f"n{n}")
    return await harness.cases()


async def answer_in_the_app(harness: Harness, parent: str) -> None:
    post = harness.post("Ci scusiamo", "ferroviola", parent=parent, ours=True)
    assert await harness.do(record_answer, post, "square", None) == 1


async def answer_here(harness: Harness, case: Case) -> None:
    ana = harness.member("ana")
    await harness.do(case_actions.claim, case.id, ana)
    draft = await harness.do(replies.save_draft, case.id, ana, TEXT)
    await harness.do(approvals.approve, draft.id, draft.revision, ana)
    async with harness.store.writing() as session:
        reply = await session.merge(draft)
        reply.state, reply.approved_by = "published", ana
        await record_published(harness.context(session), await session.get_one(Case, case.id), reply)


async def test_answers_in_the_platforms_own_app_are_answered(harness: Harness):
    await opened(harness, 8)
    harness.advance(minutes=20)
    for parent in ("n0", "n1"):
        await answer_in_the_app(harness, parent)
    assert await cases_line(harness) == "Cases: 8 opened, 2 answered, 0 dismissed, 6 open now"
    assert "First answer: median 20 min, 90 % within 20 min; 2 in time" in await lines(harness)


async def test_each_way_of_answering_counts_once(harness: Harness):
    cases = await opened(harness, 4)
    await answer_here(harness, cases[0])
    await answer_in_the_app(harness, "n1")
    await harness.do(case_actions.claim, cases[2].id, harness.member("ana"))
    await harness.do(replies.mark_answered, cases[2].id, harness.member("ana"))
    await harness.do(case_actions.dismiss, cases[3].id, harness.member("ana"), "spam")
    assert await cases_line(harness) == "Cases: 4 opened, 3 answered, 1 dismissed, 0 open now"


async def test_a_case_answered_twice_in_a_period_is_one_answered_case(harness: Harness):
    await opened(harness, 2)
    await answer_in_the_app(harness, "n0")
    harness.advance(minutes=5)
    [case, _] = await harness.cases()
    await harness.do(case_actions.reopen, case.id, harness.member("ana"))
    await answer_in_the_app(harness, "n0")
    assert await cases_line(harness) == "Cases: 2 opened, 1 answered, 0 dismissed, 1 open now"


async def test_a_late_answer_in_the_app_is_answered_and_not_in_time(harness: Harness):
    await opened(harness, 1)
    harness.advance(minutes=90)
    await answer_in_the_app(harness, "n0")
    assert await cases_line(harness) == "Cases: 1 opened, 1 answered, 0 dismissed, 0 open now"
    [answers] = [line for line in await lines(harness) if line.startswith("First answer: ")]
    assert answers.endswith("; 0 in time")


async def test_an_answer_in_the_app_counts_in_the_period_in_which_it_was_given(harness: Harness):
    await opened(harness, 1)
    harness.now = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
    await answer_in_the_app(harness, "n0")
    assert await cases_line(harness) == "Cases: 0 opened, 1 answered, 0 dismissed, 0 open now"
