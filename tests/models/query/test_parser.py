import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.query import QueryError, Subject, parse


def matches(query: str, text: str, **subject) -> bool:
    return parse(query).matches(Subject(text, **subject))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("ferroviola", "Che bello, FERROVIOLA!"),
        ("ferroviola", "#FerroViola in ritardo"),
        ("ferroviola", "@ferroviola buongiorno"),
        ("#ferroviola", "di nuovo #Ferroviola"),
        ("@ferroviola", "ciao @ferroviola.bsky.social"),
        ("@ferroviola.bsky.social", "ciao @ferroviola.bsky.social"),
        ('"ferro viola"', "il Ferro-Viola delle 8"),
        ("treno ritardo", "ritardo del treno"),
        ("treno AND ritardo", "ritardo del treno"),
        ("treno OR bus", "il bus"),
        ("treno bus OR ritardo", "ritardo"),
        ("treno (bus OR ritardo)", "treno in ritardo"),
        ("ferroviola -concorso", "ferroviola in ritardo"),
        ("ferroviola NOT (concorso OR premio)", "ferroviola in ritardo"),
        ('"ritardo treno"~2', "il treno è in ritardo"),
        ("ferrov*", "le ferrovie"),
        ("#ferrov*", "viva #ferroviola"),
        ("dell'azienda", "i soldi dell’azienda"),
        ("și", "si"),
        ("ștrand", "la ştrand"),
        ("perche", "ma perché?"),
        ("h&m", "da H&M oggi"),
        ("东京铁路", "我在东京铁路等了很久"),
        ("author:anna ferroviola OR author:@Anna", "ciao"),
        ("source:bluesky", "qualunque cosa"),
        ("ferroviola lang:it", "ferroviola"),
        ("ferroviola source:square", "ferroviola"),
        ("http://ferroviola.example", "vedi http://ferroviola.example"),
    ],
)
def test_a_query_matches(query: str, text: str):
    assert matches(query, text, author="@Anna", sources=("bluesky", "square"), language="it-IT")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("eni", "benissimo, tenimento, scene"),
        ("ferro", "ferroviola"),
        ("#ferroviola", "ferroviola senza cancelletto"),
        ("@ferroviola", "ferroviola senza chiocciola"),
        ('"ferro viola"', "viola ferro"),
        ('"ferro viola"', "ferro molto viola"),
        ("treno ritardo", "treno puntuale"),
        ("ferroviola -concorso", "il concorso di ferroviola"),
        ('"ritardo treno"~2', "ritardo, ma non so dire di quale treno"),
        ('"treno treno"~5', "un treno solo"),
        ("ferrov*", "il ferro"),
        ("ferroviola lang:ro", "ferroviola"),
        ("ferroviola author:luca", "ferroviola"),
    ],
)
def test_a_query_does_not_match(query: str, text: str):
    assert not matches(query, text, author="anna", language="it")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", "the query is empty at column 1"),
        ('ferroviola "in ritardo', "unclosed quote at column 12"),
        ("(ferroviola OR bus", "unclosed parenthesis at column 1"),
        ("ferroviola) bus", "closing parenthesis without an opening one at column 11"),
        ("ferroviola OR", "a term is missing at column 14"),
        ("OR ferroviola", "OR has nothing before it at column 1"),
        ("ferroviola AND OR bus", "OR has nothing before it at column 16"),
        ("()", "empty parentheses at column 2"),
        ("fe*", "a star needs at least 3 letters before it at column 1"),
        ("fer*rov", "a star can only end a word at column 4"),
        ('"a b"~', "a number is missing after ~ at column 7"),
        ('"treno"~3', "a distance needs at least two words between the quotes at column 1"),
        ('bus ""', "there is no word between these quotes at column 5"),
        ("bus 👍", "“👍” has no letter or digit at column 5"),
        ("bus langg:it", "unknown field langg:: did you mean lang: at column 5"),
        ("bus lang:", "a value is missing after lang: at column 5"),
    ],
)
def test_an_error_has_the_column(query: str, error: str):
    with pytest.raises(QueryError) as raised:
        parse(query)
    assert str(raised.value) == error


@pytest.mark.parametrize("query", ["-ferroviola", "lang:it", "NOT a OR bus", "bus OR lang:ro", "NOT source:x", "c++"])
def test_a_query_without_anchors_is_refused(query: str):
    with pytest.raises(QueryError, match="too broad"):
        parse(query)


def test_ten_thousand_parentheses_are_refused_and_do_not_crash():
    with pytest.raises(QueryError, match="more than 50 nested parentheses"):
        parse("(" * 3_000 + "a" + ")" * 3_000)
    with pytest.raises(QueryError, match="longer than"):
        parse("(" * 10_000)


@given(st.text(alphabet=st.sampled_from('ab"()-*~:#@ ORANDNOTlangsource'), max_size=40))
def test_any_line_is_either_a_query_or_a_query_error(line: str):
    try:
        query = parse(line)
    except QueryError as error:
        assert 1 <= error.column <= len(line) + 1
    else:
        query.matches(Subject("a b OR lang"))


def test_matched_words_are_those_of_the_original_post():
    text = "Il FERRÒ-viola #RitardoPerché fa schifo, ferro viola!"
    query = parse('"ferro viola" #ritardoperche -bello')
    assert query.matched_words(text, Subject(text)) == ["FERRÒ-viola", "#RitardoPerché", "ferro viola"]


def test_the_language_is_detected_only_for_queries_that_need_it():
    detected = []

    def detect(text: str, _tag: str | None) -> str:
        detected.append(text)
        return "it"

    assert not matches("bus", "Treno", detect=detect)
    assert detected == []
    assert matches("treno lang:it", "Treno", detect=detect)
    assert detected == ["Treno"]
