"""The bundled classifier: the n-gram model and the encoder, mixed log-linearly with weights per language.

    logits = ngram × log p(n-gram model) + encoder × log p(encoder) + bias

The weights are fitted on held-out texts, so that the result is calibrated. Where the n-gram model alone is confident, the
encoder is not run: this is the gate, and most of the speed comes from it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from models.errors import OperatorError
from models.sentiment.classifier import Classified, Floats, log_softmax, odds, softmax
from models.sentiment.encoder import Encoder
from models.sentiment.ngrams import Ngrams
from models.sentiment.occlusion import leave_one_out

FOLDER: Final = Path(__file__).parent / "bundled"
FORMAT: Final = 1
MAX_PIECES_TRIED: Final = 420
"""Word pieces encoded, in all, to explain one text: less than 50 ms on a processor with AVX2 alone."""
MIN_WORDS_TRIED: Final = 3


class Proportion(msgspec.Struct, frozen=True):
    """The weights of both models; with `encoder` 0, how the n-gram model is calibrated alone."""

    ngram: float
    encoder: float
    bias: tuple[float, ...]

    def logits(self, ngram: Floats, encoder: Floats) -> Floats:
        bias = np.array(self.bias, dtype=np.float32)
        mixed: Floats = self.ngram * log_softmax(ngram) + self.encoder * log_softmax(encoder) + bias
        return mixed


class Mix(msgspec.Struct, frozen=True):
    """By language, `und` for all others. `gate` is the probability of the likeliest label from which `alone` decides."""

    format: int
    gate: float
    alone: dict[str, Proportion]
    together: dict[str, Proportion]
    intent: Proportion
    intent_alone: Proportion


class Ensemble:
    """Loads in well under a second and needs far less than 150 MB."""

    def __init__(self, ngrams: Ngrams, encoder: Encoder, mix: Mix, name: str) -> None:
        self.name = name
        self.ngrams = ngrams
        self.encoder = encoder
        self.mix = mix

    @classmethod
    def load(cls, folder: Path = FOLDER) -> "Ensemble":
        """Raises OperatorError for a part that is missing, damaged or of another version."""
        path = folder / "mix.json"
        try:
            mix = msgspec.json.decode(path.read_bytes(), type=Mix)
        except (OSError, msgspec.MsgspecError) as error:
            raise OperatorError(
                f"The bundled model {path} cannot be read: {error}", "Install Ascolto again."
            ) from error
        if mix.format != FORMAT or not {"und"} <= mix.alone.keys() & mix.together.keys():
            raise OperatorError(
                f"The bundled model {path} is for another version of Ascolto.", "Install Ascolto again."
            )
        encoder = Encoder.load(folder / "encoder.onnx")
        return cls(Ngrams.load(folder / "ngrams.npz"), encoder, mix, f"bundled-{encoder.fingerprint}")

    def classify(self, texts: Sequence[str], languages: Sequence[str], *, vectors: bool = False) -> Classified:
        sentiment, intent = self.ngrams.logits(texts, languages)
        probabilities = softmax(_mixed(self.mix.alone, languages, sentiment, np.zeros_like(sentiment)))
        intents = softmax(self.mix.intent_alone.logits(intent, np.zeros_like(intent)))
        unsure = [n for n in range(len(texts)) if vectors or probabilities[n].max() < self.mix.gate]
        if not unsure:
            return Classified(probabilities, intents)
        encoded = self.encoder.encode([texts[n] for n in unsure])
        unsure_languages = [languages[n] for n in unsure]
        mixed = _mixed(self.mix.together, unsure_languages, sentiment[unsure], encoded.sentiment)
        probabilities[unsure] = softmax(mixed)
        intents[unsure] = softmax(self.mix.intent.logits(intent[unsure], encoded.intent))
        return Classified(probabilities, intents, encoded.vector if vectors else None)

    def influences(self, text: str, language: str, label: int) -> Floats:
        """The n-gram model's part is exact. The encoder's is measured by leaving words out, those with the largest n-gram
        weights first, as many as there is time for."""
        proportion = self.mix.together.get(language, self.mix.together["und"])
        added = self.ngrams.influences(text, language)
        total = np.zeros(len(text.split()), np.float32)
        towards_label = (added[:, label] - np.delete(added, label, axis=1).mean(axis=1))[: len(total)]
        total[: len(towards_label)] = proportion.ngram * towards_label
        count = max(MIN_WORDS_TRIED, MAX_PIECES_TRIED // self.encoder.count_pieces(text))
        tried = np.argsort(-np.abs(total), kind="stable")[:count]
        log_odds = odds(self.encoder.encode(leave_one_out(text, tried.tolist())).sentiment, label)
        total[tried] += proportion.encoder * (log_odds[0] - log_odds[1:])
        return total


def _mixed(
    proportions: dict[str, Proportion], languages: Sequence[str], ngram: Floats, encoder: Floats
) -> npt.NDArray[np.float32]:
    """Each row with the weights of its language."""
    mixed = np.empty_like(ngram)
    for language in set(languages):
        rows = [n for n, code in enumerate(languages) if code == language]
        mixed[rows] = proportions.get(language, proportions["und"]).logits(ngram[rows], encoder[rows])
    return mixed
