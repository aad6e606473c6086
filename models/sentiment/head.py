"""What a brand has learned: a small correction of the reader, fitted to what its managers corrected.

    logits = log p + vector · W + b

W and b begin at nothing, which changes nothing, and are held back by an L2 penalty; old examples are rehearsed beside the new.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
import numpy.typing as npt

from models.sentiment.classifier import LABELS, Floats, softmax

PENALTY: Final = 2.0
STEPS: Final = 300
FOLDS: Final = 5
RESAMPLES: Final = 2_000
FEWEST: Final = 20
"""Corrections below which nothing is learned: a handful proves nothing."""

Labels = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Lessons:
    """`probabilities` and `vectors` as the reader gives them; `labels` places in LABELS; `weights` how much each counts."""

    probabilities: Floats
    vectors: Floats
    labels: Labels
    weights: Floats

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: npt.NDArray[np.intp]) -> "Lessons":
        return Lessons(self.probabilities[rows], self.vectors[rows], self.labels[rows], self.weights[rows])

    def beside(self, other: "Lessons") -> "Lessons":
        return Lessons(
            np.concatenate([self.probabilities, other.probabilities]),
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.weights, other.weights]),
        )


class BrandHead:
    """`weights` is (vector, labels), `bias` (labels)."""

    def __init__(self, weights: Floats, bias: Floats) -> None:
        self.weights = weights
        self.bias = bias

    def probabilities(self, probabilities: Floats, vectors: Floats) -> Floats:
        return softmax(np.log(probabilities + 1e-6) + _unit(vectors) @ self.weights + self.bias)

    def dump(self) -> bytes:
        kept = BytesIO()
        np.savez_compressed(kept, weights=self.weights.astype(np.float16), bias=self.bias)
        return kept.getvalue()

    @classmethod
    def load(cls, kept: bytes) -> "BrandHead":
        with np.load(BytesIO(kept), allow_pickle=False) as parts:
            return cls(parts["weights"].astype(np.float32), parts["bias"])


def fit(lessons: Lessons) -> BrandHead:
    """Least cross-entropy with the penalty, by accelerated gradient descent: a second for a thousand lessons."""
    vectors = _unit(lessons.vectors)
    before = np.log(lessons.probabilities + 1e-6)
    wanted = np.eye(len(LABELS), dtype=np.float32)[lessons.labels]
    share = lessons.weights[:, None]
    weights, bias = np.zeros((vectors.shape[1], len(LABELS)), np.float32), np.zeros(len(LABELS), np.float32)
    ahead, ahead_bias = weights, bias
    rate = 1.0 / (0.5 * float(share.sum()) + PENALTY)
    for step in range(STEPS):
        missed = (softmax(before + vectors @ ahead + ahead_bias) - wanted) * share
        next_weights = ahead - rate * (vectors.T @ missed + PENALTY * ahead)
        next_bias = ahead_bias - rate * (missed.sum(axis=0) + PENALTY * ahead_bias)
        pace = step / (step + 3)
        ahead = next_weights + pace * (next_weights - weights)
        ahead_bias = next_bias + pace * (next_bias - bias)
        weights, bias = next_weights, next_bias
    return BrandHead(weights, bias)


@dataclass(frozen=True)
class Verdict:
    """Shares of held-out lessons read rightly, without and with what was learned; `low` and `high` bound the gain (90 %)."""

    lessons: int
    before: float
    after: float
    low: float
    high: float

    @property
    def better(self) -> bool:
        return self.after > self.before and self.low >= 0


def judge(lessons: Lessons, rehearsed: Lessons, seed: int = 0) -> Verdict:
    """Each lesson is judged by a head that never saw it (FOLDS folds); the gain is resampled."""
    chance = np.random.default_rng(seed)
    fold = chance.permutation(len(lessons)) % FOLDS
    before = lessons.probabilities.argmax(axis=1) == lessons.labels
    after = np.zeros(len(lessons), bool)
    for n in range(FOLDS):
        head = fit(lessons.take(np.flatnonzero(fold != n)).beside(rehearsed))
        aside = lessons.take(np.flatnonzero(fold == n))
        after[fold == n] = head.probabilities(aside.probabilities, aside.vectors).argmax(axis=1) == aside.labels
    gain = after.astype(float) - before
    gains = gain[chance.integers(0, len(gain), (RESAMPLES, len(gain)))].mean(axis=1)
    low, high = np.quantile(gains, [0.05, 0.95])
    return Verdict(len(lessons), float(before.mean()), float(after.mean()), float(low), float(high))


def _unit(vectors: Floats) -> Floats:
    found: Floats = (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)).astype(np.float32)
    return found
