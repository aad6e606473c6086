"""Fitting the n-gram tier: softmax regression over sparse rows by L-BFGS, so that the same rows give the same weights."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from models.sentiment.ngrams import BITS, INTENT_BITS, Ngrams, Table, both, grams_of, intent_buckets
from models.sentiment.training.sets import WRITTEN, Example

PENALTY: Final = 1e-5
INTENT_PENALTY: Final = 3e-5
"""L2, beside the mean cross-entropy of a row."""
STEPS: Final = 60

WEIGHTS: Final = {"it": 1.5, "ro": 2.0, "en": 0.25}
"""How much a public row counts: half of all are English, and would drown the others. A written post counts two."""
WRITTEN_WEIGHT: Final = 2.0

Floats = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float64]


def weight(example: Example) -> float:
    """Nothing for subtitles: outside English they know no neutral, and teach these weights to forget it."""
    if example.source == WRITTEN:
        return WRITTEN_WEIGHT
    return 0.0 if example.source == "xed" else WEIGHTS.get(example.language, 1.0)


def rows(examples: Sequence[Example]) -> tuple[csr_matrix, csr_matrix]:
    """What the examples are made of: for sentiment (shared and own buckets) and for intent."""
    grams = [grams_of(example.text) for example in examples]
    sentiment = [both(*found, example.language) for found, example in zip(grams, examples, strict=True)]
    intent = [(intent_buckets(buckets), values) for buckets, values in grams]
    return _matrix(sentiment, 2 << BITS), _matrix(intent, 1 << INTENT_BITS)


def _matrix(found: Sequence[tuple[npt.NDArray[np.uint32], Floats]], width: int) -> csr_matrix:
    ends = np.cumsum([0, *(len(buckets) for buckets, _ in found)])
    columns = np.concatenate([buckets for buckets, _ in found]).astype(np.int32)
    return csr_matrix((np.concatenate([values for _, values in found]), columns, ends), shape=(len(found), width))


def fit(
    matrix: csr_matrix, labels: Sequence[int], weights: Sequence[float], classes: int, penalty: float = PENALTY,
    begin: Weights | None = None, steps: int = STEPS,
) -> Weights:  # fmt: skip
    """Weights of least cross-entropy, the bias in the last row: (buckets + 1, classes). Only buckets that occur move."""
    used = np.flatnonzero(np.bincount(matrix.indices, minlength=matrix.shape[1]))
    narrow = matrix[:, used].astype(np.float32)
    across = narrow.T.tocsr()
    wanted = np.eye(classes, dtype=np.float32)[np.asarray(labels)]
    share = (np.asarray(weights, np.float32) / np.sum(weights))[:, None]
    size = len(used) * classes

    def loss(flat: Weights) -> tuple[float, Weights]:
        table, bias = flat[:size].reshape(-1, classes).astype(np.float32), flat[size:]
        logits = narrow @ table + bias.astype(np.float32)
        logits -= logits.max(axis=1, keepdims=True)
        total = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        missed = (np.exp(logits - total) - wanted) * share
        slope = np.concatenate([(across @ missed).ravel() + penalty * flat[:size], missed.sum(axis=0)])
        value = -float((share * wanted * (logits - total)).sum()) + penalty / 2 * float(flat[:size] @ flat[:size])
        return value, slope.astype(np.float64)

    start = np.zeros(size + classes)
    if begin is not None:
        start = np.concatenate([begin[:-1][used].ravel(), begin[-1]])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 8}).x
    table = np.zeros((matrix.shape[1] + 1, classes))
    if begin is not None:
        table[:] = begin
    table[used], table[-1] = found[:size].reshape(-1, classes), found[size:]
    return table


def tier(sentiment: Weights, intent: Weights) -> Ngrams:
    return Ngrams(*(Table.of(w[:-1].astype(np.float32), w[-1].astype(np.float32)) for w in (sentiment, intent)))
