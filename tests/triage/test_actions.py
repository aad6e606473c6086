import asyncio
from datetime import timedelta

import pytest
from conftest import House

from models.case import Case, CaseEvent, Reply
from models.errors import Refused
from triage import actions, replying


async def test_two_managers_cannot_claim_one_case(house: House):
    case = await house.case()
    outcomes = await asyncio.gather(
        *(house.do(actions.claim, case.id, house.member(who)) for who in ("ana", "bruno")), return_exceptions=True
    )
    refused = [o for o in outcomes if isinstance(o, Refused)]
    assert len(refused) == 1
    assert "has had this case for 0 min" in str(refused[0])
    assert (await house.get(Case, case.id)).state == "claimed"


async def test_claiming_again_renews_the_claim(house: House):
    case = await house.case()
    await house.do(actions.claim, case.id, house.member("ana"))
    house.later(minutes=20)
    await house.do(actions.claim, case.id, house.member("ana"))
    assert (await house.get(Case, case.id)).claim_until == house.now + timedelta(minutes=30)


async def test_a_member_of_another_brand_sees_no_case(house: House):
    case = await house.case()
    with pytest.raises(Refused, match="There is no case"):
        await house.do(actions.claim, case.id, house.member("piero"))


async def test_nothing_can_be_done_to_a_case_that_a_colleague_holds(house: House):
    case = await house.case()
    await house.do(actions.claim, case.id, house.member("ana"))
    bruno = house.member("bruno")
    for action, arguments in (
        (actions.dismiss, ("boh",)),
        (actions.snooze, (house.now + timedelta(hours=1),)),
        (replying.draft, ("Salve",)),
        (actions.release, ()),
        (actions.assign, ("bruno",)),
    ):
        with pytest.raises(Refused):
            await house.do(action, case.id, bruno, *arguments)
    await house.do(actions.assign, case.id, house.member("lidia"), "bruno")
    assert (await house.get(Case, case.id)).claimed_by == bruno


async def _draft(house: House, text: str = "Ci scusiamo, ecco: https://ferroviola.example/aiuto") -> tuple[Case, Reply]:
    case = await house.case()
    await house.do(actions.claim, case.id, house.member("ana"))
    return case, await house.do(replying.draft, case.id, house.member("ana"), text)


async def test_a_reply_cannot_be_approved_in_another_text_than_was_shown(house: House):
    case, reply = await _draft(house)
    await house.do(replying.draft, case.id, house.member("ana"), "Ci scusiamo molto.")
    with pytest.raises(Refused, match="has changed since you saw it"):
        await house.do(replying.approve, reply.id, reply.revision, house.member("ana"))
    await house.do(replying.approve, reply.id, reply.revision + 1, house.member("ana"))
    kept = await house.get(Reply, reply.id)
    assert (kept.state, kept.text, kept.approved_by) == ("approved", "Ci scusiamo molto.", house.member("ana"))
    assert kept.due_at == house.now + timedelta(seconds=10)


async def test_a_double_click_on_approve_approves_once(house: House):
    _, reply = await _draft(house)
    outcomes = await asyncio.gather(
        *(house.do(replying.approve, reply.id, reply.revision, house.member("ana")) for _ in range(3)),
        return_exceptions=True,
    )
    assert sum(isinstance(o, Refused) for o in outcomes) == 2
    assert [e.kind for e in await house.all(CaseEvent)].count("approved") == 1


async def test_saving_the_same_text_again_is_no_new_revision(house: House):
    case, reply = await _draft(house, "Ci scusiamo.")
    again = await house.do(replying.draft, case.id, house.member("ana"), "Ci scusiamo.")
    assert (again.id, again.revision) == (reply.id, reply.revision)


async def test_only_who_holds_the_case_approves(house: House):
    _, reply = await _draft(house)
    with pytest.raises(Refused, match="Ana has had this case"):
        await house.do(replying.approve, reply.id, reply.revision, house.member("bruno"))


async def test_a_claim_that_ran_out_must_be_taken_again_before_approving(house: House):
    case, reply = await _draft(house)
    house.later(minutes=31)
    await house.do(_tick)
    with pytest.raises(Refused, match="Claim the case first"):
        await house.do(replying.approve, reply.id, reply.revision, house.member("ana"))
    await house.do(actions.claim, case.id, house.member("ana"))
    await house.do(replying.approve, reply.id, reply.revision, house.member("ana"))


