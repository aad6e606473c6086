import pytest

from analysis.severity_rules import matched_words, severity


@pytest.mark.parametrize(
    ("text", "reason"),
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
def test_severe_posts_are_recognized_in_three_languages(text: str, reason: str):
    assert severity(text) == reason


@pytest.mark.parametrize(
    "text",
    [
        "festa di fuoco, che bomba!",
        "grazie, ottimo servizio",
        "am ars gazul o oră",
    ],
)
def test_praise_and_chatter_have_no_severe_words(text: str):
    assert severity(text) is None


def test_a_rule_returns_the_words_it_matched():
    assert matched_words("safety", "Il PHON ha preso fuoco!") == ["preso fuoco"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Alpha: il treno ha preso fuoco, feriti a bordo! Clicca qui per il video", "safety"),
        ("Alpha mi ammazzo … link in bio", "self-harm"),
        ("Alpha train caught fire, people burning, click here for the video", "safety"),
        ("Alpha: chiamo il mio avvocato, vi denuncio. Grazie mille!", "legal"),
    ],
)
def test_neither_spam_nor_praise_hides_what_is_severe(text: str, reason: str):
    assert severity(text) == reason
