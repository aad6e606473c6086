"""More eyes: who must say yes beside the author, and what happens to what they say yes to."""

import asyncio
from datetime import timedelta

import msgspec
import pytest
from conftest import House

from models.case import Alert, Case, CaseEvent, Reply, ReplyVersion
from models.catalogue import Brand, Contents, Member, SavedReply, problems
from models.errors import Refused
from triage import actions, clock, replying
from triage.card import card
from triage.desking import preview

TEXT = "Ci scusiamo, ecco: https://ferroviola.example/aiuto"


async def _team(house: House, **queue: int) -> None:
    await house.apply(
        Contents(members=tuple(Member(slug=s, name=s.title(), role="approver") for s in ("dora", "elio", "fausto")))
    )
    await house.change_queue("trains", team=("ana", "bruno", "lidia", "dora", "elio", "fausto"), **queue)


async def _proposed(house: House, **fields) -> tuple[Case, Reply]:
    case = await house.case(**fields)
    await house.do(actions.claim, case.id, house.member("ana"))
    reply = await house.do(replying.draft, case.id, house.member("ana"), TEXT)
    return case, await house.do(replying.approve, reply.id, reply.revision, house.member("ana"))


async def test_where_nobody_else_is_wanted_the_authors_yes_suffices(house: House):
    _, reply = await _proposed(house)
    assert (reply.state, reply.approved_by) == ("approved", house.member("ana"))


async def test_the_authors_yes_only_proposes_and_another_approves_exactly_that(house: House):
    await _team(house, approvals=1)
    case, reply = await _proposed(house)
    assert (reply.state, reply.approved_by, reply.due_at) == ("proposed", None, None)
    assert [(a.kind, a.called) for a in await house.all(Alert)] == [("approval", "lidia,dora,elio,fausto")]
    for who, why in (("ana", "You wrote it"), ("bruno", "Only an approver"), ("piero", "There is no case")):
        with pytest.raises(Refused, match=why):
            await house.do(replying.approve, reply.id, reply.revision, house.member(who))
    await house.do(replying.approve, reply.id, reply.revision, house.member("dora"))
    kept = await house.get(Reply, reply.id)
    assert (kept.state, kept.approved_by, kept.text) == ("approved", house.member("dora"), TEXT)
    assert (await house.get(Case, case.id)).state == "answering"


async def test_of_two_that_are_wanted_one_is_not_enough_and_the_same_twice_neither(house: House):
    await _team(house, approvals=2)
    _, reply = await _proposed(house)
    for _ in range(2):
        await house.do(replying.approve, reply.id, reply.revision, house.member("dora"))
    assert (await house.get(Reply, reply.id)).state == "proposed"
    await house.do(replying.approve, reply.id, reply.revision, house.member("elio"))
    assert (await house.get(Reply, reply.id)).state == "approved"
    assert [e.kind for e in await house.all(CaseEvent)].count("seconded") == 2


async def test_what_is_grave_asks_for_more(house: House):
    await _team(house, risky_approvals=1)
    _, plain = await _proposed(house)
    assert plain.state == "approved"
    _, grave = await _proposed(house, author="ugo", text="Ferroviola, il mio avvocato vi scriverà (-)")
    assert grave.state == "proposed"


async def _proposed_text(house: House) -> tuple[Case, Reply]:
    await _team(house, approvals=1)
    return await _proposed(house)


async def test_two_who_say_yes_at_once_publish_once(house: House):
    _, reply = await _proposed_text(house)
    found = await asyncio.gather(
        *(house.do(replying.approve, reply.id, reply.revision, house.member(who)) for who in ("dora", "elio")),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Refused) for one in found) == 1
    assert [e.kind for e in await house.all(CaseEvent)].count("approved") == 1


async def test_an_approver_may_change_it_and_both_versions_are_kept(house: House):
    case, reply = await _proposed_text(house)
    dora = house.member("dora")
    amended = await house.do(replying.amend, reply.id, reply.revision, dora, "Ci scusiamo molto.")
    with pytest.raises(Refused, match="has changed since you saw it"):
        await house.do(replying.approve, reply.id, reply.revision, house.member("elio"))
    with pytest.raises(Refused, match="has changed since you saw it"):
        await house.do(replying.amend, reply.id, reply.revision, house.member("elio"), "Ci dispiace.")
    await house.do(replying.approve, reply.id, amended.revision, dora)
    kept = await house.get(Reply, reply.id)
    assert (kept.state, kept.text, kept.author_id) == ("approved", "Ci scusiamo molto.", house.member("ana"))
    async with house.store.reading() as session:
        shown = await card(house.turn(session), case.id)
    assert [(v.member, v.text) for v in shown.answers[0].versions] == [(house.member("ana"), TEXT)]


