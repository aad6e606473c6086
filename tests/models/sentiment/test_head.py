"""A brand's head, on generated examples."""

import numpy as np
import pytest

from models.sentiment.head import BrandHead, Examples, fit, judge

RNG = np.random.default_rng(7)


def examples(count: int, *, wrong: float = 0.0, weight: float = 1.0) -> Examples:
    """The first number of a vector shows whether the classifier is wrong: then it predicts positive instead of negative."""
    vectors = RNG.normal(size=(count, 16)).astype(np.float32)
    is_wrong = np.arange(count) < count * wrong
    vectors[:, 0] = np.where(is_wrong, 6, -6)
    labels = np.where(is_wrong, 0, RNG.integers(0, 3, count))
    predicted = np.where(is_wrong, 2, labels)
    probabilities = np.full((count, 3), 0.1, np.float32)
    probabilities[np.arange(count), predicted] = 0.8
    return Examples(probabilities, vectors, labels.astype(np.intp), np.full(count, weight, np.float32))


def test_a_head_of_zeros_changes_nothing():
    head = BrandHead(np.zeros((16, 3), np.float32), np.zeros(3, np.float32))
    given = examples(10)
    assert np.allclose(head.probabilities(given.probabilities, given.vectors), given.probabilities, atol=1e-4)


def test_a_repeated_mistake_is_corrected_and_the_rest_is_unchanged():
    given = examples(120, wrong=0.4)
    verdict = judge(given, examples(100, weight=0.3))
    assert verdict.before == pytest.approx(0.6)
    assert verdict.after > 0.95
    assert verdict.better


def test_corrections_without_a_pattern_are_not_judged_better():
    given = examples(80)
    noise = Examples(given.probabilities, given.vectors, RNG.integers(0, 3, 80).astype(np.intp), given.weights)
    assert not judge(noise, examples(100, weight=0.3)).better


def test_a_dumped_head_loads_with_the_same_predictions():
    given = examples(60, wrong=0.5)
    head = fit(given)
    loaded = BrandHead.load(head.dump())
    assert np.allclose(
        loaded.probabilities(given.probabilities, given.vectors),
        head.probabilities(given.probabilities, given.vectors),
        atol=1e-2,
    )
    assert len(head.dump()) < 5_000
