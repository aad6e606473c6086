"""A folder with `model.onnx`, `tokenizer.json` and `config.json` (what `ascolto sentiment export` writes), without PyTorch."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from models.errors import OperatorError
from models.sentiment.classifier import LABELS, Classified, Floats, softmax
from models.sentiment.labels import map_labels, merge_labels
from models.sentiment.occlusion import occlusion_influences

MAX_TOKENS: Final = 256
BATCH: Final = 16


class _Config(msgspec.Struct):
    id2label: dict[int, str]
    pad_token_id: int | None = 0


class OnnxClassifier:
    """A text classifier with inputs `input_ids` and `attention_mask` and one output of logits."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        try:
            config = msgspec.json.decode((folder / "config.json").read_bytes(), type=_Config, strict=False)
            self._tokenizer = _tokenizer(folder / "tokenizer.json")
            self._session = create_session(folder / "model.onnx")
        except OperatorError:
            raise
        except Exception as error:
            raise OperatorError(
                f"The model {folder} could not be loaded: {_first_line(error)}",
                "It needs model.onnx, tokenizer.json and config.json of the same model; ascolto sentiment export writes them.",
            ) from error
        inputs = {tensor.name for tensor in self._session.get_inputs()}
        shape = self._session.get_outputs()[0].shape
        if not {"input_ids", "attention_mask"} <= inputs or len(shape) != 2 or shape[1] != len(config.id2label):
            raise OperatorError(
                f"{folder} is not a text classifier of {len(config.id2label)} labels.", "Choose another model."
            )
        self._needs_token_types = "token_type_ids" in inputs
        self._pad = config.pad_token_id or 0
        self._columns = map_labels(config.id2label, str(folder))

    def classify(self, texts: Sequence[str], languages: Sequence[str], *, vectors: bool = False) -> Classified:  # noqa: ARG002
        rows = np.zeros((len(texts), len(LABELS)), dtype=np.float32)
        encoded = [e.ids for e in self._tokenizer.encode_batch(list(texts))]
        shortest_first = sorted(range(len(texts)), key=lambda n: len(encoded[n]))
        for start in range(0, len(texts), BATCH):
            batch = shortest_first[start : start + BATCH]
            ids = np.full((len(batch), len(encoded[batch[-1]])), self._pad, np.int64)
            mask = np.zeros_like(ids)
            for line, n in enumerate(batch):
                ids[line, : len(encoded[n])] = encoded[n]
                mask[line, : len(encoded[n])] = 1
            inputs = {"input_ids": ids, "attention_mask": mask}
            if self._needs_token_types:
                inputs["token_type_ids"] = np.zeros_like(ids)
            rows[batch] = merge_labels(softmax(self._session.run(None, inputs)[0]), self._columns)
        return Classified(rows)

    def influences(self, text: str, language: str, label: int) -> Floats:
        return occlusion_influences(self, text, language, label)


def create_session(path: Path) -> Any:
    """An onnxruntime session on as many threads as this process may use; they busy-wait only while it runs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        path.read_bytes(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers={"SkipLayerNormFusion"},  # fused, addition and layer norm take five times as long
    )


def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
