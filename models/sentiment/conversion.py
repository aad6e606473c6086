"""From a hub model to a folder that needs no PyTorch: int8 ONNX, held against the original before it is believed."""

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

LEAST_AGREEMENT: Final = 0.95
"""Share of texts that both must read alike."""


@dataclass(frozen=True)
class Parity:
    """How the copy compares: the share of texts read alike, the mean and the largest difference of a share."""

    texts: int
    agreement: float
    mean: float
    largest: float
    megabytes: float


def convert(model: str, revision: str | None, folder: Path, texts: Sequence[str]) -> Parity:
    """Writes `folder` and compares both on `texts`; raises OperatorError, and leaves nothing, where they do not agree."""
    if folder.exists():
        raise OperatorError(f"{folder} exists already.", "Name another folder.")
    original = HubClassifier(model, revision)
    beside = folder.with_name(folder.name + ".part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        _write(original, beside)
        parity = _compared(original, OnnxClassifier(beside), texts, beside)
        if parity.agreement < LEAST_AGREEMENT:
            raise OperatorError(
                f"In int8 it reads only {parity.agreement:.0%} of {parity.texts} texts as before.",
                f"Use it through transformers: model = {model!r}",
            )
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
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
    with TemporaryDirectory() as aside, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own inside
        plain = Path(aside) / "plain.onnx"
        torch.onnx.export(
            original.model,
            (),
            plain,
            kwargs=dict.fromkeys(names, ids),
            input_names=list(names),
            output_names=["logits"],
            dynamic_shapes=dict.fromkeys(names, shape),
            dynamo=True,
            verbose=False,
        )
        quantize_dynamic(plain, folder / "model.onnx", per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
    original.tokenizer.save_pretrained(folder)
    original.model.config.save_pretrained(folder)
    if not (folder / "tokenizer.json").exists():
        raise OperatorError("Its tokenizer has no fast form (tokenizer.json).", "Use it through transformers.")


def _compared(original: HubClassifier, copy: OnnxClassifier, texts: Sequence[str], folder: Path) -> Parity:
    languages = ["und"] * len(texts)
    before, after = original.classify(texts, languages).probabilities, copy.classify(texts, languages).probabilities
    apart = np.abs(before - after)
    return Parity(
        texts=len(texts),
        agreement=float((before.argmax(axis=1) == after.argmax(axis=1)).mean()),
        mean=float(apart.mean()),
        largest=float(apart.max()),
        megabytes=sum(file.stat().st_size for file in folder.iterdir()) / 1e6,
    )
