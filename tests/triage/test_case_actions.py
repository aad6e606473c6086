"""What members do with a case."""

import asyncio
from datetime import timedelta

import pytest
from conftest import Harness
from sqlalchemy import select

from models.errors import Refused
from models.tables.case import Case, CaseEvent
from models.tables.mention import MentionBrand
from models.tables.reply import Reply
from triage import case_actions


async def _matches(harness: Harness) -> list[MentionBrand]:
    async with harness.store.reading() as session:
        return list(await session.scalars(select(MentionBrand)))


async def test_only_one_of_two_managers_claims_a_case(harness: Harness):
    case = await harness.case()
    results = await asyncio.gather(
        *(harness.do(case_actions.claim, case.id, harness.member(slug)) for slug in ("ana", "bruno")),
        return_exceptions=True,
    )
    refusals = [result for result in results if isinstance(result, Refused)]
    assert len(refusals) == 1
    assert "claimed this case 0 min ago" in str(refusals[0])
    assert (await harness.get(Case, case.id)).state == "claimed"


async def test_claiming_again_extends_the_claim(harness: Harness):
    case = await harness.case()
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    harness.advance(minutes=20)
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    assert (await harness.get(Case, case.id)).claim_until == harness.now + timedelta(minutes=30)


async def test_a_note_is_never_a_reply(harness: Harness):
    case = await harness.case()
    await harness.do(case_actions.add_note, case.id, harness.member("ana"), "Ci scusiamo, ecco")
    assert await harness.all(Reply) == []


async def test_a_dismissal_needs_a_reason_and_can_be_reopened(harness: Harness):
    case = await harness.case()
    ana = harness.member("ana")
    with pytest.raises(Refused, match="Give a reason"):
        await harness.do(case_actions.dismiss, case.id, ana, " ")
    await harness.do(case_actions.dismiss, case.id, ana, "not us")
    assert (await harness.get(Case, case.id)).ended_reason == "not us"
    await harness.do(case_actions.reopen, case.id, ana)
    assert (await harness.get(Case, case.id)).state == "waiting"


async def test_a_case_that_continues_in_a_newer_one_cannot_be_reopened(harness: Harness):
    case = await harness.case(thread="t")
    await harness.do(case_actions.dismiss, case.id, harness.member("ana"), "no")
    harness.advance(days=8)
    newer = await harness.case(thread="t")
    with pytest.raises(Refused, match=f"This conversation continues in case {newer.id}"):
        await harness.do(case_actions.reopen, case.id, harness.member("ana"))


async def test_a_correction_changes_sentiment_intent_and_score(harness: Harness):
    case = await harness.case()
    score = case.score
    await harness.do(case_actions.correct, case.id, harness.member("ana"), "positive")
    case = await harness.get(Case, case.id)
    assert case.sentiment == "positive"
    assert case.intent != "complaint", "the intent agrees with the sentiment"
    assert case.score < score


async def test_escalation_notifies_the_chain_and_then_everyone(harness: Harness):
    case = await harness.case()
    notified = []
    for _ in range(3):
        await harness.do(case_actions.escalate, case.id, harness.member("bruno"), "aiuto")
        event = (await harness.all(CaseEvent))[-1]
        notified.append(event.detail.notified)
    assert notified == [("ana",), ("lidia",), ("ana", "bruno", "lidia")]


async def test_a_muted_author_opens_no_case_and_is_still_counted(harness: Harness):
    case = await harness.case()
    await harness.do(case_actions.mute_author, case.id, harness.member("ana"))
    await harness.receive(harness.post("ferroviola vergogna (-)", thread="other"))
    await harness.analyze()
    assert len(await harness.cases()) == 1
    assert [match.sentiment for match in await _matches(harness)] == ["negative", "negative"]


async def test_a_case_can_be_opened_by_hand_only_once(harness: Harness):
    await harness.receive(harness.post("oggi ferroviola"))
    await harness.analyze()
    [match] = await _matches(harness)
    ana = harness.member("ana")
    first = await harness.do(case_actions.open_by_hand, harness.brand(), match.mention_id, ana)
    second = await harness.do(case_actions.open_by_hand, harness.brand(), match.mention_id, ana)
    assert first.id == second.id
    assert [event.kind for event in await harness.all(CaseEvent)] == ["opened"]


async def test_every_visible_change_increments_the_revision(harness: Harness):
    case = await harness.case()
    before = case.revision
    ana = harness.member("ana")
    for action, arguments in (
        (case_actions.claim, ()),
        (case_actions.add_note, ("nota",)),
        (case_actions.release, ()),
        (case_actions.snooze, (harness.now + timedelta(hours=1),)),
        (case_actions.claim, ()),
        (case_actions.dismiss, ("x",)),
        (case_actions.reopen, ()),
        (case_actions.escalate, ()),
        (case_actions.mute_author, ()),
    ):
        await harness.do(action, case.id, ana, *arguments)
        after = (await harness.get(Case, case.id)).revision
        assert after > before, action.__name__
        before = after
