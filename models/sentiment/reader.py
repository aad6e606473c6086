"""The reader: a language identifier and a classifier behind one call."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from models.sentiment.language import UNKNOWN, Identifier

Label = Literal["negative", "neutral", "positive"]
LABELS: Final[tuple[Label, ...]] = ("negative", "neutral", "positive")
Probabilities = npt.NDArray[np.float32]
"""One row a text, one column a label in the order of LABELS; rows sum to 1."""

BUNDLED: Final = "bundled"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """`language` is a two- or three-letter code, or `und` where the text does not say."""

    language: str
    sentiment: Label
    negative: float
    neutral: float
    positive: float

    @property
    def confidence(self) -> float:
        return max(self.negative, self.neutral, self.positive)


class Classifier(Protocol):
    """Polarity only; texts are never empty, languages are codes or `und`."""

    name: str

    def probabilities(self, texts: Sequence[str], languages: Sequence[str]) -> Probabilities: ...


class Reader:
    """Safe to call from one thread at a time; it computes, so call it off the event loop."""

    def __init__(self, identifier: Identifier, classifier: Classifier) -> None:
        self.identifier = identifier
        self.classifier = classifier

    def read(self, texts: Sequence[str], tags: Sequence[str | None] | None = None) -> list[Reading]:
        """One reading a text, in order. `tags` are the platforms' own language tags, which win over what the text says."""
        texts = [text.encode("utf-8", "replace").decode() for text in texts]  # half a character is none
        tags = tags or [None] * len(texts)
        languages = [self.identifier.language(text, tag) for text, tag in zip(texts, tags, strict=True)]
        spoken = [n for n, text in enumerate(texts) if any(not c.isspace() for c in text)]
        rows = np.tile(np.array([0, 1, 0], dtype=np.float32), (len(texts), 1))
        if spoken:
            rows[spoken] = self.classifier.probabilities([texts[n] for n in spoken], [languages[n] for n in spoken])
        return [_reading(language, row) for language, row in zip(languages, rows.tolist(), strict=True)]


def _reading(language: str, row: list[float]) -> Reading:
    negative, neutral, positive = row
    label = LABELS[row.index(max(row))]
    return Reading(language=language or UNKNOWN, sentiment=label, negative=negative, neutral=neutral, positive=positive)


def load(model: str = BUNDLED, languages: Sequence[str] = ("it", "ro", "en"), revision: str | None = None) -> Reader:
    """The bundled model, a folder, or a model of the Hugging Face hub by its name; raises OperatorError with the step to take."""
    identifier = Identifier(languages)
    if model == BUNDLED:
        from models.sentiment.ngrams import NgramClassifier

        return Reader(identifier, NgramClassifier.load(Path(__file__).parent / "ngrams.npz"))
    from models.sentiment.hub import HubClassifier

    return Reader(identifier, HubClassifier(model, revision))
