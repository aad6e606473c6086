"""A brand's head: a small correction on top of the classifier, fitted to what the brand's members corrected.

    logits = log p + vector · W + b

W and b start at zero, which changes nothing, with an L2 penalty; written posts are rehearsed beside the corrections.
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
MIN_EXAMPLES: Final = 20
"""Corrections needed for a training: fewer prove nothing."""

Labels = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Examples:
    """`probabilities` and `vectors` of the classifier; `labels` are indexes into LABELS; `weights` how much each counts."""

    probabilities: Floats
    vectors: Floats
    labels: Labels
    weights: Floats

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: npt.NDArray[np.intp]) -> "Examples":
        return Examples(self.probabilities[rows], self.vectors[rows], self.labels[rows], self.weights[rows])

    def beside(self, other: "Examples") -> "Examples":
        return Examples(
            np.concatenate([self.probabilities, other.probabilities]),
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.weights, other.weights]),
        )


class BrandHead:
    """`weights` has the shape (vector size, labels), `bias` (labels)."""

    def __init__(self, weights: Floats, bias: Floats) -> None:
        self.weights = weights
        self.bias = bias

    def probabilities(self, probabilities: Floats, vectors: Floats) -> Floats:
        return softmax(np.log(probabilities + 1e-6) + _unit(vectors) @ self.weights + self.bias)

    def dump(self) -> bytes:
        buffer = BytesIO()
        np.savez_compressed(buffer, weights=self.weights.astype(np.float16), bias=self.bias)
        return buffer.getvalue()

    @classmethod
    def load(cls, dumped: bytes) -> "BrandHead":
        with np.load(BytesIO(dumped), allow_pickle=False) as arrays:
            return cls(arrays["weights"].astype(np.float32), arrays["bias"])


def fit(examples: Examples) -> BrandHead:
    """Minimizes cross-entropy plus the penalty by accelerated gradient descent: a second for a thousand examples."""
    vectors = _unit(examples.vectors)
    before = np.log(examples.probabilities + 1e-6)
    targets = np.eye(len(LABELS), dtype=np.float32)[examples.labels]
    row_weights = examples.weights[:, None]
    weights, bias = np.zeros((vectors.shape[1], len(LABELS)), np.float32), np.zeros(len(LABELS), np.float32)
    ahead, ahead_bias = weights, bias
    rate = 1.0 / (0.5 * float(row_weights.sum()) + PENALTY)
    for step in range(STEPS):
        residual = (softmax(before + vectors @ ahead + ahead_bias) - targets) * row_weights
        next_weights = ahead - rate * (vectors.T @ residual + PENALTY * ahead)
        next_bias = ahead_bias - rate * (residual.sum(axis=0) + PENALTY * ahead_bias)
        momentum = step / (step + 3)
        ahead = next_weights + momentum * (next_weights - weights)
        ahead_bias = next_bias + momentum * (next_bias - bias)
        weights, bias = next_weights, next_bias
    return BrandHead(weights, bias)


@dataclass(frozen=True)
class Verdict:
    """Accuracy on held-out examples, without and with the head; `low` and `high` bound the gain (90 %)."""

    examples: int
    before: float
    after: float
    low: float
    high: float

    @property
    def better(self) -> bool:
        return self.after > self.before and self.low >= 0


def judge(examples: Examples, rehearsed: Examples, seed: int = 0) -> Verdict:
    """Cross-validation with FOLDS folds; the interval of the gain is bootstrapped."""
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(examples)) % FOLDS
    before = examples.probabilities.argmax(axis=1) == examples.labels
    after = np.zeros(len(examples), bool)
    for n in range(FOLDS):
        head = fit(examples.take(np.flatnonzero(fold != n)).beside(rehearsed))
        held_out = examples.take(np.flatnonzero(fold == n))
        predicted = head.probabilities(held_out.probabilities, held_out.vectors).argmax(axis=1)
        after[fold == n] = predicted == held_out.labels
    gain = after.astype(float) - before
    gains = gain[rng.integers(0, len(gain), (RESAMPLES, len(gain)))].mean(axis=1)
    low, high = np.quantile(gains, [0.05, 0.95])
    return Verdict(len(examples), float(before.mean()), float(after.mean()), float(low), float(high))


def _unit(vectors: Floats) -> Floats:
    unit: Floats = (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)).astype(np.float32)
    return unit
