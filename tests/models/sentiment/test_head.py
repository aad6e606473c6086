"""What a brand learns, on lessons that are made here."""

import numpy as np
import pytest

from models.sentiment.head import BrandHead, Lessons, fit, judge

CHANCE = np.random.default_rng(7)


def lessons(count: int, *, wrong: float = 0.0, weight: float = 1.0) -> Lessons:
    """Vectors whose first number says whether the reader is fooled: then it says positive, and negative is right."""
    vectors = CHANCE.normal(size=(count, 16)).astype(np.float32)
    fooled = np.arange(count) < count * wrong
    vectors[:, 0] = np.where(fooled, 6, -6)
    labels = np.where(fooled, 0, CHANCE.integers(0, 3, count))
    said = np.where(fooled, 2, labels)
    probabilities = np.full((count, 3), 0.1, np.float32)
    probabilities[np.arange(count), said] = 0.8
    return Lessons(probabilities, vectors, labels.astype(np.intp), np.full(count, weight, np.float32))


def test_nothing_learned_changes_nothing():
    nothing = BrandHead(np.zeros((16, 3), np.float32), np.zeros(3, np.float32))
    taught = lessons(10)
    assert np.allclose(nothing.probabilities(taught.probabilities, taught.vectors), taught.probabilities, atol=1e-4)


def test_a_mistake_that_repeats_is_unlearned_and_the_rest_stays():
    taught = lessons(120, wrong=0.4)
    verdict = judge(taught, lessons(100, weight=0.3))
    assert verdict.before == pytest.approx(0.6)
    assert verdict.after > 0.95
    assert verdict.better


def test_corrections_without_a_pattern_are_not_called_better():
    taught = lessons(80)
    noise = Lessons(taught.probabilities, taught.vectors, CHANCE.integers(0, 3, 80).astype(np.intp), taught.weights)
    assert not judge(noise, lessons(100, weight=0.3)).better


def test_what_was_learned_is_kept_and_loaded_alike():
    taught = lessons(60, wrong=0.5)
    head = fit(taught)
    again = BrandHead.load(head.dump())
    assert np.allclose(
        again.probabilities(taught.probabilities, taught.vectors),
        head.probabilities(taught.probabilities, taught.vectors),
        atol=1e-2,
    )
    assert len(head.dump()) < 5_000
