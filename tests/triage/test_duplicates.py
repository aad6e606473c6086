"""Duplicate groups: which posts count as similar."""

from conftest import Harness
from hypothesis import given
from hypothesis import strategies as st

from triage.duplicates import MIN_WORDS, fingerprint, similar, words

COACH = words(
    "autocarul vialunga bologna timisoara a ramas pe autostrada fum din motor suntem toti pe marginea drumului cu copiii"
)
SAME_COACH = words(
    "autocarul vialunga de 14:30 bologna timisoara a ramas pe autostrada, a iesit fum din motor, suntem pe marginea drumului"
)
LOST_BAG = words("am uitat o geanta neagra pe cursa de ieri seara verona arad locul 14 cui ma pot adresa")


def test_texts_with_nearly_the_same_words_share_a_band():
    assert similar(COACH, SAME_COACH)
    assert set(fingerprint(COACH)) & set(fingerprint(SAME_COACH))
    assert not similar(COACH, LOST_BAG)


def test_a_short_text_has_no_fingerprint():
    assert fingerprint(words("che schifo vialunga")) == []


@given(st.sets(st.text("abcdefgh", min_size=2, max_size=6), min_size=MIN_WORDS, max_size=30))
def test_the_same_words_have_the_same_fingerprint(text_words: set[str]):
    assert fingerprint(text_words) == fingerprint(frozenset(sorted(text_words)))
    assert similar(text_words, text_words)


def test_links_and_handles_are_not_compared():
    assert words("@vialunga https://x.example/abc ciao mondo") == {"ciao", "mondo"}


async def test_near_duplicates_by_several_authors_are_one_group(harness: Harness):
    for n in range(5):
        await harness.receive(
            harness.post(f"Ferroviola ferma da due ore a Bologna, nessuno dice niente {n} (-)", author=f"a{n}")
        )
    await harness.receive(harness.post("Ferroviola: ho perso gli occhiali sul treno per Bari (-)", author="z"))
    await harness.analyze()
    grouped = [case for case in await harness.cases() if case.duplicate_group_id]
    assert len(grouped) == 5
    assert len({case.duplicate_group_id for case in grouped}) == 1
    assert any(part.name == "duplicates" for part in grouped[-1].score_parts)
