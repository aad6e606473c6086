"""Builds a reader from the settings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.sentiment.calibration import Calibrated, load_temperatures
from models.sentiment.classifier import Classifier
from models.sentiment.language import Identifier
from models.sentiment.reader import Reader

BUNDLED: Final = "bundled"


def load(
    model: str = BUNDLED,
    languages: Sequence[str] = ("it", "ro", "en"),
    revision: str | None = None,
    calibration: Path | None = None,
) -> Reader:
    """The bundled model, a folder (transformers or ONNX), or a model of the Hugging Face hub by its name, with its
    temperatures from the file `calibration`; raises OperatorError with the step to take."""
    classifier = load_classifier(model, revision)
    temperatures = load_temperatures(calibration, classifier.name) if calibration else {}
    return Reader(Identifier(languages), Calibrated(classifier, temperatures) if temperatures else classifier)


def load_classifier(model: str, revision: str | None = None) -> Classifier:
    if model == BUNDLED:
        from models.sentiment.ensemble import Ensemble

        return Ensemble.load()
    folder = Path(model).expanduser()
    if (folder / "model.onnx").exists():
        from models.sentiment.onnx import OnnxClassifier

        return OnnxClassifier(folder)
    from models.sentiment.hub import HubClassifier

    return HubClassifier(model, revision)
