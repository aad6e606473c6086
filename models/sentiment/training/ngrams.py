"""Fitting the n-gram classifier: softmax regression by Adam over sparse rows, then one temperature a language."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.sentiment.ngrams import BITS, NgramClassifier, features
from models.sentiment.reader import LABELS

TABLE: Final = 2 << BITS
BATCH: Final = 512
EPOCHS: Final = 12
RATE: Final = 0.02
DECAY: Final = 2e-6
"""L2, per step and bucket touched."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """`weight` is how much it counts beside the others."""

    text: str
    label: int
    language: str
    weight: float = 1.0


@dataclass(frozen=True)
class Rows:
    """Examples as features, one after the other: row n is buckets[starts[n]:starts[n + 1]]."""

    buckets: npt.NDArray[np.uint32]
    values: Floats
    starts: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    weights: Floats

    @classmethod
    def of(cls, examples: Sequence[Example]) -> "Rows":
        found = [features(example.text, example.language) for example in examples]
        found = [pair if len(pair[0]) else (np.zeros(1, np.uint32), np.zeros(1, np.float32)) for pair in found]
        lengths = [len(buckets) for buckets, _ in found]
        return cls(
            np.concatenate([buckets for buckets, _ in found]),
            np.concatenate([values for _, values in found]),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.array([example.label for example in examples]),
            np.array([example.weight for example in examples], dtype=np.float32),
        )

    def take(self, rows: npt.NDArray[np.int64]) -> "Rows":
        places = np.concatenate([np.arange(self.starts[n], self.starts[n + 1]) for n in rows])
        lengths = (self.starts[1:] - self.starts[:-1])[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Rows(self.buckets[places], self.values[places], starts, self.labels[rows], self.weights[rows])

    def logits(self, table: Floats, bias: Floats) -> Floats:
        return np.add.reduceat(table[self.buckets] * self.values[:, None], self.starts[:-1], axis=0) + bias


def fit(examples: Sequence[Example], *, seed: int = 0, epochs: int = EPOCHS) -> tuple[Floats, Floats]:
    """The table of weights (TABLE × 3) and the bias, by lazy Adam: only the buckets of a batch move."""
    rows = Rows.of(examples)
    random = np.random.default_rng(seed)
    table, first, second = (np.zeros((TABLE, len(LABELS)), np.float32) for _ in range(3))
    bias = np.zeros(len(LABELS), np.float32)
    steps = epochs * -(-len(examples) // BATCH)
    step = 0
    for _ in range(epochs):
        order = random.permutation(len(examples))
        for start in range(0, len(order), BATCH):
            batch = rows.take(order[start : start + BATCH])
            step += 1
            rate = RATE * (1 - (step - 1) / steps)
            error = _probabilities(batch.logits(table, bias))
            error[np.arange(len(error)), batch.labels] -= 1
            error *= batch.weights[:, None] / batch.weights.sum()
            touched, where = np.unique(batch.buckets, return_inverse=True)
            lengths = batch.starts[1:] - batch.starts[:-1]
            pull = np.repeat(error, lengths, axis=0) * batch.values[:, None]
            slope = np.stack([np.bincount(where, pull[:, c], len(touched)) for c in range(len(LABELS))], axis=1)
            slope = slope.astype(np.float32) + DECAY * table[touched]
            first[touched] = 0.9 * first[touched] + 0.1 * slope
            second[touched] = 0.99 * second[touched] + 0.01 * slope**2
            table[touched] -= rate * first[touched] / (np.sqrt(second[touched]) + 1e-6)
            bias -= rate * 0.1 * error.sum(axis=0)
    return table, bias


def quantized(table: Floats, bias: Floats) -> NgramClassifier:
    scale = float(np.abs(table).max()) / 127
    return NgramClassifier(np.round(table / scale).astype(np.int8), scale, bias, {"und": 1.0})


def temperatures(model: NgramClassifier, held_out: Sequence[Example]) -> dict[str, float]:
    """Per language the temperature of least cross-entropy on examples that were not trained on; `und` over all of them."""
    found = {"und": _temperature(model, held_out)}
    for language in sorted({example.language for example in held_out}):
        found[language] = _temperature(model, [example for example in held_out if example.language == language])
    return found


def _temperature(model: NgramClassifier, held_out: Sequence[Example]) -> float:
    table = model.weights.astype(np.float32) * model.scale
    rows = Rows.of(held_out)
    logits = rows.logits(table, model.bias)
    grid = np.geomspace(0.3, 5, 120)
    losses = [-np.log(_probabilities(logits / t)[np.arange(len(logits)), rows.labels] + 1e-9).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def _probabilities(logits: Floats) -> Floats:
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = (grown / grown.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
