from hypothesis import given
from hypothesis import strategies as st

from triage.storms import MIN_WORDS, alike, bands, words

A = words(
    "autocarul vialunga bologna timisoara a ramas pe autostrada fum din motor suntem toti pe marginea drumului cu copiii"
)
B = words(
    "autocarul vialunga de 14:30 bologna timisoara a ramas pe autostrada, a iesit fum din motor, suntem pe marginea drumului"
)
C = words("am uitat o geanta neagra pe cursa de ieri seara verona arad locul 14 cui ma pot adresa")


def test_nearly_the_same_words_share_a_band():
    assert alike(A, B)
    assert set(bands(A)) & set(bands(B))
    assert not alike(A, C)


def test_a_few_words_are_no_storm():
    assert bands(words("che schifo vialunga")) == []


@given(st.sets(st.text("abcdefgh", min_size=2, max_size=6), min_size=MIN_WORDS, max_size=30))
def test_the_same_words_have_the_same_fingerprint(said: set[str]):
    assert bands(said) == bands(frozenset(sorted(said)))
    assert alike(said, said)


def test_links_and_handles_do_not_make_posts_alike():
    assert words("@vialunga https://x.example/abc ciao mondo") == {"ciao", "mondo"}