async def _tick(turn):
    from triage.clock import tick

    return await tick(turn)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("   ", "The reply is empty"),
        ("Gentile {{ cliente }}, ci scusiamo", "Still to be filled: {{ cliente }}"),
        ("Ci scusiamo" * 60, "Too long: 660 of 300"),
    ],
)
async def test_an_unfinished_reply_is_not_approved(house: House, text: str, said: str):
    _, reply = await _draft(house, text)
    with pytest.raises(Refused) as refused:
        await house.do(replying.approve, reply.id, reply.revision, house.member("ana"))
    assert said in str(refused.value)


async def test_undo_within_ten_seconds_brings_the_draft_back(house: House):
    case, reply = await _draft(house)
    await house.do(replying.approve, reply.id, reply.revision, house.member("ana"))
    house.later(seconds=9)
    await house.do(replying.undo, reply.id, house.member("ana"))
    kept, case = await house.get(Reply, reply.id), await house.get(Case, case.id)
    assert (kept.state, kept.approved_by, case.state, case.claimed_by) == (
        "draft",
        None,
        "claimed",
        house.member("ana"),
    )


async def test_a_note_is_never_a_reply(house: House):
    case = await house.case()
    await house.do(actions.note, case.id, house.member("ana"), "Ci scusiamo, ecco")
    assert await house.all(Reply) == []


async def test_where_no_voice_speaks_the_reply_is_copied_and_kept(house: House):
    case = await house.case(platform="x")
    ana = house.member("ana")
    reply = await house.do(replying.draft, case.id, ana, "Ci scusiamo molto.")
    with pytest.raises(Refused, match="copy the reply and open the post"):
        await house.do(replying.approve, reply.id, reply.revision, ana)
    await house.do(replying.answered_by_hand, case.id, ana, "https://x.example/1")
    kept = await house.get(Reply, reply.id)
    assert (kept.state, kept.approved_by, kept.url) == ("published", ana, "https://x.example/1")
    assert (await house.get(Case, case.id)).state == "answered"


async def test_a_dismissal_has_a_reason_and_can_be_taken_back(house: House):
    case = await house.case()
    ana = house.member("ana")
    with pytest.raises(Refused, match="Say why"):
        await house.do(actions.dismiss, case.id, ana, " ")
    await house.do(actions.dismiss, case.id, ana, "not us")
    assert (await house.get(Case, case.id)).ended_reason == "not us"
    await house.do(actions.reopen, case.id, ana)
    assert (await house.get(Case, case.id)).state == "waiting"


async def test_reopening_beside_a_newer_case_of_the_same_conversation_is_refused(house: House):
    case = await house.case(thread="t")
    await house.do(actions.dismiss, case.id, house.member("ana"), "no")
    house.later(days=8)
    await house.case(thread="t")
    with pytest.raises(Refused, match="goes on with this conversation"):
        await house.do(actions.reopen, case.id, house.member("ana"))


async def test_a_correction_counts_at_once_and_is_kept(house: House):
    case = await house.case()
    points = case.points
    await house.do(actions.correct, case.id, house.member("ana"), "positive")
    case = await house.get(Case, case.id)
    assert case.sentiment == "positive"
    assert case.intent != "complaint", "what is wanted goes with it"
    assert case.points < points


async def test_a_removed_member_can_do_nothing_more(house: House):
    import msgspec

    from models.catalogue import Contents

    case = await house.case()
    ana = house.member("ana")
    await house.do(actions.claim, case.id, ana)
    gone = msgspec.structs.replace(house.catalogue.members[ana], archived=True)
    await house.apply(Contents(members=(gone,)))
    with pytest.raises(Refused, match="not a member any more"):
        await house.do(replying.draft, case.id, ana, "Salve")


async def test_escalation_goes_up_the_chain_and_then_to_everyone(house: House):
    case = await house.case()
    called = []
    for _ in range(3):
        await house.do(actions.escalate, case.id, house.member("bruno"), "aiuto")
        event = (await house.all(CaseEvent))[-1]
        called.append(event.detail["called"])
    assert called == ["ana", "lidia", "ana,bruno,lidia"]


async def test_every_visible_change_counts_the_revision_up(house: House):
    case = await house.case()
    seen = case.revision
    ana = house.member("ana")
    for step in (
        (actions.claim, ()),
        (actions.note, ("nota",)),
        (actions.release, ()),
        (actions.snooze, (house.now + timedelta(hours=1),)),
        (actions.claim, ()),
        (actions.dismiss, ("x",)),
        (actions.reopen, ()),
        (actions.escalate, ()),
        (actions.mute, ()),
    ):
        await house.do(step[0], case.id, ana, *step[1])
        now = (await house.get(Case, case.id)).revision
        assert now > seen, step[0].__name__
        seen = now
