"""Which words moved a classifier, by leaving each out and looking again: it works with any."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from models.sentiment.classifier import Classifier, Floats, odds

MOST_WORDS: Final = 48
"""Words that are tried, the first ones: later ones count as nothing."""


def without_each(text: str, places: Iterable[int]) -> list[str]:
    """The text, then the text without each of the words (between white space) at these places."""
    words = text.split()
    return [text, *(" ".join(words[:n] + words[n + 1 :]) or "." for n in places)]


def occluded(classifier: Classifier, text: str, language: str, label: int) -> Floats:
    """How much each word adds to the log-odds of a label."""
    texts = without_each(text, range(min(len(text.split()), MOST_WORDS)))
    found = classifier.classify(texts, [language] * len(texts)).probabilities
    left_out = odds(np.log(found + 1e-6), label)
    moved = np.zeros(len(text.split()), np.float32)
    moved[: len(texts) - 1] = left_out[0] - left_out[1:]
    return moved
