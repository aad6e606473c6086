"""An answer given in the platform's own app ends the case, so that it is not answered twice."""

from conftest import Harness

from cards.case_view import case_view
from models.incoming import IncomingPost
from models.tables.case import Case
from models.tables.reply import Reply
from publishing import approvals, replies
from publishing.external_replies import record_answer
from triage import case_actions


async def _record(harness: Harness, post: IncomingPost, connection: str = "square") -> int:
    return await harness.do(record_answer, post, connection, None)


def _our_post(harness: Harness, parent: str, **fields) -> IncomingPost:
    return harness.post("Ci scusiamo", "ferroviola", parent=parent, ours=True, **fields)


async def _approved(harness: Harness, case: Case) -> Reply:
    ana = harness.member("ana")
    await harness.do(case_actions.claim, case.id, ana)
    draft = await harness.do(replies.save_draft, case.id, ana, "Ci scusiamo molto")
    return await harness.do(approvals.approve, draft.id, draft.revision, ana)


async def test_the_case_is_answered_and_shows_the_answer(harness: Harness):
    await harness.case()
    assert await _record(harness, _our_post(harness, "p1")) == 1
    [case] = await harness.cases()
    assert (case.state, case.first_answered_at is not None) == ("answered", True)
    async with harness.store.reading() as session:
        view = await case_view(harness.context(session), case.id)
    assert [entry.text for entry in view.timeline] == ["Ferroviola in ritardo (-)", "Ci scusiamo"]


async def test_a_reply_published_by_ascolto_changes_nothing(harness: Harness):
    reply = await _approved(harness, await harness.case())
    async with harness.store.writing() as session:
        row = await session.get_one(Reply, reply.id)
        row.state, row.native_id = "published", "own1"
    assert await _record(harness, _our_post(harness, "p1", native_id="own1")) == 0


async def test_a_reply_that_is_being_sent_is_left_to_its_publisher(harness: Harness):
    reply = await _approved(harness, await harness.case())
    async with harness.store.writing() as session:
        (await session.get_one(Reply, reply.id)).state = "sending"
    assert await _record(harness, _our_post(harness, "p1")) == 0
    assert (await harness.cases())[0].state == "publishing"


async def test_an_approved_reply_is_withdrawn_when_a_colleague_was_faster(harness: Harness):
    reply = await _approved(harness, await harness.case())
    assert await _record(harness, _our_post(harness, "p1")) == 1
    assert (await harness.get(Reply, reply.id)).state == "withdrawn"
    assert (await harness.cases())[0].state == "answered"


async def test_a_post_on_another_brands_connection_answers_nothing(harness: Harness):
    await harness.case()
    other = harness.post("Da noi mai in ritardo", "panegrano", parent="p1", ours=True)
    assert await _record(harness, other, connection="panegrano-square") == 0
    assert (await harness.cases())[0].state == "waiting"


async def test_an_ended_case_stays_as_it_ended(harness: Harness):
    case = await harness.case()
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    await harness.do(case_actions.dismiss, case.id, harness.member("ana"), "spam")
    assert await _record(harness, _our_post(harness, "p1")) == 0
    assert (await harness.cases())[0].state == "dismissed"


async def test_an_answer_older_than_the_authors_last_post_answers_nothing(harness: Harness):
    case = await harness.case()
    early = _our_post(harness, "p1")
    harness.advance(minutes=5)
    await harness.receive(harness.post("e allora? (-)", thread="p1"))
    await harness.analyze()
    assert await _record(harness, early) == 0
    assert (await harness.get(Case, case.id)).state == "waiting"


async def test_a_post_by_another_brands_account_on_our_connection_answers_nothing(harness: Harness):
    await harness.case()
    other = harness.post("Da noi mai", "panegrano", parent="p1")
    assert await _record(harness, other, connection="square") == 0
