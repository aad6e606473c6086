"""A model's confidence brought in line with how often it is right: one temperature a language, found on labelled texts.

p' ∝ p ** (1 / T)        (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from models.errors import OperatorError
from models.sentiment.classifier import Classified, Classifier, Floats, Probabilities, softmax

FEWEST: Final = 30
"""Labelled texts of a language that find a temperature of its own."""
_GRID: Final = np.geomspace(0.25, 8, 200)


class Calibration(msgspec.Struct, frozen=True):
    """`temperatures` by language; `und` stands for all others. They belong to one model."""

    model: str
    temperatures: dict[str, float]


class Calibrated:
    """A classifier with its temperatures."""

    def __init__(self, classifier: Classifier, temperatures: dict[str, float]) -> None:
        self.name = classifier.name
        self._classifier = classifier
        self._temperatures = temperatures

    def classify(self, texts: Sequence[str], languages: Sequence[str], *, vectors: bool = False) -> Classified:
        found = self._classifier.classify(texts, languages, vectors=vectors)
        rest = self._temperatures.get("und", 1.0)
        heat = np.array([[self._temperatures.get(language, rest)] for language in languages], np.float32)
        return Classified(softmax(np.log(found.probabilities + 1e-9) / heat), found.intents, found.vectors)

    def moved(self, text: str, language: str, label: int) -> Floats:
        return self._classifier.moved(text, language, label)


def temperature(probabilities: Probabilities, labels: Sequence[int]) -> float:
    """Of least cross-entropy."""
    logs, rows = np.log(probabilities + 1e-9), np.arange(len(labels))
    losses = [-np.log(softmax(logs / np.float32(t))[rows, list(labels)] + 1e-9).mean() for t in _GRID]
    return round(float(_GRID[int(np.argmin(losses))]), 3)


def temperatures(probabilities: Probabilities, labels: Sequence[int], languages: Sequence[str]) -> dict[str, float]:
    """For each language with FEWEST texts or more, and `und` over all of them."""
    found = {"und": temperature(probabilities, labels)}
    for language in sorted(set(languages) - {"und"}):
        here = [n for n, spoken in enumerate(languages) if spoken == language]
        if len(here) >= FEWEST:
            found[language] = temperature(probabilities[here], [labels[n] for n in here])
    return found


def kept(path: Path, model: str) -> dict[str, float]:
    """The temperatures in a file; none where there is no file, or it is another model's."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Calibration)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise OperatorError(
            f"{path} cannot be read: {error}", "Make it anew:  ascolto sentiment calibrate FILE"
        ) from error
    return found.temperatures if found.model == model else {}


def keep(path: Path, calibration: Calibration) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n")
