"""One reply to a duplicate group: adapted to each author, every text seen before it is approved, no case answered twice."""

import pytest
from conftest import Harness
from sqlalchemy import select

from actions.perform import perform_chat_action
from cards.outcome import Outcome
from models.configuration import ConfigurationFile, Member
from models.errors import Refused
from models.tables.action import Action
from models.tables.case import Case
from models.tables.mention import Author
from models.tables.reply import Reply
from publishing import bulk_reply, replies
from publishing.bulk_reply import GroupMember
from triage import case_actions

POST = (
    "Ferroviola treno delle sette soppresso a Bologna senza nessun avviso, vergogna totale, rimborsate tutti subito (-)"
)
REPLY = "@rita ci scusiamo: qui c'è il modulo https://ferroviola.example/aiuto, a presto."


async def _group(harness: Harness, *authors: str) -> list[Case]:
    """The cases of a duplicate group, these authors added."""
    for author in authors:
        await harness.receive(harness.post(f"{POST} {author[0]}", author=author))
        await harness.analyze()
    cases = await harness.all(Case)
    assert len({case.duplicate_group_id for case in cases}) == 1
    return cases


async def _unanswered(harness: Harness, case_id: int) -> list[GroupMember]:
    async with harness.store.reading() as session:
        return await bulk_reply.unanswered(harness.context(session), case_id, harness.member("ana"))


async def test_the_reply_is_adapted_to_each_author(harness: Harness):
    first, *_ = await _group(harness, "rita", "ugo", "rita.bruni")
    await harness.do(replies.save_draft, first.id, harness.member("ana"), REPLY)
    members = await _unanswered(harness, first.id)
    assert [member.text.split(maxsplit=1)[0] for member in members] == ["@ugo", "@rita.bruni"]
    assert {member.text.split(maxsplit=1)[1] for member in members} == {REPLY.split(maxsplit=1)[1]}
    assert all(member.publishable for member in members)


@pytest.mark.parametrize(
    ("text", "adapted"),
    [
        ("@rita ciao", "@ugo ciao"),
        ("Ciao @Rita, grazie", "Ciao @ugo, grazie"),
        ("@rita_b ciao @ritardo", "@rita_b ciao @ritardo"),
        ("Gentile Rita Bruni, eccoci", "Gentile Ugo Neri, eccoci"),
        ("Rita Brunilde resta", "Rita Brunilde resta"),
        ("nessun nome", "nessun nome"),
    ],
)
def test_only_the_handle_and_the_name_are_replaced(text: str, adapted: str):
    own, other = Author(handle="rita", name="Rita Bruni"), Author(handle="ugo", name="Ugo Neri")
    assert bulk_reply.adapted(text, own, other) == adapted


async def test_without_a_reply_there_is_nothing_to_send_to_the_others(harness: Harness):
    first, *_ = await _group(harness, "rita", "ugo")
    assert await _unanswered(harness, first.id) == []


async def test_claimed_cases_and_cases_with_another_draft_are_left_out(harness: Harness):
    first, second, third, fourth = await _group(harness, "rita", "ugo", "ivo", "eva")
    await harness.do(replies.save_draft, first.id, harness.member("ana"), REPLY)
    await harness.do(case_actions.claim, second.id, harness.member("bruno"))
    await harness.do(replies.save_draft, third.id, harness.member("ana"), "Eva, per te è diverso")
    assert [member.case for member in await _unanswered(harness, first.id)] == [fourth.id]


async def _press(harness: Harness, verb: str, case: int, text: str = "", **fields) -> Outcome:
    """Ana presses a button on Telegram."""
    async with harness.store.writing() as session:
        action = Action(native_id="x", verb=verb, who="11", chat="-1", case=case, text=text, **fields)
        performed = await perform_chat_action(harness.context(session), "telegram", "telegram", action)
    assert performed is not None
    return performed.outcome


async def _approved(harness: Harness) -> dict[int, str]:
    """Case → its approved text."""
    async with harness.store.reading() as session:
        approved = await session.scalars(select(Reply).where(Reply.state == "approved"))
        return {reply.case_id: reply.text for reply in approved}


async def test_on_a_chat_every_text_is_shown_before_it_is_approved(harness: Harness):
    first, *_ = await _group(harness, "rita", "ugo", "ivo")
    draft = await harness.do(replies.save_draft, first.id, harness.member("ana"), REPLY)
    offered = await _press(harness, "approve", first.id, reply=draft.id, revision=draft.revision)
    assert [choice.verb for choice in offered.choices] == ["bulk_reply"]
    shown = await _press(harness, "bulk_reply", first.id)
    assert REPLY.replace("@rita", "@ugo") in shown.message
    assert "@ivo" in shown.message
    assert set(await _approved(harness)) == {first.id}
    approved = await _press(harness, "bulk_reply", first.id, shown.choices[0].text)
    assert not approved.refused
    assert {text.split()[0] for text in (await _approved(harness)).values()} == {"@rita", "@ugo", "@ivo"}
    repeated = await _press(harness, "bulk_reply", first.id, shown.choices[0].text)
    assert repeated.refused
    assert len(await harness.all(Reply)) == 3


async def test_a_case_that_joined_after_the_texts_were_shown_is_shown_before_any_approval(harness: Harness):
    first, *_ = await _group(harness, "rita", "ugo")
    await harness.do(replies.save_draft, first.id, harness.member("ana"), REPLY)
    shown = await _press(harness, "bulk_reply", first.id)
    await _group(harness, "ivo")
    shown_again = await _press(harness, "bulk_reply", first.id, shown.choices[0].text)
    assert "@ivo" in shown_again.message
    assert await _approved(harness) == {}


async def test_each_reply_is_proposed_where_the_queue_requires_approvals(harness: Harness):
    approvers = tuple(Member(slug=slug, name=slug, role="approver") for slug in ("dora", "elio"))
    await harness.apply(ConfigurationFile(members=approvers))
    await harness.change_queue("trains", team=("ana", "dora", "elio"), approvals=1)
    first, second = await _group(harness, "rita", "ugo")
    await harness.do(replies.save_draft, first.id, harness.member("ana"), REPLY)
    [member] = await _unanswered(harness, first.id)
    reply = await harness.do(bulk_reply.answer, second.id, harness.member("ana"), member.text)
    assert reply.state == "proposed"


async def test_two_members_who_answer_the_same_group_answer_no_case_twice(harness: Harness):
    first, second = await _group(harness, "rita", "ugo")
    await harness.do(replies.save_draft, first.id, harness.member("ana"), REPLY)
    [member] = await _unanswered(harness, first.id)
    await harness.do(bulk_reply.answer, second.id, harness.member("ana"), member.text)
    with pytest.raises(Refused):
        await harness.do(bulk_reply.answer, second.id, harness.member("bruno"), "@ugo un'altra cosa")
