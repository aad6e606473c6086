"""Training steps of the encoder."""

from pathlib import Path

import numpy as np
import pytest

from models.sentiment.training.datasets import PAIRS, Example, Pair

pytestmark = pytest.mark.torch


def test_the_target_of_a_line_is_the_prediction_for_its_english_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("torch", reason="the train extra is not installed: pip install 'ascolto[train]'")
    from models.sentiment.training import pipeline

    run = object.__new__(pipeline.Run)
    run.work, run.tokenizer = tmp_path, None
    run.pairs = [
        Pair("what a day", "che giornata", "it"),
        Pair("go away now", "vattene subito", "it"),
        Pair("what a day", "ce zi", "ro"),
    ]

    def predict(_model, texts, _tokenizer):
        logits = 50 * np.eye(3, dtype=np.float32)[[len(text) % 3 for text in texts]]
        return logits, logits, logits

    monkeypatch.setattr(pipeline, "_load", lambda *_: None)
    monkeypatch.setattr(pipeline.encoder, "predict", predict)
    pipeline._predict_pairs(run, tmp_path / "pair-predictions.npz")

    projected = {e.text: e for e in pipeline._projected_rows(run)}
    assert set(projected) == {"che giornata", "vattene subito", "ce zi"}
    for pair in run.pairs:
        example = projected[pair.other]
        assert (example.language, example.source) == (pair.language, PAIRS)
        assert example.soft_label.index(pytest.approx(1.0)) == len(pair.english) % 3


@pytest.mark.parametrize(
    ("example", "target"),
    [(Example("x", 1, "it"), [0.0, 1.0, 0.0]), (Example("x", 0, "it", soft_label=(0.2, 0.3, 0.5)), [0.2, 0.3, 0.5])],
)
def test_a_soft_label_replaces_the_label(example: Example, target: list[float]):
    pytest.importorskip("torch", reason="the train extra is not installed: pip install 'ascolto[train]'")
    from models.sentiment.training.encoder import _target

    assert _target(example) == pytest.approx(target)


@pytest.mark.parametrize("supported", [True, False])
def test_bfloat16_is_used_only_on_processors_with_instructions_for_it(supported: bool, monkeypatch: pytest.MonkeyPatch):
    torch = pytest.importorskip("torch", reason="the train extra is not installed: pip install 'ascolto[train]'")
    from models.sentiment.training import encoder

    monkeypatch.setattr(encoder, "_device", lambda: "cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": supported})
    with encoder._autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)

    assert product.dtype == (torch.bfloat16 if supported else torch.float32)
