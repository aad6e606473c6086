"""The interface of all classifiers, and what they return."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

Label = Literal["negative", "neutral", "positive"]
LABELS: Final[tuple[Label, ...]] = ("negative", "neutral", "positive")
INTENTS: Final = ("complaint", "question", "praise", "lead", "news", "chatter", "spam", "crisis")

Floats = npt.NDArray[np.float32]
Probabilities = Floats
"""One row per text, one column per label in the order of LABELS; rows sum to 1."""


@dataclass(frozen=True)
class Classified:
    """`intents` (one column per entry of INTENTS, rows sum to 1) and `vectors` (for a brand's own head) where the model has
    them."""

    probabilities: Probabilities
    intents: Floats | None = None
    vectors: Floats | None = None


class Classifier(Protocol):
    """Texts are never blank, languages are codes or `und`."""

    name: str

    def classify(self, texts: Sequence[str], languages: Sequence[str], *, vectors: bool = False) -> Classified:
        """With `vectors`, every text gets one, if the model has vectors at all."""
        ...

    def influences(self, text: str, language: str, label: int) -> Floats:
        """How much each word (separated by white space) counts towards a label, in log-odds; negative counts against it."""
        ...


def softmax(logits: Floats) -> Floats:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities


def log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    logs: Floats = (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))).astype(np.float32)
    return logs


def odds(logits: Floats, label: int) -> Floats:
    """Log-odds of a label against all others, one per text."""
    others = np.delete(logits, label, axis=1)
    top = others.max(axis=1, keepdims=True)
    log_odds: Floats = (logits[:, label] - (top[:, 0] + np.log(np.exp(others - top).sum(axis=1)))).astype(np.float32)
    return log_odds
