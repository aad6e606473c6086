"""Fits the mixing weights of the two models on texts that neither was trained on, and the gate between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from models.sentiment.classifier import Floats, log_softmax, softmax
from models.sentiment.ensemble import FORMAT, Mix, Proportion
from models.sentiment.evaluation import macro_f1
from models.sentiment.training.datasets import WRITTEN

PENALTY: Final = 0.01
WRITTEN_WEIGHT: Final = 2
"""How much written posts count compared with another set: they are closest to what the classifier is for."""
GATES: Final = (0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 2.0)
GATE_COST: Final = 0.001
"""Macro-F1 that the gate may cost on average over the sets: a tenth of a point."""


@dataclass(frozen=True)
class HeldOut:
    """One set, with the logits of both models per row; `shared` are those of the n-gram model without the language."""

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


def fit_proportion(
    ngram: Floats, encoder: Floats, labels: npt.NDArray[np.intp], weights: Floats, *, alone: bool = False
) -> Proportion:
    """Minimizes cross-entropy; `weights` is how much each row counts. With `alone`, without the encoder."""
    classes = ngram.shape[1]
    ngram_logs, encoder_logs = log_softmax(ngram), log_softmax(encoder)
    targets = np.eye(classes)[labels]

    def loss(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        a, b, bias = parameters[0], 0.0 if alone else parameters[1], parameters[2:]
        logits = log_softmax((a * ngram_logs + b * encoder_logs + bias).astype(np.float32))
        residual = (np.exp(logits) - targets) * weights[:, None]
        encoder_gradient = 0.0 if alone else (residual * encoder_logs).sum()
        gradient = [(residual * ngram_logs).sum(), encoder_gradient, *residual.sum(axis=0)]
        value = -float((weights[:, None] * targets * logits).sum()) + PENALTY * float(bias @ bias)
        return value, np.array(gradient) + np.array([0, 0, *(2 * PENALTY * bias)])

    start = np.array([0.5, 0.0 if alone else 0.5, *np.zeros(classes)])
    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, 3), (0, 3), *[(-1, 1)] * classes]).x
    return Proportion(
        round(float(fitted[0]), 4),
        0.0 if alone else round(float(fitted[1]), 4),
        tuple(round(float(b), 4) for b in fitted[2:]),
    )


def fit_sets(sets: Sequence[HeldOut], *, alone: bool = False, shared: bool = False) -> Proportion:
    """Each set counts the same, whatever its size; written posts count WRITTEN_WEIGHT as much."""
    set_weights = [WRITTEN_WEIGHT if s.name.endswith(WRITTEN) else 1 for s in sets]
    weights = np.concatenate(
        [
            np.full(len(s.labels), weight / len(s.labels) / sum(set_weights), np.float32)
            for weight, s in zip(set_weights, sets, strict=True)
        ]
    )
    return fit_proportion(
        np.concatenate([s.shared if shared else s.ngram for s in sets]),
        np.concatenate([s.encoder for s in sets]),
        np.concatenate([s.labels for s in sets]),
        weights,
        alone=alone,
    )


def fit_mix(sets: Sequence[HeldOut], intent: Proportion, intent_alone: Proportion) -> Mix:
    """A proportion per language, `und` from all sets without their languages, and the gate."""
    alone, together = {}, {}
    for language in sorted({s.language for s in sets}):
        same_language = [s for s in sets if s.language == language]
        alone[language], together[language] = fit_sets(same_language, alone=True), fit_sets(same_language)
    alone["und"], together["und"] = fit_sets(sets, alone=True, shared=True), fit_sets(sets, shared=True)
    without_gate = Mix(FORMAT, 2.0, alone, together, intent, intent_alone)
    return Mix(FORMAT, _fit_gate(sets, without_gate), alone, together, intent, intent_alone)


def predict(held_out: HeldOut, mix: Mix, gate: float | None = None) -> Floats:
    """The probabilities of the ensemble for a set, from the logits of its models."""
    gate = mix.gate if gate is None else gate
    alone = softmax(mix.alone[held_out.language].logits(held_out.ngram, held_out.encoder))
    together = softmax(mix.together[held_out.language].logits(held_out.ngram, held_out.encoder))
    return np.where(alone.max(axis=1, keepdims=True) >= gate, alone, together)


def _fit_gate(sets: Sequence[HeldOut], mix: Mix) -> float:
    """The lowest one that costs no more than GATE_COST."""
    scores = [np.mean([macro_f1(s.labels, predict(s, mix, gate).argmax(axis=1)) for s in sets]) for gate in GATES]
    return next(gate for gate, score in zip(GATES, scores, strict=True) if score >= scores[-1] - GATE_COST)


def cross_fitted(sets: Sequence[HeldOut], mix: Mix) -> dict[str, tuple[npt.NDArray[np.intp], Floats]]:
    """Labels and probabilities by set; each half of the rows is predicted with weights fitted on the other half."""
    by_set: dict[str, tuple[npt.NDArray[np.intp], Floats]] = {}
    for language in sorted({s.language for s in sets}):
        same_language = [s for s in sets if s.language == language]
        predictions = [np.empty_like(s.encoder) for s in same_language]
        for half in (0, 1):
            halves = [np.arange(len(s.labels)) % 2 for s in same_language]
            fitted_on = [s.take(np.flatnonzero(h != half)) for s, h in zip(same_language, halves, strict=True)]
            alone, together = {language: fit_sets(fitted_on, alone=True)}, {language: fit_sets(fitted_on)}
            half_mix = Mix(FORMAT, mix.gate, alone, together, mix.intent, mix.intent_alone)
            for s, h, predicted in zip(same_language, halves, predictions, strict=True):
                predicted[h == half] = predict(s.take(np.flatnonzero(h == half)), half_mix)
        by_set |= {s.name: (s.labels, predicted) for s, predicted in zip(same_language, predictions, strict=True)}
    return by_set
