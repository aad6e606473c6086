"""Converts a hub model to int8 ONNX in a folder that needs no PyTorch, and compares it with the original."""

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from models.errors import OperatorError
from models.sentiment.hub import HubClassifier
from models.sentiment.onnx import OnnxClassifier

MIN_AGREEMENT: Final = 0.95
"""Share of texts that both must classify alike."""


@dataclass(frozen=True)
class Parity:
    """How the copy compares: the share of texts classified alike, the mean and the largest difference of a probability."""

    texts: int
    agreement: float
    mean: float
    largest: float
    megabytes: float


def convert(model: str, revision: str | None, folder: Path, texts: Sequence[str]) -> Parity:
    """Writes `folder` and compares both on `texts`; raises OperatorError, and writes nothing, where they do not agree."""
    if folder.exists():
        raise OperatorError(f"{folder} exists already.", "Name another folder.")
    original = HubClassifier(model, revision)
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write(original, partial)
        parity = _compare(original, OnnxClassifier(partial), texts, partial)
        if parity.agreement < MIN_AGREEMENT:
            raise OperatorError(
                f"In int8 it classifies only {parity.agreement:.0%} of {parity.texts} texts as the original does.",
                f"Use it through transformers: model = {model!r}",
            )
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return parity


def _write(original: HubClassifier, folder: Path) -> None:
    try:
        import torch
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise OperatorError("Exporting needs the train extra.", "pip install 'ascolto[train]'") from error
    ids = torch.ones((2, 8), dtype=torch.long)
    names = ("input_ids", "attention_mask")
    shape = {0: torch.export.Dim("texts"), 1: torch.export.Dim("pieces")}
    with TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        unquantized = Path(temporary) / "unquantized.onnx"
        torch.onnx.export(
            original.model,
            (),
            unquantized,
            kwargs=dict.fromkeys(names, ids),
            input_names=list(names),
            output_names=["logits"],
            dynamic_shapes=dict.fromkeys(names, shape),
            dynamo=True,
            verbose=False,
        )
        quantize_dynamic(
            unquantized, folder / "model.onnx", per_channel=True, reduce_range=True, weight_type=QuantType.QInt8
        )
    original.tokenizer.save_pretrained(folder)
    original.model.config.save_pretrained(folder)
    if not (folder / "tokenizer.json").exists():
        raise OperatorError("Its tokenizer has no fast form (tokenizer.json).", "Use it through transformers.")


def _compare(original: HubClassifier, copy: OnnxClassifier, texts: Sequence[str], folder: Path) -> Parity:
    languages = ["und"] * len(texts)
    before, after = original.classify(texts, languages).probabilities, copy.classify(texts, languages).probabilities
    differences = np.abs(before - after)
    return Parity(
        texts=len(texts),
        agreement=float((before.argmax(axis=1) == after.argmax(axis=1)).mean()),
        mean=float(differences.mean()),
        largest=float(differences.max()),
        megabytes=sum(file.stat().st_size for file in folder.iterdir()) / 1e6,
    )
