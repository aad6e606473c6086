"""Any sentiment model of the Hugging Face hub, or of a folder, through transformers.

https://huggingface.co/docs/transformers/main_classes/model
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.errors import OperatorError
from models.sentiment.classifier import LABELS, Classified, Floats
from models.sentiment.labels import map_labels, merge_labels
from models.sentiment.occlusion import occlusion_influences

MAX_TOKENS: Final = 256
BATCH: Final = 16


class HubClassifier:
    """Loads weights from safetensors only, and never runs code from the model's repository."""

    def __init__(self, model: str, revision: str | None = None) -> None:
        torch, transformers, damaged_error = _libraries()
        if not Path(model).exists() and revision is None and model.startswith((".", "/", "~")):
            raise OperatorError(f"There is no folder {model}.", "Correct `model` under [sentiment].")
        self.name = model
        self._torch = torch
        options: dict[str, Any] = {"trust_remote_code": False, "revision": revision or "main"}
        try:
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(model, **options)
            self.model = transformers.AutoModelForSequenceClassification.from_pretrained(
                model, use_safetensors=True, **options
            ).eval()
        except (OSError, ValueError, KeyError, RuntimeError, damaged_error) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise OperatorError(
                f"The model {model} could not be loaded: {reason}",
                "Check `model` and `revision` under [sentiment], and that its weights are in safetensors.",
            ) from error
        self._columns = map_labels(self.model.config.id2label, model)

    def classify(self, texts: Sequence[str], languages: Sequence[str], *, vectors: bool = False) -> Classified:  # noqa: ARG002
        rows = np.zeros((len(texts), len(LABELS)), dtype=np.float32)
        shortest_first = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        for start in range(0, len(texts), BATCH):
            batch = shortest_first[start : start + BATCH]
            tokens = self.tokenizer(
                [texts[n] for n in batch], padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
            )
            with self._torch.inference_mode():
                rows[batch] = merge_labels(self.model(**tokens).logits.softmax(-1).numpy(), self._columns)
        return Classified(rows)

    def influences(self, text: str, language: str, label: int) -> Floats:
        return occlusion_influences(self, text, language, label)


def _libraries() -> tuple[Any, Any, type[Exception]]:
    """torch, transformers, and the error that safetensors raises for damaged weights."""
    try:
        import torch
        import transformers
        from safetensors import SafetensorError
    except ImportError as error:
        raise OperatorError(
            "A hub model needs PyTorch and transformers, which are not installed.", "pip install 'ascolto[torch]'"
        ) from error
    return torch, transformers, SafetensorError
