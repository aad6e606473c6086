"""Which replies are suggested for a case, in which order, and which never."""

import pytest
from conftest import Harness
from sqlalchemy import update

from models.configuration import ConfigurationFile, SavedReply
from models.tables.case import Case
from models.tables.mention import Author
from models.tables.reply import Reply
from publishing import replies
from publishing.suggestions import Suggestion, suggest


async def _suggestions(harness: Harness, case: Case) -> list[Suggestion]:
    async with harness.store.reading() as session:
        return await suggest(harness.context(session), case, await session.get_one(Author, case.author_id))


async def _past_replies(harness: Harness, case: Case) -> list[Suggestion]:
    return [suggestion for suggestion in await _suggestions(harness, case) if suggestion.source == "approved"]


async def test_the_saved_reply_for_the_topic_comes_first_with_its_reasons(harness: Harness):
    saved = (
        SavedReply(code="any", brand="ferroviola", language="it", text="Ci scusiamo."),
        SavedReply(code="other", brand="ferroviola", language="it", topics=("refund",), text="Rimborso."),
        SavedReply(code="ro", brand="ferroviola", language="ro", topics=("delay",), text="Scuze."),
    )
    await harness.apply(ConfigurationFile(saved_replies=saved))
    case = await harness.case("Ferroviola in ritardo (-)")
    suggestions = await _suggestions(harness, case)
    assert [suggestion.code for suggestion in suggestions] == ["delay", "any"]
    assert suggestions[0].reasons == (("topic", "delay"), ("intent", "complaint"), ("language", "it"))
    assert suggestions[0].text.startswith("@rita ci scusiamo")
    assert suggestions[0].text.endswith("https://ferroviola.example/aiuto")


async def test_a_language_without_saved_replies_gets_those_of_the_brands_first_language(harness: Harness):
    case = await harness.case("Ferroviola ritardo (-)", language="de")
    assert [suggestion.language for suggestion in await _suggestions(harness, case)] == ["it"]


async def test_template_syntax_in_an_authors_name_is_filled_in_and_never_run(harness: Harness):
    case = await harness.case("Ferroviola in ritardo (-)", author="{{ 7*7 }}{% for x in range(10**9) %}")
    [best, *_] = await _suggestions(harness, case)
    assert best.text.startswith("@{{ 7*7 }}{% for x in range(10**9) %}")


async def test_an_unknown_placeholder_stays_visible(harness: Harness):
    text = "{{ author }} la pratica {{ numero }} è in lavorazione.{% if link %} {{ link }}{% endif %}"
    saved = SavedReply(code="x", brand="ferroviola", language="it", topics=("delay",), text=text)
    await harness.apply(ConfigurationFile(saved_replies=(saved,)))
    case = await harness.case("Ferroviola in ritardo (-)")
    texts = {suggestion.code: suggestion.text for suggestion in await _suggestions(harness, case)}
    assert "{{ numero }}" in texts["x"]


async def _published(harness: Harness, post: str, reply: str, author: str, **fields) -> None:
    """A case with a published reply."""
    case = await harness.case(post, author, **fields)
    draft = await harness.do(replies.save_draft, case.id, harness.member("ana"), reply)
    async with harness.store.writing() as session:
        await session.execute(update(Reply).where(Reply.id == draft.id).values(state="published"))


async def test_a_reply_to_similar_words_comes_first_with_the_new_name(harness: Harness):
    for author in ("ugo", "ivo", "eva"):
        post = f"Ferroviola zaino smarrito sul treno di {author} (-)"
        await _published(harness, post, f"@{author} lo cerchiamo subito!", author)
    case = await harness.case("Ferroviola ho smarrito lo zaino stamattina (-)", author="rita")
    best, *_ = await _suggestions(harness, case)
    assert (best.text, best.source) == ("@rita lo cerchiamo subito!", "approved")
    assert dict(best.reasons)["used"] == "3"


async def test_a_reply_on_the_same_topic_fits_other_words_too(harness: Harness):
    await _published(harness, "Ferroviola soppresso anche oggi (-)", "@ugo il prossimo parte alle 9", "ugo")
    case = await harness.case("Ferroviola ritardi su ritardi (-)", author="rita")
    suggestions = await _suggestions(harness, case)
    assert [suggestion.source for suggestion in suggestions][:2] == ["approved", "saved"]
    assert suggestions[0].text == "@rita il prossimo parte alle 9"


@pytest.mark.parametrize(
    ("post", "reply", "reason"),
    [
        ("Ferroviola zaino smarrito (-)", "@ugo scriva a ugo@posta.example", "an address of one person"),
        ("Ferroviola zaino smarrito (-)", "@ugo pratica 4417 2230 9917", "a number of one person"),
        ("Ferroviola bagni sporchi (-)", "@ugo li puliamo", "other words"),
    ],
)
async def test_a_reply_with_personal_data_or_to_other_words_is_not_suggested(
    harness: Harness, post: str, reply: str, reason: str
):
    await _published(harness, post, reply, "ugo")
    case = await harness.case("Ferroviola ho smarrito lo zaino (-)", author="rita")
    assert await _past_replies(harness, case) == [], reason


async def test_an_unpublished_reply_or_one_in_another_language_is_not_suggested(harness: Harness):
    await _published(harness, "Ferroviola zaino smarrito (-)", "@ugo I will look", "ugo", language="en")
    case = await harness.case("Ferroviola zaino smarrito qui (-)", author="ivo")
    await harness.do(replies.save_draft, case.id, harness.member("ana"), "@ivo mai pubblicata")
    case = await harness.case("Ferroviola ho smarrito lo zaino (-)", author="rita")
    assert await _past_replies(harness, case) == []


async def test_a_reply_to_a_less_severe_case_is_not_suggested(harness: Harness):
    post = "Ferroviola pullman fermo in ritardo a Padova (-)"
    await _published(harness, post, "@ugo ci mandi il numero del biglietto!", "ugo")
    smoke = "Ferroviola pullman fermo a Padova, fumo dal motore (-)"
    severe = await harness.case(smoke, author="rita")
    assert severe.severity == "safety"
    assert not await _past_replies(harness, severe)
    await _published(harness, smoke, "@ivo i vigili del fuoco arrivano, usciamo tutti!", "ivo")
    [past] = await _past_replies(harness, severe)
    assert past.text == "@rita i vigili del fuoco arrivano, usciamo tutti!"


async def test_a_saved_reply_that_was_published_unchanged_is_suggested_once(harness: Harness):
    saved = "@ugo ci scusiamo per il ritardo. Qui trova lo stato dei treni: https://ferroviola.example/aiuto"
    await _published(harness, "Ferroviola treno in ritardo (-)", saved, "ugo")
    case = await harness.case("Ferroviola treno sempre in ritardo (-)", author="rita")
    texts = [suggestion.text for suggestion in await _suggestions(harness, case)]
    assert texts == [saved.replace("@ugo", "@rita")]


async def test_search_syntax_in_a_post_is_compared_as_words(harness: Harness):
    await _published(harness, "Ferroviola NEAR(zaino* OR treno) (-)", "@ugo ecco", "ugo")
    case = await harness.case('Ferroviola "zaino" AND NOT (treno* NEAR (-)', author="rita")
    assert (await _suggestions(harness, case))[0].text == "@rita ecco"
