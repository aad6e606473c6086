import pytest

from triage import cues


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("il phon ha preso fuoco in mano a mia figlia", "safety"),
        ("mi-a luat foc încărcătorul", "safety"),
        ("the charger caught fire last night", "safety"),
        ("fermo in A13, fumo dal motore, tutti in corsia di emergenza", "safety"),
        ("iese fum din motor, stăm pe banda de urgență", "safety"),
        ("smoke coming out of the engine, we are on the hard shoulder", "safety"),
        ("vi denuncio, sento il mio avvocato", "legal"),
        ("Ne vedem în instanță, am depus plângere la ANPC", "legal"),
        ("see you in small claims court, my lawyer is on it", "legal"),
        ("se non mi rispondete la faccio finita, mi ammazzo", "self-harm"),
        ("vin peste voi și vă dau foc", "threat"),
        ("sono una giornalista del Corriere, scrivo per un articolo", "press"),
        ("mi-ați publicat datele altcuiva în cont", "privacy"),
    ],
)
def test_what_is_grave_is_found_in_three_languages(text: str, kind: str):
    assert cues.grave(text, cues.found(text), "negative") == kind


@pytest.mark.parametrize(
    "text",
    [
        "festa di fuoco, che bomba!",
        "il mio avvocato preferito di cartone",
        "grazie, ottimo servizio",
        "am ars gazul o oră",
    ],
)
def test_praise_and_chatter_are_not_grave(text: str):
    assert cues.grave(text, cues.found(text), "positive") is None


def test_each_cue_says_in_which_words():
    assert cues.words("safety", "Il PHON ha preso fuoco!") == ["preso fuoco"]


@pytest.mark.parametrize(
    ("text", "sentiment", "intent"),
    [
        ("guadagna da casa, link in bio", "positive", "spam"),
        ("vorrei abbonarmi, come si fa?", "neutral", "lead"),
        ("volevo disdire, siete pessimi", "negative", "complaint"),
        ("a che ora chiudete?", "neutral", "question"),
        ("știe cineva programul", "neutral", "question"),
        ("bravissimi", "positive", "praise"),
        ("oggi piove", "neutral", "chatter"),
    ],
)
def test_what_somebody_wants(text: str, sentiment: str, intent: str):
    assert cues.intent(text, cues.found(text), sentiment) == intent
