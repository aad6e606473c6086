"""Which words influence a classifier, measured by leaving each out: works with any classifier."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from models.sentiment.classifier import Classifier, Floats, odds

MAX_WORDS: Final = 48
"""Words that are tried, the first ones; later ones count as 0."""


def leave_one_out(text: str, indexes: Iterable[int]) -> list[str]:
    """The text, then the text without each of the words (separated by white space) at these indexes."""
    words = text.split()
    return [text, *(" ".join(words[:n] + words[n + 1 :]) or "." for n in indexes)]


def occlusion_influences(classifier: Classifier, text: str, language: str, label: int) -> Floats:
    """How much each word adds to the log-odds of a label."""
    texts = leave_one_out(text, range(min(len(text.split()), MAX_WORDS)))
    probabilities = classifier.classify(texts, [language] * len(texts)).probabilities
    log_odds = odds(np.log(probabilities + 1e-6), label)
    influences = np.zeros(len(text.split()), np.float32)
    influences[: len(texts) - 1] = log_odds[0] - log_odds[1:]
    return influences
