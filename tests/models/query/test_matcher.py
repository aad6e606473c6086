import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.query import Matcher, QueryError, Subject, parse

QUERIES = [
    "ferroviola",
    "ferro*",
    "#ferroviola",
    '"ferro viola"',
    "viola -ferro",
    "author:anna",
    "source:square bus",
    "bus OR @anna",
    '"viola bus"~3',
]


def test_all_matching_queries_are_returned():
    matcher = Matcher(list(enumerate(map(parse, QUERIES))))
    subject = Subject("@anna il #FerroViola e il bus viola", author="anna", sources=("square",))
    assert matcher.match(subject) == [0, 1, 2, 4, 5, 6, 7, 8]


@given(
    st.lists(
        st.sampled_from(["ferro", "viola", "ferroviola", "bus", "#", "@", "anna", " ", "-", "ș", ","]), max_size=12
    )
)
def test_the_prefilter_never_loses_a_match(parts: list[str]):
    subject = Subject("".join(parts), author="anna", sources=("square",))
    queries = [parse(query) for query in QUERIES]
    assert Matcher(enumerate(queries)).match(subject) == [
        n for n, query in enumerate(queries) if query.matches(subject)
    ]


@given(
    st.text(alphabet="abß日本ș_ #@'é\u0301", max_size=12),
    st.text(alphabet="abß日本ș_ #@'é\u0301", max_size=30),
)
def test_the_prefilter_agrees_with_the_query_on_any_script(term: str, text: str):
    try:
        query = parse(term)
    except QueryError:
        return
    subject = Subject(text)
    assert bool(Matcher([(0, query)]).match(subject)) == query.matches(subject)


def test_a_matcher_without_queries_matches_nothing():
    assert Matcher([]).match(Subject("ferroviola")) == []


@pytest.mark.parametrize("text", ["a" * 1_000_000, "ferro " * 100_000, "#" * 500_000, "ferro viola " * 50_000])
def test_the_cost_of_a_hostile_post_is_linear_in_its_length(text: str):
    matcher = Matcher(enumerate(map(parse, ['"ferro viola"~50', "ferro*", '"viola ferro viola"~3', "#ferro"])))
    matcher.match(Subject(text))
