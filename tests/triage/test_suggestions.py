from conftest import House

from models.catalogue import Contents, SavedReply
from models.mention import Author
from triage.suggestions import suggest


async def _suggestions(house: House, case, author: str = "rita"):
    async with house.store.reading() as session:
        turn = house.turn(session)
        return suggest(turn, case, await turn.session.get_one(Author, case.author_id))


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
