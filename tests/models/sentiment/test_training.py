"""What the encoder is taught beside labels."""

from pathlib import Path

import numpy as np
import pytest

from models.sentiment.training.sets import PAIRS, Example, Pair

pytestmark = pytest.mark.torch


def test_a_line_is_taught_as_what_the_encoder_made_of_its_english_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("torch", reason="the train extra is not installed: pip install 'ascolto[train]'")
    from models.sentiment.training import making as steps

    making = object.__new__(steps.Making)
    making.work, making.cutter = tmp_path, None
    making.pairs = [
        Pair("what a day", "che giornata", "it"),
        Pair("go away now", "vattene subito", "it"),
        Pair("what a day", "ce zi", "ro"),
    ]

    def predict(_model, texts, _cutter):
        logits = 50 * np.eye(3, dtype=np.float32)[[len(text) % 3 for text in texts]]
        return logits, logits, logits

    monkeypatch.setattr(steps, "_loaded", lambda *_: None)
    monkeypatch.setattr(steps.encoder, "predict", predict)
    steps._tell(making, tmp_path / "told.npz")

    projected = {e.text: e for e in steps._projected(making)}
    assert set(projected) == {"che giornata", "vattene subito", "ce zi"}
    for pair in making.pairs:
        example = projected[pair.other]
        assert (example.language, example.source) == (pair.language, PAIRS)
        assert example.shares.index(pytest.approx(1.0)) == len(pair.english) % 3


@pytest.mark.parametrize(
    ("example", "wanted"),
    [(Example("x", 1, "it"), [0.0, 1.0, 0.0]), (Example("x", 0, "it", shares=(0.2, 0.3, 0.5)), [0.2, 0.3, 0.5])],
)
def test_what_was_told_of_a_line_stands_for_its_label(example: Example, wanted: list[float]):
    pytest.importorskip("torch", reason="the train extra is not installed: pip install 'ascolto[train]'")
    from models.sentiment.training.encoder import _wanted

    assert _wanted(example) == pytest.approx(wanted)


@pytest.mark.parametrize("able", [True, False])
def test_a_processor_computes_in_half_the_bits_only_where_it_has_instructions_for_them(
    able: bool, monkeypatch: pytest.MonkeyPatch
):
    torch = pytest.importorskip("torch", reason="the train extra is not installed: pip install 'ascolto[train]'")
    from models.sentiment.training import encoder

    monkeypatch.setattr(encoder, "_device", lambda: "cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": able})
    with encoder._fast():
        made = torch.ones(2, 2) @ torch.ones(2, 2)

    assert made.dtype == (torch.bfloat16 if able else torch.float32)
