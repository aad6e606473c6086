"""The reader: a language identifier and a classifier behind one call."""

import re
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
import numpy as np

from models.sentiment.classifier import INTENTS, LABELS, Classified, Classifier, Floats, Label
from models.sentiment.language import UNKNOWN, Identifier

MIN_INFLUENCE: Final = 0.15
"""In log-odds; words with less are not listed."""

_BROKEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd]")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """`language` is a two- or three-letter code, or `und` where it is unclear; `intent` is empty where the classifier has
    none."""

    language: str
    sentiment: Label
    negative: float
    neutral: float
    positive: float
    intent: str = ""

    @property
    def confidence(self) -> float:
        return max(self.negative, self.neutral, self.positive)


class Influence(msgspec.Struct, frozen=True):
    """A word as it is in the text, and how much it counts towards the sentiment, in log-odds."""

    word: str
    weight: float


class Head(Protocol):
    """A brand's correction on top of the classifier (models.sentiment.head.BrandHead)."""

    def probabilities(self, probabilities: Floats, vectors: Floats) -> Floats: ...


class Reader:
    """Safe to call from one thread at a time; CPU-bound, so call it off the event loop."""

    def __init__(self, identifier: Identifier, classifier: Classifier) -> None:
        self.identifier = identifier
        self.classifier = classifier

    def read(
        self,
        texts: Sequence[str],
        tags: Sequence[str | None] | None = None,
        heads: Sequence[Head | None] | None = None,
        candidates: Sequence[Sequence[str] | None] | None = None,
    ) -> list[Reading]:
        """One reading per text, in order. `tags` are the platforms' language tags, which overrule detection; `heads` are the
        heads of the brands that each text concerns, `candidates` the languages it may be in."""
        texts = [_valid_unicode(text) for text in texts]
        none = [None] * len(texts)
        heads = heads or none
        readable = [has_text(text) for text in texts]
        languages = [
            self.identifier.language(text if is_readable else "", tag, choice)
            for text, is_readable, tag, choice in zip(texts, readable, tags or none, candidates or none, strict=True)
        ]
        probabilities = np.tile(np.array([0, 1, 0], dtype=np.float32), (len(texts), 1))
        intents = [""] * len(texts)
        for with_head in (False, True):
            rows = [n for n, is_readable in enumerate(readable) if is_readable and (heads[n] is not None) is with_head]
            if rows:
                classified = self.classifier.classify(
                    [texts[n] for n in rows], [languages[n] for n in rows], vectors=with_head
                )
                probabilities[rows] = (
                    _adapted(classified, [heads[n] for n in rows]) if with_head else classified.probabilities
                )
                for n, intent in zip(rows, _intents(classified), strict=True):
                    intents[n] = intent
        return [
            _reading(language, row, intent)
            for language, row, intent in zip(languages, probabilities.tolist(), intents, strict=True)
        ]

    def explain(self, text: str, language: str, sentiment: Label, limit: int = 4) -> list[Influence]:
        """The words that count most towards the sentiment that was read, the strongest first."""
        text = _valid_unicode(text)
        if not has_text(text):
            return []
        words = text.split()
        influences = self.classifier.influences(text, language, LABELS.index(sentiment))
        order = np.argsort(-influences, kind="stable")[:limit]
        return [Influence(words[n], round(float(influences[n]), 2)) for n in order if influences[n] >= MIN_INFLUENCE]


def has_text(text: str) -> bool:
    """False for blank text, and for binary content, which has no more letters than undecodable characters: both are read as
    neutral, in no language."""
    broken = len(_BROKEN.findall(text))
    return bool(text.strip()) and (not broken or broken < sum(map(str.isalpha, text)))


def _valid_unicode(text: str) -> str:
    """Lone surrogates become question marks."""
    return text.encode("utf-8", "replace").decode()


def _adapted(classified: Classified, heads: Sequence[Head | None]) -> Floats:
    """The probabilities, corrected by each text's head."""
    probabilities = classified.probabilities.copy()
    for n, head in enumerate(heads):
        if head is not None and classified.vectors is not None:
            row = slice(n, n + 1)
            probabilities[n] = head.probabilities(classified.probabilities[row], classified.vectors[row])[0]
    return probabilities


def _intents(classified: Classified) -> list[str]:
    if classified.intents is None:
        return [""] * len(classified.probabilities)
    return [INTENTS[n] for n in classified.intents.argmax(axis=1)]


def _reading(language: str, row: list[float], intent: str) -> Reading:
    negative, neutral, positive = row
    label = LABELS[row.index(max(row))]
    return Reading(
        language=language or UNKNOWN,
        sentiment=label,
        negative=negative,
        neutral=neutral,
        positive=positive,
        intent=intent,
    )
