"""The proportions of the two tiers, found on texts that neither was trained on, and the gate between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from models.sentiment.classifier import Floats, log_softmax, softmax
from models.sentiment.measuring import macro_f1
from models.sentiment.pair import FORMAT, Mix, Proportion
from models.sentiment.training.sets import WRITTEN

PENALTY: Final = 0.01
WRITTEN_TIMES: Final = 2
"""How much written posts count beside another set: they are what the reader is for."""
GATES: Final = (0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 2.0)
GATE_COST: Final = 0.001
"""Macro-F1 that the gate may cost on the mean over the sets: a tenth of a point."""


@dataclass(frozen=True)
class HeldOut:
    """One set: logits of both tiers a row; `shared` are the n-gram tier's when it does not know the language."""

    name: str
    language: str
    labels: npt.NDArray[np.intp]
    ngram: Floats
    shared: Floats
    encoder: Floats

    def take(self, rows: npt.NDArray[np.intp]) -> "HeldOut":
        return HeldOut(
            self.name, self.language, self.labels[rows], self.ngram[rows], self.shared[rows], self.encoder[rows]
        )


def proportion(
    ngram: Floats, encoder: Floats, labels: npt.NDArray[np.intp], shares: Floats, *, alone: bool = False
) -> Proportion:
    """Of least cross-entropy; `shares` says how much each row counts. With `alone`, without the encoder."""
    classes = ngram.shape[1]
    first, second = log_softmax(ngram), log_softmax(encoder)
    wanted = np.eye(classes)[labels]

    def loss(found: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        a, b, bias = found[0], 0.0 if alone else found[1], found[2:]
        logits = log_softmax((a * first + b * second + bias).astype(np.float32))
        missed = (np.exp(logits) - wanted) * shares[:, None]
        slope = [(missed * first).sum(), 0.0 if alone else (missed * second).sum(), *missed.sum(axis=0)]
        value = -float((shares[:, None] * wanted * logits).sum()) + PENALTY * float(bias @ bias)
        return value, np.array(slope) + np.array([0, 0, *(2 * PENALTY * bias)])

    begin = np.array([0.5, 0.0 if alone else 0.5, *np.zeros(classes)])
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=[(0, 3), (0, 3), *[(-1, 1)] * classes]).x
    return Proportion(
        round(float(found[0]), 4),
        0.0 if alone else round(float(found[1]), 4),
        tuple(round(float(b), 4) for b in found[2:]),
    )


def of_sets(sets: Sequence[HeldOut], *, alone: bool = False, shared: bool = False) -> Proportion:
    """Each set counts the same, however many rows it has; written posts count WRITTEN_TIMES as much."""
    counts = [WRITTEN_TIMES if s.name.endswith(WRITTEN) else 1 for s in sets]
    shares = np.concatenate(
        [np.full(len(s.labels), n / len(s.labels) / sum(counts), np.float32) for n, s in zip(counts, sets, strict=True)]
    )
    return proportion(
        np.concatenate([s.shared if shared else s.ngram for s in sets]),
        np.concatenate([s.encoder for s in sets]),
        np.concatenate([s.labels for s in sets]),
        shares,
        alone=alone,
    )


def mix(sets: Sequence[HeldOut], intent: Proportion, intent_alone: Proportion) -> Mix:
    """A proportion a language, `und` from all sets with the shared n-grams alone, and the gate."""
    alone, together = {}, {}
    for language in sorted({s.language for s in sets}):
        here = [s for s in sets if s.language == language]
        alone[language], together[language] = of_sets(here, alone=True), of_sets(here)
    alone["und"], together["und"] = of_sets(sets, alone=True, shared=True), of_sets(sets, shared=True)
    made = Mix(FORMAT, 2.0, alone, together, intent, intent_alone)
    return Mix(FORMAT, _gate(sets, made), alone, together, intent, intent_alone)


def read(one: HeldOut, made: Mix, gate: float | None = None) -> Floats:
    """What the pair says of a set, without computing its tiers again."""
    gate = made.gate if gate is None else gate
    sure = softmax(made.alone[one.language].logits(one.ngram, one.encoder))
    both = softmax(made.together[one.language].logits(one.ngram, one.encoder))
    return np.where(sure.max(axis=1, keepdims=True) >= gate, sure, both)


def _gate(sets: Sequence[HeldOut], made: Mix) -> float:
    """The lowest that costs next to nothing."""
    scores = [np.mean([macro_f1(s.labels, read(s, made, gate).argmax(axis=1)) for s in sets]) for gate in GATES]
    return next(gate for gate, score in zip(GATES, scores, strict=True) if score >= scores[-1] - GATE_COST)


def crossfitted(sets: Sequence[HeldOut], made: Mix) -> dict[str, tuple[npt.NDArray[np.intp], Floats]]:
    """Labels and shares by set, each half of the rows read in proportions that were found on the other half."""
    found: dict[str, tuple[npt.NDArray[np.intp], Floats]] = {}
    for language in sorted({s.language for s in sets}):
        here = [s for s in sets if s.language == language]
        read_as = [np.empty_like(s.encoder) for s in here]
        for half in (0, 1):
            rows = [np.arange(len(s.labels)) % 2 for s in here]
            taught = [s.take(np.flatnonzero(r != half)) for s, r in zip(here, rows, strict=True)]
            alone, together = {language: of_sets(taught, alone=True)}, {language: of_sets(taught)}
            half_mix = Mix(FORMAT, made.gate, alone, together, made.intent, made.intent_alone)
            for s, r, said in zip(here, rows, read_as, strict=True):
                said[r == half] = read(s.take(np.flatnonzero(r == half)), half_mix)
        found |= {s.name: (s.labels, said) for s, said in zip(here, read_as, strict=True)}
    return found
