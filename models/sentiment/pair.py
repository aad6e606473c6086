"""The bundled classifier: the n-gram tier and the encoder, mixed by language in log-linear proportion.

    logits = ngram × log p(n-gram tier) + encoder × log p(encoder) + bias

The proportions were found on held-out texts, so that what comes out is calibrated. Where the n-gram tier alone is sure, the
encoder is not asked: that is the gate, and it is most of the speed.
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
from models.sentiment.occlusion import without_each

FOLDER: Final = Path(__file__).parent / "bundled"
FORMAT: Final = 1
PIECES_TRIED: Final = 420
FEWEST_TRIED: Final = 3
"""What is left out to see what it meant: so many pieces in all cost less than 50 ms on a processor with AVX2 alone."""


class Proportion(msgspec.Struct, frozen=True):
    """How two tiers mix; with `encoder` 0, how the n-gram tier stands alone."""

    ngram: float
    encoder: float
    bias: tuple[float, ...]

    def logits(self, ngram: Floats, encoder: Floats) -> Floats:
        bias = np.array(self.bias, dtype=np.float32)
        mixed: Floats = self.ngram * log_softmax(ngram) + self.encoder * log_softmax(encoder) + bias
        return mixed


class Mix(msgspec.Struct, frozen=True):
    """By language, `und` for all others. `gate` is the share of the likeliest label above which `alone` decides."""

    format: int
    gate: float
    alone: dict[str, Proportion]
    together: dict[str, Proportion]
    intent: Proportion
    intent_alone: Proportion


class Pair:
    """Loads in well under a second, stays far below 150 MB."""

    def __init__(self, ngrams: Ngrams, encoder: Encoder, mix: Mix, name: str) -> None:
        self.name = name
        self.ngrams = ngrams
        self.encoder = encoder
        self.mix = mix

    @classmethod
    def load(cls, folder: Path = FOLDER) -> "Pair":
        """Raises OperatorError for a part that is missing, damaged or of another version."""
        path = folder / "mix.json"
        try:
            mix = msgspec.json.decode(path.read_bytes(), type=Mix)
        except (OSError, msgspec.MsgspecError) as error:
            raise OperatorError(
                f"The bundled model {path} cannot be read: {error}", "Install Ascolto again."
            ) from error
        if mix.format != FORMAT or not {"und"} <= mix.alone.keys() & mix.together.keys():
            raise OperatorError(f"The bundled model {path} was made for another Ascolto.", "Install Ascolto again.")
        encoder = Encoder.load(folder / "encoder.onnx")
        return cls(Ngrams.load(folder / "ngrams.npz"), encoder, mix, f"bundled-{encoder.fingerprint}")

    def classify(self, texts: Sequence[str], languages: Sequence[str], *, vectors: bool = False) -> Classified:
        sentiment, intent = self.ngrams.logits(texts, languages)
        probabilities = softmax(_mixed(self.mix.alone, languages, sentiment, np.zeros_like(sentiment)))
        intents = softmax(self.mix.intent_alone.logits(intent, np.zeros_like(intent)))
        asked = [n for n in range(len(texts)) if vectors or probabilities[n].max() < self.mix.gate]
        if not asked:
            return Classified(probabilities, intents)
        seen = self.encoder.encode([texts[n] for n in asked])
        spoken = [languages[n] for n in asked]
        probabilities[asked] = softmax(_mixed(self.mix.together, spoken, sentiment[asked], seen.sentiment))
        intents[asked] = softmax(self.mix.intent.logits(intent[asked], seen.intent))
        return Classified(probabilities, intents, seen.vector if vectors else None)

    def moved(self, text: str, language: str, label: int) -> Floats:
        """The n-gram tier's part is exact; the encoder's is found by leaving words out, as many as there is time for, those
        first that the n-grams weigh most."""
        mix = self.mix.together.get(language, self.mix.together["und"])
        added = self.ngrams.moved(text, language)
        total = np.zeros(len(text.split()), np.float32)
        mine = (added[:, label] - np.delete(added, label, axis=1).mean(axis=1))[: len(total)]
        total[: len(mine)] = mix.ngram * mine
        most = max(FEWEST_TRIED, PIECES_TRIED // self.encoder.pieces(text))
        tried = np.argsort(-np.abs(total), kind="stable")[:most]
        left_out = odds(self.encoder.encode(without_each(text, tried.tolist())).sentiment, label)
        total[tried] += mix.encoder * (left_out[0] - left_out[1:])
        return total


def _mixed(
    mix: dict[str, Proportion], languages: Sequence[str], ngram: Floats, encoder: Floats
) -> npt.NDArray[np.float32]:
    """Each language in its own proportion."""
    rows = np.empty_like(ngram)
    for language in set(languages):
        here = [n for n, spoken in enumerate(languages) if spoken == language]
        rows[here] = mix.get(language, mix["und"]).logits(ngram[here], encoder[here])
    return rows
