import numpy as np
import pytest

from models.errors import OperatorError
from models.sentiment import calibration
from models.sentiment.calibration import Calibrated, Calibration
from models.sentiment.classifier import Classified
from models.sentiment.measuring import bootstrap, confusion, ece, figures, macro_f1, macro_recall

CHANCE = np.random.default_rng(3)


class Boastful:
    """Always 98 % sure, right seven times of ten."""

    name = "boastful"

    def classify(self, texts, languages, *, vectors=False):
        shares = np.full((len(texts), 3), 0.01, np.float32)
        shares[np.arange(len(texts)), [int(text) for text in texts]] = 0.98
        return Classified(shares)

    def moved(self, text, language, label):
        return np.zeros(1, np.float32)


def test_a_boastful_model_learns_modesty_and_reads_the_same():
    said = CHANCE.integers(0, 3, 600)
    true = np.where(CHANCE.random(600) < 0.7, said, (said + 1) % 3)
    texts, languages = [str(label) for label in said], ["it"] * 580 + ["tlh"] * 20
    before = Boastful().classify(texts, languages).probabilities
    heat = calibration.temperatures(before, list(true), languages)
    assert set(heat) == {"und", "it"}  # twenty texts of a language are too few for one of its own
    after = Calibrated(Boastful(), heat).classify(texts, languages).probabilities
    assert ece(true, before) > 0.2
    assert ece(true, after) < 0.05
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()


def test_a_calibration_is_used_for_its_own_model_only(tmp_path):
    path = tmp_path / "c.json"
    assert calibration.kept(path, "m") == {}
    calibration.keep(path, Calibration("m", {"und": 2.0}))
    assert calibration.kept(path, "m") == {"und": 2.0}
    assert calibration.kept(path, "another") == {}
    path.write_text("{")
    with pytest.raises(OperatorError, match="calibrate"):
        calibration.kept(path, "m")


def test_figures_are_those_of_the_textbook():
    true, said = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0])
    assert confusion(true, said).tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert macro_recall(true, said) == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert macro_f1(true, said) == pytest.approx((2 * 2 / 6 + 2 * 2 / 5 + 0) / 3)
    low, high = bootstrap(macro_f1, true, said)
    assert 0 <= low < macro_f1(true, said) < high <= 1


def test_a_reader_that_is_right_and_sure_has_no_calibration_error():
    shares = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    found = figures([0, 1, 2], shares)
    assert (found.accuracy, found.macro_f1, found.ece, found.negative_recall) == (100.0, 100.0, 0.0, 100.0)
    assert figures([0, 0], np.array([[0.6, 0.4, 0]] * 2, np.float32)).ece == pytest.approx(0.4, abs=1e-6)


def test_nothing_at_all_has_figures_too():
    found = figures([], np.zeros((0, 3), np.float32))
    assert (found.texts, found.macro_f1, found.ece) == (0, 0.0, 0.0)
