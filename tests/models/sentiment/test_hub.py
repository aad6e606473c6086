"""Transformers models, with a tiny one that is created here. Needs the torch extra."""

import json
from pathlib import Path

import pytest
from conftest import needed

from models.errors import OperatorError
from models.sentiment import load

torch = needed("torch", "the torch extra is not installed: pip install 'ascolto[torch]'")
transformers = needed("transformers", "the torch extra is not installed: pip install 'ascolto[torch]'")
pytestmark = pytest.mark.torch

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "male", "bene", "treno", "il", "va"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        num_labels=3, id2label={0: "Positive", 1: "Neutral", 2: "Negative"},
        label2id={"Positive": 0, "Neutral": 1, "Negative": 2},
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertForSequenceClassification(config).save_pretrained(folder, safe_serialization=True)
    return folder


def test_a_model_in_a_folder_is_loaded_and_its_labels_are_mapped_by_name(folder: Path):
    reader = load(str(folder), ("it", "en"))
    texts = ["il treno va male", "bene", "", "il treno va bene " * 400]
    readings = reader.read(texts, ["it"] * 4)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(texts[0], return_tensors="pt")
    with torch.inference_mode():
        positive, neutral, negative = model(**tokens).logits.softmax(-1)[0].tolist()
    assert readings[0].negative == pytest.approx(negative, abs=1e-4)
    assert readings[0].positive == pytest.approx(positive, abs=1e-4)
    assert readings[0].neutral == pytest.approx(neutral, abs=1e-4)
    assert readings[2].neutral == 1.0


def _copy(folder: Path, to: Path) -> Path:
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_truncated_weights_are_refused(folder: Path, tmp_path: Path):
    weights = _copy(folder, tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(OperatorError, match="could not be loaded"):
        load(str(tmp_path))


def test_unknown_labels_are_refused(folder: Path, tmp_path: Path):
    config = _copy(folder, tmp_path) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "id2label": {"0": "a", "1": "b", "2": "c"}}))
    with pytest.raises(OperatorError, match="cannot be mapped"):
        load(str(tmp_path))


def test_pickled_weights_are_refused(folder: Path, tmp_path: Path):
    _copy(folder, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(OperatorError, match="safetensors"):
        load(str(tmp_path))


def test_code_from_a_models_repository_is_not_run(folder: Path, tmp_path: Path):
    config = _copy(folder, tmp_path) / "config.json"
    evil = {
        **json.loads(config.read_text()),
        "model_type": "evil",
        "auto_map": {"AutoConfig": "evil.Evil", "AutoModelForSequenceClassification": "evil.Evil"},
    }
    config.write_text(json.dumps(evil))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    with pytest.raises(OperatorError):
        load(str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_missing_folder_is_reported():
    with pytest.raises(OperatorError, match="no folder"):
        load("./nowhere/at/all")


def test_influential_words_are_measured_by_leaving_them_out(folder: Path):
    reader = load(str(folder), ("it", "en"))
    influences = reader.classifier.influences("il treno va male", "it", 0)
    assert influences.shape == (4,)
    assert float(abs(influences).max()) > 0


def test_an_exported_model_classifies_alike_without_pytorch(folder: Path, tmp_path: Path):
    needed("onnx", "the train extra is not installed: pip install 'ascolto[train]'")
    needed("onnxscript", "the train extra is not installed: pip install 'ascolto[train]'")
    from models.sentiment.conversion import convert

    texts = ["il treno va male", "bene", "il treno va bene", "male male", "va il treno", "il"] * 4
    parity = convert(str(folder), None, tmp_path / "out", texts)
    assert parity.agreement >= 0.95
    before, after = load(str(folder)), load(str(tmp_path / "out"))
    for text in texts[:6]:
        assert after.read([text], ["it"])[0].negative == pytest.approx(
            before.read([text], ["it"])[0].negative, abs=0.05
        )
    with pytest.raises(OperatorError, match="exists already"):
        convert(str(folder), None, tmp_path / "out", texts)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
