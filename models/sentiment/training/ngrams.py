"""Trains the n-gram model: softmax regression over sparse rows by L-BFGS, which is deterministic."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from models.sentiment.ngrams import BITS, INTENT_BITS, Ngrams, Table, hash_ngrams, intent_buckets, sentiment_buckets
from models.sentiment.training.datasets import WRITTEN, Example

PENALTY: Final = 1e-5
INTENT_PENALTY: Final = 3e-5
"""L2, added to the mean cross-entropy of a row."""
STEPS: Final = 60

WEIGHTS: Final = {"it": 1.5, "ro": 2.0, "en": 0.25}
"""How much a public row counts, by language: half of all are English, and would dominate the others."""
WRITTEN_WEIGHT: Final = 2.0

Floats = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float64]


def weight(example: Example) -> float:
    """0 for subtitles: outside English they have no neutral label, and these weights would unlearn it."""
    if example.source == WRITTEN:
        return WRITTEN_WEIGHT
    return 0.0 if example.source == "xed" else WEIGHTS.get(example.language, 1.0)


def rows(examples: Sequence[Example]) -> tuple[csr_matrix, csr_matrix]:
    """The features of the examples: for sentiment (shared and language buckets) and for intent."""
    ngrams = [hash_ngrams(example.text) for example in examples]
    sentiment = [
        sentiment_buckets(hashes, values, example.language)
        for (hashes, values), example in zip(ngrams, examples, strict=True)
    ]
    intent = [(intent_buckets(hashes), values) for hashes, values in ngrams]
    return _matrix(sentiment, 2 << BITS), _matrix(intent, 1 << INTENT_BITS)


def _matrix(features: Sequence[tuple[npt.NDArray[np.uint32], Floats]], width: int) -> csr_matrix:
    ends = np.cumsum([0, *(len(buckets) for buckets, _ in features)])
    columns = np.concatenate([buckets for buckets, _ in features]).astype(np.int32)
    values = np.concatenate([values for _, values in features])
    return csr_matrix((values, columns, ends), shape=(len(features), width))


def fit(
    matrix: csr_matrix, labels: Sequence[int], weights: Sequence[float], classes: int, penalty: float = PENALTY,
    initial: Weights | None = None, steps: int = STEPS,
) -> Weights:  # fmt: skip
    """Minimizes cross-entropy; the bias is the last row: (buckets + 1, classes). Buckets that do not occur are unchanged."""
    used = np.flatnonzero(np.bincount(matrix.indices, minlength=matrix.shape[1]))
    narrow = matrix[:, used].astype(np.float32)
    transposed = narrow.T.tocsr()
    targets = np.eye(classes, dtype=np.float32)[np.asarray(labels)]
    row_weights = (np.asarray(weights, np.float32) / np.sum(weights))[:, None]
    size = len(used) * classes

    def loss(flat: Weights) -> tuple[float, Weights]:
        table, bias = flat[:size].reshape(-1, classes).astype(np.float32), flat[size:]
        logits = narrow @ table + bias.astype(np.float32)
        logits -= logits.max(axis=1, keepdims=True)
        total = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        residual = (np.exp(logits - total) - targets) * row_weights
        gradient = np.concatenate([(transposed @ residual).ravel() + penalty * flat[:size], residual.sum(axis=0)])
        cross_entropy = -float((row_weights * targets * (logits - total)).sum())
        return cross_entropy + penalty / 2 * float(flat[:size] @ flat[:size]), gradient.astype(np.float64)

    start = np.zeros(size + classes)
    if initial is not None:
        start = np.concatenate([initial[:-1][used].ravel(), initial[-1]])
    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 8}).x
    table = np.zeros((matrix.shape[1] + 1, classes))
    if initial is not None:
        table[:] = initial
    table[used], table[-1] = fitted[:size].reshape(-1, classes), fitted[size:]
    return table


def quantized(sentiment: Weights, intent: Weights) -> Ngrams:
    return Ngrams(*(Table.quantized(w[:-1].astype(np.float32), w[-1].astype(np.float32)) for w in (sentiment, intent)))
