"""Other people's label names → ours."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from models.errors import OperatorError
from models.sentiment.classifier import LABELS, Floats, Label

_NAMES: Final[dict[str, Label]] = {
    "negative": "negative", "neg": "negative", "negativo": "negative", "negativ": "negative",
    "neutral": "neutral", "neu": "neutral", "neutro": "neutral", "neutru": "neutral",
    "positive": "positive", "pos": "positive", "positivo": "positive", "pozitiv": "positive",
    "very negative": "negative", "very positive": "positive",
}  # fmt: skip


def columns(id2label: Mapping[int, str], model: str) -> dict[int, int]:
    """The model's label numbers → ours, by name; refused where a name is not understood or a label of ours is missing."""
    named = {int(n): _NAMES.get(str(label).strip().lower().replace("_", " ")) for n, label in id2label.items()}
    missing = [label for label in LABELS if label not in named.values()]
    if None in named.values() or missing:
        raise OperatorError(
            f"The labels of {model} cannot be mapped to negative, neutral and positive: {dict(id2label)}",
            "Choose a three-class sentiment model, or name its labels in its config.json (id2label).",
        )
    return {n: LABELS.index(label) for n, label in named.items() if label is not None}


def merged(rows: Floats, columns: Mapping[int, int]) -> Floats:
    """Shares of the model's labels → shares of ours; those of one name are added up."""
    ours = np.zeros((len(rows), len(LABELS)), np.float32)
    for theirs, label in columns.items():
        ours[:, label] += rows[:, theirs]
    return ours
