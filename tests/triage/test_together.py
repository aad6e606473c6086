"""A storm answered at once: each with their own name, nothing unseen, nothing twice."""

import pytest
from conftest import House
from sqlalchemy import select

from models.case import Case, Reply
from models.catalogue import Contents, Member
from models.desk import Action
from models.errors import Refused
from models.mention import Author
from triage import actions, replying, together
from triage.desking import Outcome, perform

SAID = (
    "Ferroviola treno delle sette soppresso a Bologna senza nessun avviso, vergogna totale, rimborsate tutti subito (-)"
)
REPLY = "@rita ci scusiamo: qui c'è il modulo https://ferroviola.example/aiuto, a presto."


async def _storm(house: House, *authors: str) -> list[Case]:
    for author in authors:
        await house.hear(house.post(f"{SAID} {author[0]}", author=author))
        await house.read()
    found = await house.all(Case)
    assert len({case.storm_id for case in found}) == 1
    return found


async def _others(house: House, case: int, who: str = "ana") -> list[together.Same]:
    async with house.store.reading() as session:
        return await together.others(house.turn(session), case, house.member(who))


async def test_each_is_told_the_same_with_their_own_name(house: House):
    first, *_ = await _storm(house, "rita", "ugo", "rita.bruni")
    await house.do(replying.draft, first.id, house.member("ana"), REPLY)
    same = await _others(house, first.id)
    assert [one.text.split(maxsplit=1)[0] for one in same] == ["@ugo", "@rita.bruni"]
    assert {one.text.split(maxsplit=1)[1] for one in same} == {REPLY.split(maxsplit=1)[1]}
    assert all(one.fits for one in same)


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
def test_handle_and_name_give_way_and_nothing_else(text: str, adapted: str):
    own, other = Author(handle="rita", name="Rita Bruni"), Author(handle="ugo", name="Ugo Neri")
    assert together.adapted(text, own, other) == adapted


async def test_before_there_is_a_reply_there_is_nothing_to_say_to_the_others(house: House):
    first, *_ = await _storm(house, "rita", "ugo")
    assert await _others(house, first.id) == []


async def test_nobody_is_taken_from_a_colleague_nor_from_words_already_begun(house: House):
    first, second, third, fourth = await _storm(house, "rita", "ugo", "ivo", "eva")
    await house.do(replying.draft, first.id, house.member("ana"), REPLY)
    await house.do(actions.claim, second.id, house.member("bruno"))
    await house.do(replying.draft, third.id, house.member("ana"), "Eva, per te è diverso")
    assert [one.case for one in await _others(house, first.id)] == [fourth.id]


async def _press(house: House, verb: str, case: int, text: str = "", **fields) -> Outcome:
    async with house.store.writing() as session:
        action = Action(native_id="x", verb=verb, who="11", chat="-1", case=case, text=text, **fields)
        return (await perform(house.turn(session), "telegram", action))[0]


async def _approved(house: House) -> dict[int, str]:
    async with house.store.reading() as session:
        rows = await session.scalars(select(Reply).where(Reply.state == "approved"))
        return {reply.case_id: reply.text for reply in rows}


async def test_on_a_chat_every_text_is_seen_before_it_is_approved(house: House):
    first, *_ = await _storm(house, "rita", "ugo", "ivo")
    draft = await house.do(replying.draft, first.id, house.member("ana"), REPLY)
    offered = await _press(house, "approve", first.id, reply=draft.id, revision=draft.revision)
    assert [choice.verb for choice in offered.choices] == ["answer_storm"]
    shown = await _press(house, "answer_storm", first.id)
    assert REPLY.replace("@rita", "@ugo") in shown.said
    assert "@ivo" in shown.said
    assert set(await _approved(house)) == {first.id}
    done = await _press(house, "answer_storm", first.id, shown.choices[0].text)
    assert not done.refused
    assert {text.split()[0] for text in (await _approved(house)).values()} == {"@rita", "@ugo", "@ivo"}
    again = await _press(house, "answer_storm", first.id, shown.choices[0].text)
    assert again.refused
    assert len(await house.all(Reply)) == 3


async def test_who_came_after_the_look_is_shown_and_not_answered_unseen(house: House):
    first, *_ = await _storm(house, "rita", "ugo")
    await house.do(replying.draft, first.id, house.member("ana"), REPLY)
    shown = await _press(house, "answer_storm", first.id)
    await _storm(house, "ivo")
    again = await _press(house, "answer_storm", first.id, shown.choices[0].text)
    assert "@ivo" in again.said
    assert await _approved(house) == {}


async def test_where_the_queue_wants_more_eyes_each_is_proposed(house: House):
    await house.apply(Contents(members=tuple(Member(slug=s, name=s, role="approver") for s in ("dora", "elio"))))
    await house.change_queue("trains", team=("ana", "dora", "elio"), approvals=1)
    first, second = await _storm(house, "rita", "ugo")
    await house.do(replying.draft, first.id, house.member("ana"), REPLY)
    [same] = await _others(house, first.id)
    reply = await house.do(together.answer, second.id, house.member("ana"), same.text)
    assert reply.state == "proposed"


async def test_two_who_answer_the_same_storm_say_nothing_twice(house: House):
    first, second = await _storm(house, "rita", "ugo")
    await house.do(replying.draft, first.id, house.member("ana"), REPLY)
    [same] = await _others(house, first.id)
    await house.do(together.answer, second.id, house.member("ana"), same.text)
    with pytest.raises(Refused):
        await house.do(together.answer, second.id, house.member("bruno"), "@ugo un'altra cosa")
