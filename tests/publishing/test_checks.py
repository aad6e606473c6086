import pytest
from conftest import CONFIGURATION

from models.capabilities import Capabilities
from publishing.checks import Checker, Draft

CHECKER = Checker({"square": Capabilities(max_length=300)}, lambda text: "en" if "the " in text else "it")


def _check(text: str, language: str = "it", complaint: bool = True) -> dict[str, bool]:
    """Kind of finding → whether it blocks the approval."""
    draft = Draft(
        text=text,
        language=language,
        brand=CONFIGURATION.brands[0],
        connection="square",
        author="rita",
        complaint=complaint,
    )
    return {finding.kind: finding.blocks for finding in CHECKER.check(draft)}


GOOD = "Gentile Rita, ci scusiamo per il ritardo. Tutto qui: https://www.ferroviola.example/aiuto"


def test_a_good_reply_passes():
    assert _check(GOOD) == {}


@pytest.mark.parametrize("placeholder", ["{{ numero }}", "{% if x %}", "[[nome]]", "____", "XXX", "<nome>"])
def test_an_unfilled_placeholder_blocks(placeholder: str):
    assert _check(f"{GOOD} {placeholder}") == {"placeholder": True}


def test_a_reply_too_long_for_the_platform_is_blocked():
    assert _check(GOOD + " bene" * 60)["length"] is True


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("We are sorry for the delay. https://ferroviola.example", "language"),
        ("Ci scusiamo. Veda https://ferroviola.example.evil.com/x", "link"),
        ("Ci scusiamo. Veda www.altro.example", "link"),
        ("Ci scusiamo. Veda https://evil.example/https://ferroviola.example", "link"),
        ("Ci scusiamo molto per il disagio.", "reference"),
        (f"{GOOD} Chiami Mario Rossi al 347 123 4567.", "personal data"),
        (f"{GOOD} Scriva a mario.rossi@gmail.com", "personal data"),
        (f"{GOOD} IT60X0542811101000000123456", "personal data"),
        (f"{GOOD} RSSMRA80A01H501U", "personal data"),
        (f"{GOOD} CNP 1800101221144", "personal data"),
        (f"{GOOD} La rimborsiamo.", "promise"),
        (f"{GOOD} Risolto entro 24 ore.", "promise"),
        ("https://ferroviola.example Si calmi, ci scusiamo.", "tone"),
        ("CI SCUSIAMO TANTISSIMO PER QUESTO https://ferroviola.example", "tone"),
        ("Gentile Rita, tutto qui: https://ferroviola.example", "apology"),
        (f"{GOOD} grazie grazie", "typo"),
        (f"{GOOD}  doppio", "typo"),
        ("ci scusiamo. https://ferroviola.example", "typo"),
        ("Ci scusiamo ,davvero. https://ferroviola.example", "typo"),
        ("Ci scusiamo (davvero. https://ferroviola.example", "typo"),
    ],
)
def test_a_warning_is_shown_and_does_not_block(text: str, kind: str):
    assert _check(text).get(kind) is False


def test_the_brands_own_email_address_is_not_personal_data():
    assert "personal data" not in _check(f"{GOOD} Scriva a aiuto@ferroviola.example")


def test_romanian_needs_its_diacritics_with_commas():
    apology = "Ne cerem scuze pentru întârziere, verificăm acum. https://ferroviola.example"
    assert _check(apology, "ro").get("typo") is None
    assert _check(apology.replace("ș", "ş") + " aşa", "ro")["typo"] is False
    plain = "Ne cerem scuze pentru intarziere, verificam acum si va raspundem repede. https://ferroviola.example"
    assert _check(plain, "ro")["typo"] is False


def test_praise_needs_no_apology_and_no_link():
    assert _check("Grazie mille Rita!", complaint=False) == {}


def test_an_empty_reply_has_no_other_finding():
    assert _check(" \n ") == {"empty": True}
