import pytest
from conftest import CONTENTS

from models.capabilities import Capabilities
from triage.checks import Checker, Draft

CHECKER = Checker({"square": Capabilities(reply=True, longest=300)}, lambda text: "en" if "the " in text else "it")


def found(text: str, language: str = "it", complaint: bool = True) -> dict[str, bool]:
    """The kinds of what is found, and whether each stops the approval."""
    draft = Draft(
        text=text, language=language, brand=CONTENTS.brands[0], connection="square", author="rita", complaint=complaint
    )
    return {finding.kind: finding.stops for finding in CHECKER.check(draft)}


GOOD = "Gentile Rita, ci scusiamo per il ritardo. Tutto qui: https://www.ferroviola.example/aiuto"


def test_a_good_reply_passes():
    assert found(GOOD) == {}


@pytest.mark.parametrize("place", ["{{ numero }}", "{% if x %}", "[[nome]]", "____", "XXX", "<nome>"])
def test_a_place_still_to_be_filled_stops_it(place: str):
    assert found(f"{GOOD} {place}") == {"placeholder": True}


def test_too_long_for_the_platform_stops_it():
    assert found(GOOD + " bene" * 60)["length"] is True


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("We are sorry for the delay. https://ferroviola.example", "language"),
        ("Ci scusiamo. Veda https://ferroviola.example.evil.com/x", "link"),
        ("Ci scusiamo. Veda www.altro.example", "link"),
        ("Ci scusiamo. Veda https://evil.example/https://ferroviola.example", "link"),
        ("Ci scusiamo molto per il disagio.", "reference"),
        (f"{GOOD} Chiami Mario Rossi al 347 123 4567.", "personal"),
        (f"{GOOD} Scriva a mario.rossi@gmail.com", "personal"),
        (f"{GOOD} IT60X0542811101000000123456", "personal"),
        (f"{GOOD} RSSMRA80A01H501U", "personal"),
        (f"{GOOD} CNP 1800101221144", "personal"),
        (f"{GOOD} La rimborsiamo.", "promise"),
        (f"{GOOD} Risolto entro 24 ore.", "promise"),
        ("https://ferroviola.example Si calmi, ci scusiamo.", "manners"),
        ("CI SCUSIAMO TANTISSIMO PER QUESTO https://ferroviola.example", "manners"),
        ("Gentile Rita, tutto qui: https://ferroviola.example", "apology"),
        (f"{GOOD} grazie grazie", "typo"),
        (f"{GOOD}  doppio", "typo"),
        ("ci scusiamo. https://ferroviola.example", "typo"),
        ("Ci scusiamo ,davvero. https://ferroviola.example", "typo"),
        ("Ci scusiamo (davvero. https://ferroviola.example", "typo"),
    ],
)
def test_what_the_manager_should_see_is_shown_and_does_not_stop(text: str, kind: str):
    assert found(text).get(kind) is False


def test_the_brands_own_mail_is_nobodys_personal_data():
    assert "personal" not in found(f"{GOOD} Scriva a aiuto@ferroviola.example")


def test_romanian_is_written_with_its_own_letters():
    sorry = "Ne cerem scuze pentru întârziere, verificăm acum. https://ferroviola.example"
    assert found(sorry, "ro").get("typo") is None
    assert found(sorry.replace("ș", "ş") + " aşa", "ro")["typo"] is False
    plain = "Ne cerem scuze pentru intarziere, verificam acum si va raspundem repede. https://ferroviola.example"
    assert found(plain, "ro")["typo"] is False


def test_praise_needs_no_apology_and_no_link():
    assert found("Grazie mille Rita!", complaint=False) == {}


def test_an_empty_reply_is_only_empty():
    assert found(" \n ") == {"empty": True}