async def test_a_reply_sent_back_is_its_authors_draft_again_with_the_reason(house: House):
    case, reply = await _proposed_text(house)
    with pytest.raises(Refused, match="Only an approver"):
        await house.do(replying.send_back, reply.id, house.member("bruno"), "no")
    await house.do(replying.send_back, reply.id, house.member("dora"), "troppo freddo")
    assert (await house.get(Reply, reply.id)).state == "draft"
    assert [(e.kind, e.text) for e in await house.all(CaseEvent)][-1] == ("sent back", "troppo freddo")
    again = await house.do(replying.draft, case.id, house.member("ana"), "Ci scusiamo davvero.")
    assert again.id == reply.id


async def test_who_goes_on_writing_asks_anew(house: House):
    case, reply = await _proposed_text(house)
    changed = await house.do(replying.draft, case.id, house.member("ana"), "Altro testo.")
    assert (changed.id, changed.state) == (reply.id, "draft")
    with pytest.raises(Refused):
        await house.do(replying.approve, reply.id, changed.revision, house.member("dora"))


async def test_yeses_given_before_an_undo_do_not_count_after_it(house: House):
    _, reply = await _proposed_text(house)
    await house.do(replying.approve, reply.id, reply.revision, house.member("dora"))
    await house.do(replying.undo, reply.id, house.member("ana"))
    await house.do(replying.approve, reply.id, reply.revision, house.member("ana"))
    assert (await house.get(Reply, reply.id)).state == "proposed"


async def test_a_claim_does_not_run_out_while_its_holder_waits_for_a_yes(house: House):
    case, reply = await _proposed_text(house)
    house.later(minutes=45)
    await house.do(clock.tick)
    assert (await house.get(Case, case.id)).claimed_by == house.member("ana")
    await house.do(replying.send_back, reply.id, house.member("dora"))
    assert (await house.get(Case, case.id)).claim_until == house.now + timedelta(minutes=30)


@pytest.mark.parametrize("how", ["release", "snooze", "dismiss", "assign"])
async def test_a_case_that_goes_another_way_takes_its_proposal_back(house: House, how: str):
    case, reply = await _proposed_text(house)
    ana, until = house.member("ana"), house.now + timedelta(hours=1)
    more = {"release": (), "snooze": (until,), "dismiss": ("spam",), "assign": ("bruno",)}[how]
    await house.do(getattr(actions, how), case.id, ana, *more)
    with pytest.raises(Refused):
        await house.do(replying.approve, reply.id, reply.revision, house.member("dora"))
    assert (await house.get(Reply, reply.id)).state == "draft"


async def test_a_deleted_post_takes_the_proposal_and_its_versions_with_it(house: House):
    from models.post import Deletion
    from store.mentions import empty

    _, reply = await _proposed_text(house)
    async with house.store.writing() as session:
        await empty(session, Deletion(platform="square", native_id="p1"), house.now)
    kept = await house.get(Reply, reply.id)
    assert (kept.state, kept.text) == ("draft", "")
    async with house.store.reading() as session:
        assert await session.get(ReplyVersion, (reply.id, reply.revision)) is None


def test_a_queue_without_enough_approvers_is_refused_before_anybody_waits_for_them():
    from conftest import CONTENTS

    queue = msgspec.structs.replace(CONTENTS.queues[0], approvals=1)
    found = problems(msgspec.structs.replace(CONTENTS, queues=(queue,)))
    assert found == ["queue trains: 2 of its team must be approvers, so that 1 are left beside an author"]


async def test_a_saved_reply_files_the_case_with_the_yes_and_says_so_before(house: House):
    under = ("refund", "delay")
    macro = SavedReply(code="refund", brand="ferroviola", language="it", text="Ecco il modulo.", files_under=under)
    await house.apply(Contents(saved_replies=(macro,)))
    case = await house.case("Ferroviola in ritardo (-)", language="it")
    reply = await house.do(replying.draft, case.id, house.member("ana"), "Ecco il modulo.", "refund")
    async with house.store.reading() as session:
        turn = house.turn(session)
        shown = await preview(turn, await session.get_one(Reply, reply.id), house.member("ana"))
    assert shown.files_under == ("refund",)
    assert (await house.get(Case, case.id)).topics == ("delay",)
    await house.do(replying.approve, reply.id, reply.revision, house.member("ana"))
    assert (await house.get(Case, case.id)).topics == ("delay", "refund")


def test_a_saved_reply_files_under_topics_that_there_are():
    reply = SavedReply(code="x", brand="b", language="it", text="Ciao", files_under=("nothing",))
    brand = Brand(slug="b", name="B")
    assert "saved reply x: b has no topic nothing" in list(problems(Contents(brands=(brand,), saved_replies=(reply,))))
