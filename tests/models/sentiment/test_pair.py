"""The bundled classifier and its two tiers."""

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
from models.sentiment.ngrams import Ngrams, both, grams_of
from models.sentiment.normalizing import is_loud, normalize, spaced
from models.sentiment.pair import FOLDER, Pair, Proportion

PAIR = Pair.load()


def test_it_stays_within_what_a_checkout_can_carry():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 22_000_000


def test_it_loads_in_a_second():
    began = time.perf_counter()
    Pair.load()
    assert time.perf_counter() - began < 3  # a third of that on a quiet machine


def test_nobody_is_told_that_it_was_used(tmp_path):
    """onnxruntime keeps what it means to send, and a number for the machine, in a folder of its own; not where it believes itself
    tested, which its surroundings here must not let it."""
    program = "from models.sentiment.pair import Pair; Pair.load().classify(['late again'], ['en'])"
    homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"), str(tmp_path))
    surroundings = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(sys.path), **homes}
    subprocess.run([sys.executable, "-B", "-c", program], env=surroundings, check=True, timeout=60)
    assert not list(tmp_path.rglob("*"))


def test_diacritics_case_and_cedillas_are_one_spelling():
    assert normalize("MULȚUMESC și așa") == normalize("multumesc si asa") == normalize("mulţumesc şi aşa")


def test_links_handles_and_long_letters_are_made_alike():
    assert normalize("@Ana.B guardaaaa https://x.example/a?b=1 !!!!") == "@user guardaa http !!"
    assert spaced("ok👍👍") == "ok 👍  👍 "


def test_shouting_is_heard_though_case_is_folded():
    assert is_loud("VERGOGNA VERGOGNA")
    assert not is_loud("Vergogna, ATM")
    assert not is_loud("OK")


def test_a_languages_own_weights_are_beside_the_shared_ones():
    grams, values = grams_of("buono")
    shared, _ = both(grams, values, "und")
    doubled, doubled_values = both(grams, values, "it")
    assert list(doubled[: len(shared)]) == list(shared)
    assert len(doubled) == 2 * len(shared) == len(doubled_values)


@given(st.text(max_size=200), st.sampled_from(["it", "ro", "en", "und", "xx"]))
def test_what_the_words_add_up_to_is_exactly_what_the_ngrams_said(text: str, language: str):
    [logits], _ = PAIR.ngrams.logits([text], [language])
    added = PAIR.ngrams.moved(text, language)
    assert np.allclose(added.sum(axis=0) + PAIR.ngrams.sentiment.bias, logits, atol=1e-3)


def test_the_word_that_matters_is_the_one_that_is_named():
    text = "il pacco di ieri: servizio pessimo davvero"
    moved = PAIR.moved(text, "it", 0)
    assert len(moved) == len(text.split())
    assert text.split()[int(moved.argmax())] == "pessimo"


def test_a_megabyte_costs_no_more_than_a_page():
    began = time.perf_counter()
    PAIR.classify(["ritardo " * 130_000], ["it"])
    PAIR.moved("ritardo " * 2_000, "it", 0)
    assert time.perf_counter() - began < 5


def test_the_gate_spares_the_encoder_when_the_ngrams_are_sure():
    class Asked:
        texts: list[str] = []  # noqa: RUF012

        def encode(self, texts):
            self.texts += texts
            return PAIR.encoder.encode(texts)

    asked = Asked()
    sure = msgspec.structs.replace(PAIR.mix, gate=0.0)
    Pair(PAIR.ngrams, asked, sure, "t").classify(["il treno"], ["it"])
    assert asked.texts == []
    found = Pair(PAIR.ngrams, asked, sure, "t").classify(["il treno"], ["it"], vectors=True)
    assert asked.texts == ["il treno"]
    assert found.vectors is not None
    never = msgspec.structs.replace(PAIR.mix, gate=2.0)
    Pair(PAIR.ngrams, asked, never, "t").classify(["a", "b"], ["it", "und"])
    assert asked.texts[1:] == ["a", "b"]


def test_a_language_nobody_measured_is_read_in_the_shared_proportion():
    texts = ["servizio pessimo"] * 2
    found = PAIR.classify(texts, ["und", "tlh"]).probabilities
    assert found.shape == (2, 3)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-4)


def _copy(to: Path) -> Path:
    return Path(shutil.copytree(FOLDER, to / "bundled"))


@pytest.mark.parametrize("name", ["ngrams.npz", "encoder.onnx", "mix.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "of another version"])
def test_a_damaged_part_is_an_error_with_a_step_and_never_a_silent_guess(tmp_path: Path, name: str, damage: str):
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
        Pair.load(part.parent)


def test_parts_save_and_load_alike(tmp_path: Path):
    PAIR.ngrams.save(tmp_path / "n.npz")
    again = Ngrams.load(tmp_path / "n.npz")
    assert np.array_equal(again.logits(["male"], ["it"])[0], PAIR.ngrams.logits(["male"], ["it"])[0])


def test_texts_of_all_lengths_come_back_in_their_order():
    texts = ["ok", "parola " * 200, "il treno è in ritardo", "🤬", "x" * 5_000]
    together = PAIR.encoder.encode(texts).vector
    alone = np.concatenate([PAIR.encoder.encode([text]).vector for text in texts])
    # Activations are rounded by the batch they stand in: alike, not the same.
    likeness = together @ alone.T / np.outer(np.linalg.norm(together, axis=1), np.linalg.norm(alone, axis=1))
    assert likeness.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]


def test_proportions_and_odds_are_what_their_formulas_say():
    logits = np.array([[2.0, 0.0, 0.0]], np.float32)
    share = float(softmax(logits)[0, 0])
    assert float(odds(logits, 0)[0]) == pytest.approx(np.log(share / (1 - share)), abs=1e-5)
    half = Proportion(0.5, 0.0, (0.0, 0.0, 0.0)).logits(logits, np.zeros_like(logits))
    assert softmax(half)[0, 0] == pytest.approx(np.e / (np.e + 2), abs=1e-5)
