"""What the checks remark on, and what they leave alone: public names, open placeholders, and signs that are none."""

import pytest
from conftest import CONFIGURATION

from analysis.masking import contains_personal_data, masked
from models.capabilities import Capabilities
from publishing.checks import Checker, Draft, Finding

HANDLE = "rita@altrove.example"
GOOD = "Gentile Rita, ci scusiamo per il ritardo. Tutto qui: https://www.ferroviola.example/aiuto"


def check(text: str, author: str = "rita") -> list[Finding]:
    draft = Draft(
        text=text,
        language="it",
        brand=CONFIGURATION.brands[0],
        connection="square",
        author=author,
        complaint=True,
    )
    return Checker({"square": Capabilities(max_length=500)}).check(draft)


def personal(text: str, author: str = HANDLE) -> list[str]:
    """What is taken for personal data."""
    return [finding.values["value"] for finding in check(text, author) if finding.kind == "personal data"]


def placeholders(text: str) -> list[Finding]:
    return [finding for finding in check(text) if finding.kind == "placeholder"]


@pytest.mark.parametrize(
    "text",
    [
        "@rita@altrove.example ci scusiamo",
        "@Rita@Altrove.Example ci scusiamo",
        "Ci scusiamo, @rita@altrove.example.",
        "(@rita@altrove.example) ci scusiamo",
        "Ci scusiamo @rita@altrove.example, @rita@altrove.example!",
    ],
)
def test_the_handle_of_the_author_who_is_answered_is_no_personal_data(text: str):
    assert personal(text) == []


def test_beside_the_handle_an_e_mail_address_is_still_seen():
    text = "@rita@altrove.example ci scusiamo: scriva a ugo.neri@altrove.example"
    assert personal(text) == ["ugo.neri@altrove.example"]


def test_a_longer_address_that_contains_the_handle_is_no_handle():
    assert personal("Ci scusiamo: scriva a maria.rita@altrove.example") == ["maria.rita@altrove.example"]
    assert personal("Ci scusiamo: scriva a rita@altrove.example.com") == ["rita@altrove.example.com"]


def test_a_remote_handle_is_a_handle_where_texts_are_masked():
    assert masked("@rita@altrove.example ci scusiamo") == "[handle] ci scusiamo"
    assert not contains_personal_data("@rita@altrove.example ci scusiamo")
    assert contains_personal_data("scriva a rita@altrove.example")


def test_each_value_is_a_remark_of_its_own():
    text = f"{GOOD} 347 123 4567 e 02 5555 1234, IT60X0542811101000000123456, mario.rossi@posta.example"
    assert len(personal(text)) == 4


@pytest.mark.parametrize(
    "placeholder",
    [
        "[nome]",
        "{nome}",
        "[NOME COGNOME]",
        "%nome%",
        "$nome",
        "{{ nome }",
        "[inserire nome]",
        "ORA_QUI",
        "{ nome }}",
        "[Nome]",
        "[numero del treno]",
        "[nume și prenume]",
        "{nome cliente}",
        "{NUME}",
        "%NOME%",
        "${nome}",
        "$NOME",
        "NOME_CLIENTE",
        "DATA_E_ORA",
        "<NOME>",
        "<nome cognome>",
        "{{ nome }}",
        "XXX",
    ],
)
@pytest.mark.parametrize("text", ["Ciao {}, ci scusiamo.", "Ci scusiamo {}", "Ci scusiamo ({})."])
def test_a_placeholder_left_open_stops_the_reply(text: str, placeholder: str):
    found = placeholders(text.replace("{}", placeholder))
    assert [finding.blocks for finding in found] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "Thanks Rita, sorry again xxx",
        "Grazie xx",
        "Usi <b> per il grassetto, e <i>",
        "Un <br> di troppo",
        "I <3 Ferroviola",
        "Tra 5 < 6 e 7 > 3",
        "Il 10% paga meno, il 20% di più",
        "Il 10 % e il 20 %",
        "Costa $20, o 50$",
        "Costa US$ 20",
        "Come scrive lei, «il treno […] è fermo» [1]",
        "Ci dispiace :] davvero :-[",
        "Gentile @RITA_ROSSI, ci scusiamo",
        "Segua #RITARDO_TRENI",
        "Segua @ferro_viola",
        "Ecco: https://ferroviola.example/stato_treni?x=%20y%20z&a[]=1",
        "Ecco: https://ferroviola.example/ORA_QUI",
        "Il treno ES_9412 è in ritardo",
        "Le scriviamo ad aiuto@ferroviola.example",
    ],
)
def test_what_only_looks_like_a_placeholder_stops_nothing(text: str):
    assert placeholders(text) == []
