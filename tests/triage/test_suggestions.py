import pytest
from conftest import House
from sqlalchemy import update

from models.case import Reply
from models.catalogue import Contents, SavedReply
from models.mention import Author
from triage import replying
from triage.suggestions import suggest


async def _suggestions(house: House, case, author: str = "rita"):
    async with house.store.reading() as session:
        turn = house.turn(session)
        return await suggest(turn, case, await turn.session.get_one(Author, case.author_id))


async def test_the_one_for_the_topic_comes_first_with_its_reasons(house: House):
    await house.apply(
        Contents(
            saved_replies=(
                SavedReply(code="any", brand="ferroviola", language="it", text="Ci scusiamo."),
                SavedReply(code="other", brand="ferroviola", language="it", topics=("refund",), text="Rimborso."),
                SavedReply(code="ro", brand="ferroviola", language="ro", topics=("delay",), text="Scuze."),
            )
        )
    )
    case = await house.case("Ferroviola in ritardo (-)")
    found = await _suggestions(house, case)
    assert [s.code for s in found] == ["delay", "any"]
    assert found[0].reasons == (("topic", "delay"), ("intent", "complaint"), ("language", "it"))
    assert found[0].text.startswith("@rita ci scusiamo")
    assert found[0].text.endswith("https://ferroviola.example/aiuto")


async def test_a_language_without_replies_gets_those_of_the_first_and_says_so(house: House):
    case = await house.case("Ferroviola ritardo (-)", language="de")
    assert [s.language for s in await _suggestions(house, case)] == ["it"]


async def test_a_strangers_name_is_filled_in_and_never_run(house: House):
    case = await house.case("Ferroviola in ritardo (-)", author="{{ 7*7 }}{% for x in range(10**9) %}")
    [best, *_] = await _suggestions(house, case)
    assert best.text.startswith("@{{ 7*7 }}{% for x in range(10**9) %}")


async def test_what_cannot_be_filled_stays_visible(house: House):
    text = "{{ author }} la pratica {{ numero }} è in lavorazione.{% if link %} {{ link }}{% endif %}"
    await house.apply(
        Contents(saved_replies=(SavedReply(code="x", brand="ferroviola", language="it", topics=("delay",), text=text),))
    )
    case = await house.case("Ferroviola in ritardo (-)")
    found = {s.code: s.text for s in await _suggestions(house, case)}
    assert "{{ numero }}" in found["x"]


async def _answered(house: House, text: str, reply: str, author: str, **fields) -> None:
    """A case with its reply in public."""
    case = await house.case(text, author, **fields)
    draft = await house.do(replying.draft, case.id, house.member("ana"), reply)
    async with house.store.writing() as session:
        await session.execute(update(Reply).where(Reply.id == draft.id).values(state="published"))


async def test_what_was_said_in_like_words_comes_first_with_the_new_name(house: House):
    for author in ("ugo", "ivo", "eva"):
        await _answered(
            house, f"Ferroviola zaino smarrito sul treno di {author} (-)", f"@{author} lo cerchiamo subito!", author
        )
    case = await house.case("Ferroviola ho smarrito lo zaino stamattina (-)", author="rita")
    best, *_ = await _suggestions(house, case)
    assert (best.text, best.source) == ("@rita lo cerchiamo subito!", "approved")
    assert dict(best.reasons)["used"] == "3"


async def test_what_was_said_about_the_same_topic_fits_in_other_words_too(house: House):
    await _answered(house, "Ferroviola soppresso anche oggi (-)", "@ugo il prossimo parte alle 9", "ugo")
    case = await house.case("Ferroviola ritardi su ritardi (-)", author="rita")
    found = await _suggestions(house, case)
    assert [one.source for one in found][:2] == ["approved", "saved"]
    assert found[0].text == "@rita il prossimo parte alle 9"


@pytest.mark.parametrize(
    ("text", "reply", "why"),
    [
        ("Ferroviola zaino smarrito (-)", "@ugo scriva a ugo@posta.example", "an address of one person"),
        ("Ferroviola zaino smarrito (-)", "@ugo pratica 4417 2230 9917", "a number of one person"),
        ("Ferroviola bagni sporchi (-)", "@ugo li puliamo", "other words"),
    ],
)
async def test_what_belongs_to_somebody_else_or_does_not_fit_is_not_suggested(
    house: House, text: str, reply: str, why: str
):
    await _answered(house, text, reply, "ugo")
    case = await house.case("Ferroviola ho smarrito lo zaino (-)", author="rita")
    assert [one for one in await _suggestions(house, case) if one.source == "approved"] == [], why


async def test_what_another_brand_said_in_another_language_or_never_published_is_not_suggested(house: House):
    await _answered(house, "Ferroviola zaino smarrito (-)", "@ugo I will look", "ugo", language="en")
    case = await house.case("Ferroviola zaino smarrito qui (-)", author="ivo")
    await house.do(replying.draft, case.id, house.member("ana"), "@ivo mai pubblicata")
    case = await house.case("Ferroviola ho smarrito lo zaino (-)", author="rita")
    assert [one for one in await _suggestions(house, case) if one.source == "approved"] == []


async def test_what_was_said_of_a_lesser_matter_is_not_suggested_for_a_grave_one(house: House):
    await _answered(
        house, "Ferroviola pullman fermo in ritardo a Padova (-)", "@ugo ci mandi il numero del biglietto!", "ugo"
    )
    words = "Ferroviola pullman fermo a Padova, fumo dal motore (-)"
    grave = await house.case(words, author="rita")
    assert grave.grave == "safety"
    assert not [s for s in await _suggestions(house, grave) if s.source == "approved"]
    await _answered(house, words, "@ivo i vigili del fuoco arrivano, usciamo tutti!", "ivo")
    [like] = [s for s in await _suggestions(house, grave) if s.source == "approved"]
    assert like.text == "@rita i vigili del fuoco arrivano, usciamo tutti!"


async def test_a_saved_reply_that_was_said_as_it_is_stands_once(house: House):
    saved = "@ugo ci scusiamo per il ritardo. Qui trova lo stato dei treni: https://ferroviola.example/aiuto"
    await _answered(house, "Ferroviola treno in ritardo (-)", saved, "ugo")
    case = await house.case("Ferroviola treno sempre in ritardo (-)", author="rita")
    texts = [one.text for one in await _suggestions(house, case)]
    assert texts == [saved.replace("@ugo", "@rita")]


async def test_words_that_would_be_a_query_are_only_words(house: House):
    await _answered(house, "Ferroviola NEAR(zaino* OR treno) (-)", "@ugo ecco", "ugo")
    case = await house.case('Ferroviola "zaino" AND NOT (treno* NEAR (-)', author="rita")
    assert (await _suggestions(house, case))[0].text == "@rita ecco"
