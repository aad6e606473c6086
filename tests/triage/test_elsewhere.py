"""An answer that one of ours gave in the platform's own app ends the case, and nobody answers twice."""

from conftest import House

from models.case import Case, Reply
from models.post import Post
from triage import actions, replying
from triage.card import card
from triage.elsewhere import answered_there


async def found(house: House, post: Post, connection: str = "square") -> int:
    return await house.do(answered_there, post, connection, None)


def ours(house: House, parent: str, text: str = "Ci scusiamo", **fields) -> Post:
    return house.post(text, "ferroviola", parent=parent, ours=True, **fields)


async def test_the_case_is_answered_and_shows_what_was_said(house: House):
    case = await house.case()
    assert await found(house, ours(house, "p1")) == 1
    [case] = await house.cases()
    assert (case.state, case.first_answered_at is not None) == ("answered", True)
    async with house.store.reading() as session:
        shown = await card(house.turn(session), case.id)
    assert [said.text for said in shown.timeline] == ["Ferroviola in ritardo (-)", "Ci scusiamo"]


async def test_what_we_published_ourselves_is_no_news(house: House):
    case = await house.case()
    await house.do(actions.claim, case.id, house.member("ana"))
    draft = await house.do(replying.draft, case.id, house.member("ana"), "Ci scusiamo")
    await house.do(replying.approve, draft.id, draft.revision, house.member("ana"))
    async with house.store.writing() as session:
        row = await session.get_one(Reply, draft.id)
        row.state, row.native_id = "published", "own1"
    assert await found(house, ours(house, "p1", native_id="own1")) == 0


async def test_a_reply_on_its_way_is_settled_by_who_sends_it(house: House):
    case = await house.case()
    await house.do(actions.claim, case.id, house.member("ana"))
    draft = await house.do(replying.draft, case.id, house.member("ana"), "Ci scusiamo")
    await house.do(replying.approve, draft.id, draft.revision, house.member("ana"))
    async with house.store.writing() as session:
        (await session.get_one(Reply, draft.id)).state = "sending"
    assert await found(house, ours(house, "p1")) == 0
    assert (await house.cases())[0].state == "answering"


async def test_an_approved_reply_is_withdrawn_when_a_colleague_was_faster(house: House):
    case = await house.case()
    await house.do(actions.claim, case.id, house.member("ana"))
    draft = await house.do(replying.draft, case.id, house.member("ana"), "Ci scusiamo molto")
    await house.do(replying.approve, draft.id, draft.revision, house.member("ana"))
    assert await found(house, ours(house, "p1")) == 1
    assert (await house.get(Reply, draft.id)).state == "withdrawn"
    assert (await house.cases())[0].state == "answered"


async def test_another_brands_voice_answers_nothing_of_ours(house: House):
    await house.case()
    stranger = house.post("Da noi mai in ritardo", "panegrano", parent="p1", ours=True)
    assert await found(house, stranger, connection="panegrano-square") == 0
    assert (await house.cases())[0].state == "waiting"


async def test_what_ended_already_stays_as_it_ended(house: House):
    case = await house.case()
    await house.do(actions.claim, case.id, house.member("ana"))
    await house.do(actions.dismiss, case.id, house.member("ana"), "spam")
    assert await found(house, ours(house, "p1")) == 0
    assert (await house.cases())[0].state == "dismissed"


async def test_an_answer_from_before_the_authors_last_word_answers_nothing(house: House):
    case = await house.case()
    early = ours(house, "p1")
    house.later(minutes=5)
    await house.hear(house.post("e allora? (-)", thread="p1"))
    await house.read()
    assert await found(house, early) == 0
    assert (await house.get(Case, case.id)).state == "waiting"


async def test_another_brands_handle_on_our_connection_answers_nothing_of_ours(house: House):
    await house.case()
    stranger = house.post("Da noi mai", "panegrano", parent="p1")
    assert await found(house, stranger, connection="square") == 0
