"""Classification metrics, and their bootstrap confidence intervals."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from models.sentiment.classifier import LABELS, Probabilities

BINS: Final = 15
RESAMPLES: Final = 1_000

Labels = npt.NDArray[np.intp]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Shares in percent, `ece` as a share. `confusion` has a row per true label and a column per predicted one, in the order
    of LABELS; `low` and `high` are the 95 % bootstrap interval of macro-F1."""

    texts: int
    accuracy: float
    macro_f1: float
    macro_recall: float
    low: float
    high: float
    ece: float
    negative_precision: float
    negative_recall: float
    confusion: tuple[tuple[int, ...], ...]


def evaluate(labels: Sequence[int], probabilities: Probabilities) -> Evaluation:
    """`labels` are indexes into LABELS, one per row."""
    true, predicted = np.asarray(labels, dtype=np.intp), probabilities.argmax(axis=1)
    table = confusion(true, predicted)
    low, high = bootstrap(macro_f1, true, predicted)
    predicted_negative, true_negative = table[:, 0].sum(), table[0].sum()
    return Evaluation(
        texts=len(true),
        accuracy=_percent(table.trace() / max(len(true), 1)),
        macro_f1=_percent(macro_f1(true, predicted)),
        macro_recall=_percent(macro_recall(true, predicted)),
        low=_percent(low),
        high=_percent(high),
        ece=round(ece(true, probabilities), 4),
        negative_precision=_percent(table[0, 0] / max(predicted_negative, 1)),
        negative_recall=_percent(table[0, 0] / max(true_negative, 1)),
        confusion=tuple(tuple(int(count) for count in row) for row in table),
    )


def confusion(true: Labels, predicted: Labels) -> npt.NDArray[np.int64]:
    size = len(LABELS)
    return np.bincount(true * size + predicted, minlength=size * size).reshape(size, size)


def macro_f1(true: Labels, predicted: Labels) -> float:
    """The mean of F1 over the labels that occur."""
    table = confusion(true, predicted)
    present = table.sum(axis=1) > 0
    f1 = 2 * table.diagonal() / np.maximum(table.sum(axis=0) + table.sum(axis=1), 1)
    return float(f1[present].mean()) if present.any() else 0.0


def macro_recall(true: Labels, predicted: Labels) -> float:
    """The mean of recall over the labels that occur (TweetEval's metric for sentiment)."""
    table = confusion(true, predicted)
    present = table.sum(axis=1) > 0
    return float((table.diagonal()[present] / table.sum(axis=1)[present]).mean()) if present.any() else 0.0


def ece(true: Labels, probabilities: Probabilities) -> float:
    """Expected calibration error: the gap between confidence and accuracy, over BINS bins of confidence."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == true
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(float(confidence[bins == n].sum()) - float(right[bins == n].sum())) for n in range(BINS)]
    return sum(gaps) / max(len(true), 1)


def bootstrap(
    metric: Callable[[Labels, Labels], float], true: Labels, predicted: Labels, share: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The interval that contains `share` of a metric's values over resampled rows."""
    if not len(true):
        return 0.0, 0.0
    rng = np.random.default_rng(seed)
    samples = rng.integers(0, len(true), (RESAMPLES, len(true)))
    values = [metric(true[rows], predicted[rows]) for rows in samples]
    low, high = np.quantile(values, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def _percent(share: float) -> float:
    return round(100 * float(share), 1)
