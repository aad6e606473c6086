"""What every classifier gives, whatever is inside it."""

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
"""One row a text, one column a label in the order of LABELS; rows sum to 1."""


@dataclass(frozen=True)
class Classified:
    """`intents` (a column each of INTENTS, rows sum to 1) and `vectors` (for a brand's own head) where the model has them."""

    probabilities: Probabilities
    intents: Floats | None = None
    vectors: Floats | None = None


class Classifier(Protocol):
    """Texts are never blank, languages are codes or `und`."""

    name: str

    def classify(self, texts: Sequence[str], languages: Sequence[str], *, vectors: bool = False) -> Classified:
        """With `vectors`, they are there for every text, where the model has any."""
        ...

    def moved(self, text: str, language: str, label: int) -> Floats:
        """How much each word (between white space) speaks for a label, in log-odds; positive for, negative against."""
        ...


def softmax(logits: Floats) -> Floats:
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = (grown / grown.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def log_softmax(logits: Floats) -> Floats:
    moved = logits - logits.max(axis=1, keepdims=True)
    found: Floats = (moved - np.log(np.exp(moved).sum(axis=1, keepdims=True))).astype(np.float32)
    return found


def odds(logits: Floats, label: int) -> Floats:
    """Log-odds of a label against all others, a row a text."""
    others = np.delete(logits, label, axis=1)
    top = others.max(axis=1, keepdims=True)
    found: Floats = (logits[:, label] - (top[:, 0] + np.log(np.exp(others - top).sum(axis=1)))).astype(np.float32)
    return found
