"""The reader: a language identifier and a classifier behind one call."""

import re
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
import numpy as np

from models.sentiment.classifier import INTENTS, LABELS, Classified, Classifier, Floats, Label
from models.sentiment.language import UNKNOWN, Identifier

LEAST: Final = 0.15
"""Log-odds below which a word is not worth naming."""

_BROKEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd]")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """`language` is a two- or three-letter code, or `und` where the text does not say; `intent` is empty where the
    classifier tells none."""

    language: str
    sentiment: Label
    negative: float
    neutral: float
    positive: float
    intent: str = ""

    @property
    def confidence(self) -> float:
        return max(self.negative, self.neutral, self.positive)


class Moved(msgspec.Struct, frozen=True):
    """A word as it stands in the text, and how much it speaks for the sentiment that was read, in log-odds."""

    word: str
    by: float


class Head(Protocol):
    """What a brand has learned on top (models.sentiment.head.BrandHead)."""

    def probabilities(self, probabilities: Floats, vectors: Floats) -> Floats: ...


class Reader:
    """Safe to call from one thread at a time; it computes, so call it off the event loop."""

    def __init__(self, identifier: Identifier, classifier: Classifier) -> None:
        self.identifier = identifier
        self.classifier = classifier

    def read(
        self,
        texts: Sequence[str],
        tags: Sequence[str | None] | None = None,
        heads: Sequence[Head | None] | None = None,
        among: Sequence[Sequence[str] | None] | None = None,
    ) -> list[Reading]:
        """One reading a text, in order. `tags` are the platforms' own language tags, which win over what the text says;
        `heads` are what the brand of each text has learned, `among` the languages it may be in."""
        texts = [_whole(text) for text in texts]
        nothing = [None] * len(texts)
        heads = heads or nothing
        spoken = zip(texts, tags or nothing, among or nothing, strict=True)
        said = [says_something(text) for text in texts]
        languages = [
            self.identifier.language(text if something else "", tag, choice)
            for (text, tag, choice), something in zip(spoken, said, strict=True)
        ]
        rows = np.tile(np.array([0, 1, 0], dtype=np.float32), (len(texts), 1))
        intents = [""] * len(texts)
        for learned in (False, True):
            here = [n for n, something in enumerate(said) if something and (heads[n] is not None) is learned]
            if here:
                found = self.classifier.classify(
                    [texts[n] for n in here], [languages[n] for n in here], vectors=learned
                )
                rows[here] = _adapted(found, [heads[n] for n in here]) if learned else found.probabilities
                for n, intent in zip(here, _intents(found), strict=True):
                    intents[n] = intent
        return [
            _reading(language, row, intent)
            for language, row, intent in zip(languages, rows.tolist(), intents, strict=True)
        ]

    def why(self, text: str, language: str, sentiment: Label, most: int = 4) -> list[Moved]:
        """The words that moved a text most towards the sentiment that was read in it, the strongest first."""
        text = _whole(text)
        if not says_something(text):
            return []
        words = text.split()
        moved = self.classifier.moved(text, language, LABELS.index(sentiment))
        order = np.argsort(-moved, kind="stable")[:most]
        return [Moved(words[n], round(float(moved[n]), 2)) for n in order if moved[n] >= LEAST]


def says_something(text: str) -> bool:
    """False for a blank, and for bytes that were no text, of which fewer became letters than broke: they are neutral, in no
    language."""
    broken = len(_BROKEN.findall(text))
    return bool(text.strip()) and (not broken or broken < sum(map(str.isalpha, text)))


def _whole(text: str) -> str:
    """Half a character is none."""
    return text.encode("utf-8", "replace").decode()


def _adapted(found: Classified, heads: Sequence[Head | None]) -> Floats:
    rows = found.probabilities.copy()
    for n, head in enumerate(heads):
        if head is not None and found.vectors is not None:
            rows[n] = head.probabilities(found.probabilities[n : n + 1], found.vectors[n : n + 1])[0]
    return rows


def _intents(found: Classified) -> list[str]:
    if found.intents is None:
        return [""] * len(found.probabilities)
    return [INTENTS[n] for n in found.intents.argmax(axis=1)]


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
