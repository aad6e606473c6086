"""The bundled classifier and its two models."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import OperatorError
from models.sentiment.classifier import odds, softmax
from models.sentiment.ensemble import FOLDER, Ensemble, Proportion
from models.sentiment.ngrams import Ngrams, hash_ngrams, sentiment_buckets
from models.sentiment.normalization import is_shouting, normalize, separate_emoji

ENSEMBLE = Ensemble.load()


def test_the_bundled_files_are_small_enough_for_the_repository():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 22_000_000


def test_it_loads_in_a_second():
    started = time.perf_counter()
    Ensemble.load()
    assert time.perf_counter() - started < 3  # a third of that on a quiet machine


def test_onnxruntime_stores_no_telemetry(tmp_path):
    """It stores what it is about to send, and an id of the machine, in a folder of its own; but not if it detects a test run, so
    this one gets an environment without such variables."""
    program = "from models.sentiment.ensemble import Ensemble; Ensemble.load().classify(['late again'], ['en'])"
    folders = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"), str(tmp_path))
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(sys.path), **folders}
    subprocess.run([sys.executable, "-B", "-c", program], env=environment, check=True, timeout=60)
    assert not list(tmp_path.rglob("*"))


def test_diacritics_case_and_cedillas_are_normalized():
    assert normalize("MULȚUMESC și așa") == normalize("multumesc si asa") == normalize("mulţumesc şi aşa")


def test_links_handles_and_repeated_letters_are_normalized():
    assert normalize("@Ana.B guardaaaa https://x.example/a?b=1 !!!!") == "@user guardaa http !!"
    assert separate_emoji("ok👍👍") == "ok 👍  👍 "


def test_shouting_is_recognized_by_its_capitals():
    assert is_shouting("VERGOGNA VERGOGNA")
    assert not is_shouting("Vergogna, ATM")
    assert not is_shouting("OK")


def test_a_languages_buckets_come_after_the_shared_ones():
    hashes, values = hash_ngrams("buono")
    shared, _ = sentiment_buckets(hashes, values, "und")
    buckets, all_values = sentiment_buckets(hashes, values, "it")
    assert list(buckets[: len(shared)]) == list(shared)
    assert len(buckets) == 2 * len(shared) == len(all_values)


@given(st.text(max_size=200), st.sampled_from(["it", "ro", "en", "und", "xx"]))
def test_the_influences_of_the_words_add_up_to_the_ngram_logits(text: str, language: str):
    [logits], _ = ENSEMBLE.ngrams.logits([text], [language])
    added = ENSEMBLE.ngrams.influences(text, language)
    assert np.allclose(added.sum(axis=0) + ENSEMBLE.ngrams.sentiment.bias, logits, atol=1e-3)


def test_the_decisive_word_has_the_largest_influence():
    text = "il pacco di ieri: servizio pessimo davvero"
    influences = ENSEMBLE.influences(text, "it", 0)
    assert len(influences) == len(text.split())
    assert text.split()[int(influences.argmax())] == "pessimo"


def test_a_megabyte_costs_no_more_than_a_page():
    started = time.perf_counter()
    ENSEMBLE.classify(["ritardo " * 130_000], ["it"])
    ENSEMBLE.influences("ritardo " * 2_000, "it", 0)
    assert time.perf_counter() - started < 5


def test_the_encoder_is_skipped_when_the_ngrams_are_confident():
    class RecordingEncoder:
        texts: list[str] = []  # noqa: RUF012

        def encode(self, texts):
            self.texts += texts
            return ENSEMBLE.encoder.encode(texts)

    encoder = RecordingEncoder()
    always_confident = msgspec.structs.replace(ENSEMBLE.mix, gate=0.0)
    Ensemble(ENSEMBLE.ngrams, encoder, always_confident, "t").classify(["il treno"], ["it"])
    assert encoder.texts == []
    classified = Ensemble(ENSEMBLE.ngrams, encoder, always_confident, "t").classify(["il treno"], ["it"], vectors=True)
    assert encoder.texts == ["il treno"]
    assert classified.vectors is not None
    never_confident = msgspec.structs.replace(ENSEMBLE.mix, gate=2.0)
    Ensemble(ENSEMBLE.ngrams, encoder, never_confident, "t").classify(["a", "b"], ["it", "und"])
    assert encoder.texts[1:] == ["a", "b"]


def test_an_unknown_language_is_classified_with_the_shared_weights():
    texts = ["servizio pessimo"] * 2
    probabilities = ENSEMBLE.classify(texts, ["und", "tlh"]).probabilities
    assert probabilities.shape == (2, 3)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-4)


def _copy(to: Path) -> Path:
    return Path(shutil.copytree(FOLDER, to / "bundled"))


@pytest.mark.parametrize("name", ["ngrams.npz", "encoder.onnx", "mix.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "of another version"])
def test_a_damaged_part_is_an_error_with_a_fix(tmp_path: Path, name: str, damage: str):
    part = _copy(tmp_path) / name
    if damage == "missing":
        part.unlink()
    elif damage == "truncated":
        part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    elif damage == "empty":
        part.write_bytes(b"")
    elif name == "mix.json":
        part.write_bytes(msgspec.json.encode({**msgspec.json.decode(part.read_bytes()), "format": 99}))
    elif name == "ngrams.npz":
        np.savez(part, format=99)
    else:
        part.write_bytes(part.read_bytes().replace(b"format\x12\x011", b"format\x12\x019"))
    with pytest.raises(OperatorError, match="Install Ascolto again"):
        Ensemble.load(part.parent)


def test_a_saved_ngram_model_loads_with_the_same_predictions(tmp_path: Path):
    ENSEMBLE.ngrams.save(tmp_path / "n.npz")
    loaded = Ngrams.load(tmp_path / "n.npz")
    assert np.array_equal(loaded.logits(["male"], ["it"])[0], ENSEMBLE.ngrams.logits(["male"], ["it"])[0])


def test_texts_of_all_lengths_are_encoded_in_order():
    texts = ["ok", "parola " * 200, "il treno è in ritardo", "🤬", "x" * 5_000]
    together = ENSEMBLE.encoder.encode(texts).vector
    alone = np.concatenate([ENSEMBLE.encoder.encode([text]).vector for text in texts])
    # Activations are rounded per batch: similar, not identical.
    similarity = together @ alone.T / np.outer(np.linalg.norm(together, axis=1), np.linalg.norm(alone, axis=1))
    assert similarity.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]


def test_proportions_and_odds_follow_their_formulas():
    logits = np.array([[2.0, 0.0, 0.0]], np.float32)
    probability = float(softmax(logits)[0, 0])
    assert float(odds(logits, 0)[0]) == pytest.approx(np.log(probability / (1 - probability)), abs=1e-5)
    half = Proportion(0.5, 0.0, (0.0, 0.0, 0.0)).logits(logits, np.zeros_like(logits))
    assert softmax(half)[0, 0] == pytest.approx(np.e / (np.e + 2), abs=1e-5)
