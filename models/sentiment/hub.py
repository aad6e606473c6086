"""Any sentiment model of the Hugging Face hub, or a folder that holds one, through transformers.

https://huggingface.co/docs/transformers/main_classes/model
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.errors import OperatorError
from models.sentiment.reader import LABELS, Label, Probabilities

MAX_TOKENS: Final = 256
BATCH: Final = 16

_NAMES: Final[dict[str, Label]] = {
    "negative": "negative", "neg": "negative", "negativo": "negative", "negativ": "negative",
    "neutral": "neutral", "neu": "neutral", "neutro": "neutral", "neutru": "neutral",
    "positive": "positive", "pos": "positive", "positivo": "positive", "pozitiv": "positive",
    "very negative": "negative", "very positive": "positive",
}  # fmt: skip


class HubClassifier:
    """Weights from safetensors only, no code from the model's repository is ever run."""

    def __init__(self, model: str, revision: str | None = None) -> None:
        torch, transformers, damaged = _libraries()
        if not Path(model).exists() and revision is None and model.startswith((".", "/", "~")):
            raise OperatorError(f"There is no folder {model}.", "Correct `model` under [sentiment].")
        self.name = model
        self._torch = torch
        options: dict[str, Any] = {"trust_remote_code": False, "revision": revision or "main"}
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(model, **options)
            self._model = transformers.AutoModelForSequenceClassification.from_pretrained(
                model, use_safetensors=True, **options
            ).eval()
        except (OSError, ValueError, KeyError, RuntimeError, damaged) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise OperatorError(
                f"The model {model} could not be loaded: {reason}",
                "Check `model` and `revision` under [sentiment], and that its weights are in safetensors.",
            ) from error
        self._columns = columns(self._model.config.id2label, model)

    def probabilities(self, texts: Sequence[str], languages: Sequence[str]) -> Probabilities:  # noqa: ARG002
        rows = np.zeros((len(texts), len(LABELS)), dtype=np.float32)
        shortest_first = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        for start in range(0, len(texts), BATCH):
            batch = shortest_first[start : start + BATCH]
            tokens = self._tokenizer(
                [texts[n] for n in batch], padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
            )
            with self._torch.inference_mode():
                found = self._model(**tokens).logits.softmax(-1).numpy()
            for label, ours in self._columns.items():
                rows[batch, ours] += found[:, label]
        return rows


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


def _libraries() -> tuple[Any, Any, type[Exception]]:
    """torch, transformers, and what safetensors raises for weights that are damaged."""
    try:
        import torch
        import transformers
        from safetensors import SafetensorError
    except ImportError as error:
        raise OperatorError(
            "A hub model needs PyTorch and transformers, which are not installed.", "pip install 'ascolto[torch]'"
        ) from error
    return torch, transformers, SafetensorError
