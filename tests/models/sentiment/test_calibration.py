import numpy as np
import pytest

from models.errors import OperatorError
from models.sentiment import calibration
from models.sentiment.calibration import Calibrated, Calibration
from models.sentiment.classifier import Classified
from models.sentiment.evaluation import bootstrap, confusion, ece, evaluate, macro_f1, macro_recall

RNG = np.random.default_rng(3)


class OverconfidentClassifier:
    """Always 98 % confident; predicts the digit that is the text."""

    name = "overconfident"

    def classify(self, texts, languages, *, vectors=False):
        probabilities = np.full((len(texts), 3), 0.01, np.float32)
        probabilities[np.arange(len(texts)), [int(text) for text in texts]] = 0.98
        return Classified(probabilities)

    def influences(self, text, language, label):
        return np.zeros(1, np.float32)


def test_calibration_lowers_the_confidence_and_keeps_the_labels():
    predicted = RNG.integers(0, 3, 600)
    true = np.where(RNG.random(600) < 0.7, predicted, (predicted + 1) % 3)  # right seven times out of ten
    texts, languages = [str(label) for label in predicted], ["it"] * 580 + ["tlh"] * 20
    before = OverconfidentClassifier().classify(texts, languages).probabilities
    temperatures = calibration.temperatures(before, list(true), languages)
    assert set(temperatures) == {"und", "it"}  # twenty texts of a language are too few for one of its own
    after = Calibrated(OverconfidentClassifier(), temperatures).classify(texts, languages).probabilities
    assert ece(true, before) > 0.2
    assert ece(true, after) < 0.05
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()


def test_a_calibration_is_used_only_for_the_model_it_was_fitted_on(tmp_path):
    path = tmp_path / "c.json"
    assert calibration.load_temperatures(path, "m") == {}
    calibration.save(path, Calibration("m", {"und": 2.0}))
    assert calibration.load_temperatures(path, "m") == {"und": 2.0}
    assert calibration.load_temperatures(path, "another") == {}
    path.write_text("{")
    with pytest.raises(OperatorError, match="calibrate"):
        calibration.load_temperatures(path, "m")


def test_metrics_match_values_computed_by_hand():
    true, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0])
    assert confusion(true, predicted).tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert macro_recall(true, predicted) == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert macro_f1(true, predicted) == pytest.approx((2 * 2 / 6 + 2 * 2 / 5 + 0) / 3)
    low, high = bootstrap(macro_f1, true, predicted)
    assert 0 <= low < macro_f1(true, predicted) < high <= 1


def test_a_classifier_that_is_right_and_certain_has_no_calibration_error():
    probabilities = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    result = evaluate([0, 1, 2], probabilities)
    assert (result.accuracy, result.macro_f1, result.ece, result.negative_recall) == (100.0, 100.0, 0.0, 100.0)
    assert evaluate([0, 0], np.array([[0.6, 0.4, 0]] * 2, np.float32)).ece == pytest.approx(0.4, abs=1e-6)


def test_no_texts_can_be_evaluated():
    result = evaluate([], np.zeros((0, 3), np.float32))
    assert (result.texts, result.macro_f1, result.ece) == (0, 0.0, 0.0)
