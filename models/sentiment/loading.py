"""From a line of settings to a reader."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.sentiment.calibration import Calibrated
from models.sentiment.calibration import kept as temperatures_kept
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
    """The bundled model, a folder (transformers or ONNX), or a model of the Hugging Face hub by its name, with the
    temperatures that `calibration` holds for it; raises OperatorError with the step to take."""
    found = classifier(model, revision)
    known = temperatures_kept(calibration, found.name) if calibration else {}
    return Reader(Identifier(languages), Calibrated(found, known) if known else found)


def classifier(model: str, revision: str | None = None) -> Classifier:
    if model == BUNDLED:
        from models.sentiment.pair import Pair

        return Pair.load()
    folder = Path(model).expanduser()
    if (folder / "model.onnx").exists():
        from models.sentiment.onnx import OnnxClassifier

        return OnnxClassifier(folder)
    from models.sentiment.hub import HubClassifier

    return HubClassifier(model, revision)
