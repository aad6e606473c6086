"""What the encoder is taught is what nobody had told the teacher."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from models.sentiment.training.sets import PAIRS, Example, Pair

pytestmark = pytest.mark.torch

TEXTS = [f"treno numero {n}" for n in range(40)]


@pytest.fixture
def making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Forty rows, each twice an epoch, and two pairs of lines; models are the numbers of their teachers."""
    pytest.importorskip("torch", reason="the train extra is not installed: pip install 'ascolto[train]'")
    from models.sentiment.training import making as steps

    made = object.__new__(steps.Making)
    made.work, made.teachers, made.jobs = tmp_path, 3, 1
    made.train = {"it-umsab": [Example(text, 2, "it", source="umsab") for text in TEXTS]}
    made.pairs = [Pair("what a day", "che giornata", "it"), Pair("go away", "vattene", "it")]
    made.always, made.validation, made.cutter = [], {}, None
    monkeypatch.setattr(steps, "_loaded", lambda _making, name: SimpleNamespace(name=name, state_dict=dict))
    return made


def test_a_teacher_says_nothing_of_what_it_was_tuned_on(making, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from models.sentiment.training import making as steps

    tuned: list[set[str]] = []
    asked: list[list[str]] = []

    def predict(model, texts, _cutter):
        asked.append(texts)
        number = int(model.name[len("teacher-")])
        logits = np.zeros((len(texts), 3), np.float32)
        logits[:, number] = 50
        return logits, logits, logits

    monkeypatch.setattr(steps.encoder, "tune", lambda _model, rows, *_: tuned.append({row.text for row in rows}))
    monkeypatch.setattr(steps.encoder, "predict", predict)
    for number in range(making.teachers):
        steps._teach(making, number, tmp_path / f"teacher-{number}.pt")
    steps._ask(making, tmp_path / "shares.npz")

    for number, (seen, rows) in enumerate(zip(tuned, asked[::2], strict=True)):
        assert rows, number
        assert not seen & set(rows)
        assert seen | set(rows) == set(TEXTS)
    assert sorted(text for rows in asked[::2] for text in rows) == sorted(TEXTS)

    taught = steps._taught(making)
    rows = {e.text: e for e in taught if e.source != PAIRS}
    for number, texts in enumerate(asked[::2]):
        assert all(rows[text].shares.index(1.0) == number for text in texts)
    lines = [e for e in taught if e.source == PAIRS]
    assert {e.text for e in lines} == {"che giornata", "vattene"}
    assert all(e.shares == pytest.approx([1 / 3] * 3) for e in lines)


@pytest.mark.parametrize(
    ("example", "wanted"),
    [
        (Example("x", 0, "it"), [1.0, 0.0, 0.0]),
        (Example("x", 0, "it", shares=(0.2, 0.3, 0.5)), [0.6, 0.15, 0.25]),
        (Example("x", 0, "it", source=PAIRS, shares=(0.2, 0.3, 0.5)), [0.2, 0.3, 0.5]),
    ],
)
def test_labels_and_teachers_share_what_is_wanted(example: Example, wanted: list[float]):
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
