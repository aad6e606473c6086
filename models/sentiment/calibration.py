"""Temperature scaling: makes a model's confidence match how often it is right, with one temperature per language.

p' ∝ p ** (1 / T)        (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from models.errors import OperatorError
from models.sentiment.classifier import Classified, Classifier, Floats, Probabilities, softmax

MIN_EXAMPLES: Final = 30
"""Labelled texts that a language needs for a temperature of its own."""
_GRID: Final = np.geomspace(0.25, 8, 200)


class Calibration(msgspec.Struct, frozen=True):
    """`temperatures` by language, `und` for all others; valid for this one model."""

    model: str
    temperatures: dict[str, float]


class Calibrated:
    """A classifier with its temperatures."""

    def __init__(self, classifier: Classifier, temperatures: dict[str, float]) -> None:
        self.name = classifier.name
        self._classifier = classifier
        self._temperatures = temperatures

    def classify(self, texts: Sequence[str], languages: Sequence[str], *, vectors: bool = False) -> Classified:
        classified = self._classifier.classify(texts, languages, vectors=vectors)
        default = self._temperatures.get("und", 1.0)
        divisors = np.array([[self._temperatures.get(language, default)] for language in languages], np.float32)
        calibrated = softmax(np.log(classified.probabilities + 1e-9) / divisors)
        return Classified(calibrated, classified.intents, classified.vectors)

    def influences(self, text: str, language: str, label: int) -> Floats:
        return self._classifier.influences(text, language, label)


def temperature(probabilities: Probabilities, labels: Sequence[int]) -> float:
    """The one with the lowest cross-entropy."""
    logs, rows = np.log(probabilities + 1e-9), np.arange(len(labels))
    losses = [-np.log(softmax(logs / np.float32(t))[rows, list(labels)] + 1e-9).mean() for t in _GRID]
    return round(float(_GRID[int(np.argmin(losses))]), 3)


def temperatures(probabilities: Probabilities, labels: Sequence[int], languages: Sequence[str]) -> dict[str, float]:
    """For each language with MIN_EXAMPLES texts or more, and `und` over all of them."""
    by_language = {"und": temperature(probabilities, labels)}
    for language in sorted(set(languages) - {"und"}):
        rows = [n for n, code in enumerate(languages) if code == language]
        if len(rows) >= MIN_EXAMPLES:
            by_language[language] = temperature(probabilities[rows], [labels[n] for n in rows])
    return by_language


def load_temperatures(path: Path, model: str) -> dict[str, float]:
    """The temperatures in a file; none where there is no file, or it belongs to another model."""
    try:
        calibration = msgspec.json.decode(path.read_bytes(), type=Calibration)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise OperatorError(
            f"{path} cannot be read: {error}", "Create it again:  ascolto sentiment calibrate FILE"
        ) from error
    return calibration.temperatures if calibration.model == model else {}


def save(path: Path, calibration: Calibration) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n")
