import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import OperatorError
from models.sentiment import INTENTS, LABELS, load
from models.sentiment.labels import map_labels
from models.sentiment.language import Identifier

READER = load()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\n",
        "👍",
        "🔥🔥🔥",
        "https://x.example/y",
        "@user",
        "#",
        "\x00\x01",
        "漢字",
        "a" * 1_000_000,
        "\ud800",
    ],
)
def test_unusual_texts_do_not_crash_it(text: str):
    [reading] = READER.read([text])
    assert abs(reading.negative + reading.neutral + reading.positive - 1) < 1e-4
    assert reading.sentiment in LABELS


def test_a_blank_text_is_neutral_and_in_no_language():
    [reading] = READER.read(["  "])
    assert (reading.sentiment, reading.language, reading.neutral) == ("neutral", "und", 1.0)


@pytest.mark.parametrize(
    "raw",
    [
        bytes(range(256)),
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\xb0\xc4\xfe\x9d",
        "Am așteptat două ore degeaba".encode("utf-16"),
    ],
)
def test_binary_content_is_neutral_and_in_no_language(raw: bytes):
    text = raw.decode("utf-8", errors="replace")
    [reading] = READER.read([text])
    assert (reading.sentiment, reading.language, reading.neutral) == ("neutral", "und", 1.0)
    assert READER.explain(text, "und", "neutral") == []


@pytest.mark.parametrize(
    "raw",
    [
        "Servizio pessimo, non è più possibile".encode("latin-1"),
        "Servizio pessimo 😡".encode()[:-1],
        b"Servizio pessimo \xed\xa0\xbd\xed\xb8\xa1",  # an emoji as two surrogates, as some databases store it
    ],
)
def test_a_complaint_with_broken_letters_or_emoji_is_still_negative(raw: bytes):
    [reading] = READER.read([raw.decode("utf-8", errors="replace")])
    assert (reading.sentiment, reading.language) == ("negative", "it")


@given(st.lists(st.text(max_size=80), max_size=6))
def test_a_batch_returns_nearly_the_same_readings_as_its_texts_alone(texts: list[str]):
    together = READER.read(texts)
    alone = [READER.read([text])[0] for text in texts]
    assert [r.language for r in together] == [r.language for r in alone]
    for one, other in zip(together, alone, strict=True):  # the encoder rounds by the batch
        assert abs(one.negative - other.negative) < 0.2
        assert abs(one.positive - other.positive) < 0.2


def test_intents_are_classified():
    texts = ["Il pacco non arriva da due settimane", "A che ora aprite domani?", "Grazie mille, gentilissimi", " "]
    assert [r.intent for r in READER.read(texts)] == ["complaint", "question", "praise", ""]
    assert {"complaint", "question", "praise", "lead", "news", "chatter", "spam", "crisis"} == set(INTENTS)


def test_influential_words_are_words_of_the_text_strongest_first():
    text = "Servizio pessimo, tre ore di attesa e nessuna risposta"
    [reading] = READER.read([text], ["it"])
    influences = READER.explain(text, reading.language, reading.sentiment)
    assert "pessimo," in {influence.word for influence in influences}
    assert {influence.word for influence in influences} <= set(text.split())
    weights = [influence.weight for influence in influences]
    assert weights == sorted(weights, reverse=True)


@pytest.mark.parametrize("text", ["", " ", "👍", "\x00", "https://x.example", "a" * 100_000, "\ud800 x", "¨ ´ x"])
def test_unusual_texts_can_be_explained(text: str):
    assert all(influence.weight > 0 for influence in READER.explain(text, "und", "negative"))


def test_clear_texts_are_classified_in_three_languages():
    texts = [
        "Servizio pessimo, tre ore di attesa e nessuna risposta",
        "Grazie mille, gentilissimi e veloci",
        "Ce mizerie, am așteptat două ore degeaba",
        "Mulțumesc, totul a fost perfect",
        "Terrible service, still waiting for my refund",
        "Thank you so much, great staff",
    ]
    assert [r.sentiment for r in READER.read(texts)] == ["negative", "positive"] * 3


@pytest.mark.parametrize(
    ("text", "tag", "language"),
    [
        ("Il treno è in ritardo anche oggi", None, "it"),
        ("Trenul a întârziat și astăzi foarte mult", None, "ro"),
        ("trenul a intarziat si astazi foarte mult", None, "ro"),
        ("The train is late again today", None, "en"),
        ("Il treno è in ritardo", "RO-md", "ro"),
        ("Il treno è in ritardo anche oggi", "und", "it"),
        ("Il treno di Ferroviola è in ritardo anche oggi, che vergogna", "en", "it"),
        ("El tren de Ferroviola lleva dos horas de retraso y nadie avisa", None, "es"),
        ("El tren de Ferroviola lleva dos horas de retraso y nadie avisa", "it", "es"),
        ("Le train Ferroviola a encore deux heures de retard", None, "fr"),
        ("ferroviola merda", "it_IT", "it"),
        ("ok", "Italian", "it"),
        ("ok", None, "und"),
        ("👍👍👍", None, "und"),
        ("@vialunga https://x.example/una-frase-lunga", None, "und"),
        ("", None, "und"),
    ],
)
def test_words_decide_where_there_are_enough_and_the_tag_where_not(text: str, tag: str | None, language: str):
    assert Identifier(("it", "ro", "en")).language(text, tag) == language


def test_a_brands_languages_replace_the_configured_ones():
    identifier = Identifier(("it", "ro", "en"))
    text = "Buenos días, el tren llega siempre tarde"
    assert identifier.language(text, None, ("es", "pt")) == "es"
    assert identifier.language("Buenos días", None, ("ro",)) == "ro"
    assert identifier.language("Trenul a întârziat și astăzi foarte mult", None, ("it", "ro")) == "ro"


def test_a_single_configured_language_is_not_detected():
    assert Identifier(("it",)).language("The train") == "it"


@pytest.mark.parametrize(
    ("labels", "ours"),
    [
        ({0: "negative", 1: "neutral", 2: "positive"}, {0: 0, 1: 1, 2: 2}),
        ({0: "POS", 1: "NEG", 2: "NEU"}, {0: 2, 1: 0, 2: 1}),
        (
            {0: "Very Negative", 1: "Negative", 2: "Neutral", 3: "Positive", 4: "Very_Positive"},
            {0: 0, 1: 0, 2: 1, 3: 2, 4: 2},
        ),
    ],
)
def test_labels_are_mapped_by_name(labels: dict, ours: dict):
    assert map_labels(labels, "m") == ours


@pytest.mark.parametrize(
    "labels", [{0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, {0: "negative", 1: "positive"}, {0: "joy", 1: "anger"}, {}]
)
def test_labels_that_cannot_be_mapped_are_refused(labels: dict):
    with pytest.raises(OperatorError, match="cannot be mapped"):
        map_labels(labels, "some/model")
