"""Folders with ONNX models that are damaged or of the wrong kind are refused."""

import json
import shutil
from pathlib import Path

import pytest

from models.errors import OperatorError
from models.sentiment import load
from models.sentiment.ensemble import FOLDER

LABELS = {"id2label": {"0": "negative", "1": "neutral", "2": "positive"}}


def folder(tmp_path: Path, model: bytes, config: object = LABELS, tokenizer: str = "") -> Path:
    (tmp_path / "model.onnx").write_bytes(model)
    (tmp_path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    if tokenizer:
        (tmp_path / "tokenizer.json").write_text(tokenizer)
    return tmp_path


def test_a_file_that_is_not_onnx_is_refused(tmp_path: Path):
    with pytest.raises(OperatorError, match="could not be loaded"):
        load(str(folder(tmp_path, b"not onnx", tokenizer=TOKENIZER)))


def test_a_missing_tokenizer_is_reported(tmp_path: Path):
    with pytest.raises(OperatorError, match=r"tokenizer\.json"):
        load(str(folder(tmp_path, b"")))


@pytest.mark.parametrize("config", ["", "{", "{}", '{"id2label": 3}'])
def test_a_broken_config_is_refused(tmp_path: Path, config: str):
    with pytest.raises(OperatorError, match="could not be loaded"):
        load(str(folder(tmp_path, b"", config, TOKENIZER)))


def test_a_model_of_another_kind_is_refused(tmp_path: Path):
    shutil.copy(FOLDER / "encoder.onnx", tmp_path / "model.onnx")
    folder(tmp_path, (tmp_path / "model.onnx").read_bytes(), LABELS, TOKENIZER)
    with pytest.raises(OperatorError, match="not a text classifier"):
        load(str(tmp_path))


TOKENIZER = json.dumps(
    {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1}, "unk_token": "[UNK]"},
    }
)
