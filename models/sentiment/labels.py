"""Maps the labels of other models to ours, by name."""

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


def map_labels(id2label: Mapping[int, str], model: str) -> dict[int, int]:
    """The model's label number → ours; OperatorError where a name is unknown or a label of ours is missing."""
    mapped = {int(n): _NAMES.get(str(label).strip().lower().replace("_", " ")) for n, label in id2label.items()}
    missing = [label for label in LABELS if label not in mapped.values()]
    if None in mapped.values() or missing:
        raise OperatorError(
            f"The labels of {model} cannot be mapped to negative, neutral and positive: {dict(id2label)}",
            "Choose a three-class sentiment model, or name its labels in its config.json (id2label).",
        )
    return {n: LABELS.index(label) for n, label in mapped.items() if label is not None}


def merge_labels(rows: Floats, columns: Mapping[int, int]) -> Floats:
    """Probabilities of the model's labels → of ours; those with the same name are added up."""
    merged = np.zeros((len(rows), len(LABELS)), np.float32)
    for column, label in columns.items():
        merged[:, label] += rows[:, column]
    return merged
