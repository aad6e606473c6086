"""The bundled classifier: logistic regression over hashed word and character n-grams, on NumPy alone.

Every n-gram counts twice: once shared by all languages and once for its own (Daumé III, "Frustratingly Easy Domain
Adaptation", 2007), so that what Italian teaches helps Romanian without drowning it.
"""

import re
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from models.errors import OperatorError
from models.sentiment.reader import Probabilities
from models.text import fold

BITS: Final = 18
"""Each half of the table, shared and per language, has 2**BITS buckets."""
MAX_CHARACTERS: Final = 1_000
FORMAT: Final = 1

_LINK = re.compile(r"https?://\S+|www\.\S+")
_HANDLE = re.compile(r"(?<!\w)@[\w.]*\w")
_LONG = re.compile(r"(.)\1{2,}")
_DIGIT = re.compile(r"\d")
_TOKEN = re.compile(r"\w+|[^\w\s]")

Buckets = npt.NDArray[np.uint32]


class NgramClassifier:
    """`weights` are int8, three columns, scaled by `scale`; `bias` a row; `temperature` per language, `und` for the rest."""

    name = "bundled"

    def __init__(
        self,
        weights: npt.NDArray[np.int8],
        scale: float,
        bias: npt.NDArray[np.float32],
        temperature: dict[str, float],
    ) -> None:
        self.weights = weights
        self.scale = scale
        self.bias = bias
        self.temperature = temperature

    @classmethod
    def load(cls, path: Path) -> "NgramClassifier":
        try:
            with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as kept:
                fits = int(kept["format"]) == FORMAT and kept["weights"].shape == (2 << BITS, 3)
                temperature = dict(zip(kept["languages"].tolist(), kept["temperatures"].tolist(), strict=True))
                model = cls(kept["weights"], float(kept["scale"]), kept["bias"], temperature)
        except (OSError, ValueError, KeyError, EOFError, zlib.error, BadZipFile) as error:
            raise OperatorError(
                f"The bundled model {path} cannot be read: {error}", "Install Ascolto again."
            ) from error
        if not fits:
            raise OperatorError(f"The bundled model {path} was made for another Ascolto.", "Install Ascolto again.")
        return model

    def save(self, path: Path) -> None:
        np.savez_compressed(
            path,
            format=FORMAT,
            weights=self.weights,
            scale=self.scale,
            bias=self.bias,
            languages=np.array(list(self.temperature)),
            temperatures=np.array(list(self.temperature.values())),
        )

    def probabilities(self, texts: Sequence[str], languages: Sequence[str]) -> Probabilities:
        rows = np.empty((len(texts), 3), dtype=np.float32)
        for n, (text, language) in enumerate(zip(texts, languages, strict=True)):
            buckets, values = features(text, language)
            logits = values @ self.weights[buckets].astype(np.float32) * self.scale + self.bias
            rows[n] = _softmax(logits / self.temperature.get(language, self.temperature["und"]))
        return rows


def features(text: str, language: str) -> tuple[Buckets, npt.NDArray[np.float32]]:
    """The buckets that a text falls into, each once, and the weight of each: words and characters weigh the same in all."""
    plain = normalize(text)
    words, pieces = np.unique(_words(plain)), np.unique(_pieces(plain))
    grams = np.concatenate([words, pieces])
    if not len(grams):
        return np.zeros(0, np.uint32), np.zeros(0, np.float32)
    values = np.concatenate([_shares(len(words)), _shares(len(pieces))])
    shared = _bucket(grams, 0)
    if language == "und":
        return shared, values
    own = _bucket(grams, zlib.crc32(language.encode()) | 1) + np.uint32(1 << BITS)
    return np.concatenate([shared, own]), np.concatenate([values, values])


def normalize(text: str) -> str:
    """Folded, links and handles and digits made alike, letters at most twice in a row; shouting is kept as a word."""
    text = text[:MAX_CHARACTERS]
    letters = [c for c in text if c.isalpha()]
    loud = len(letters) >= 8 and sum(c.isupper() for c in letters) > 0.6 * len(letters)
    plain = _HANDLE.sub("@user", _LINK.sub("http", fold(text)))
    plain = _DIGIT.sub("0", _LONG.sub(r"\1\1", plain))
    return " ".join(plain.split()) + (" <loud>" if loud else "")


def _words(plain: str) -> npt.NDArray[np.uint32]:
    tokens = [token.encode() for token in _TOKEN.findall(plain)]
    pairs = [b"%b %b" % pair for pair in zip([b"^", *tokens], [*tokens, b"$"], strict=True)]
    return np.fromiter(map(zlib.crc32, (*tokens, *pairs)), np.uint32, len(tokens) + len(pairs))


def _pieces(plain: str) -> npt.NDArray[np.uint32]:
    """Hashes of all runs of two, three and four characters, by a polynomial over code points."""
    if not plain:
        return np.zeros(0, np.uint32)
    points = np.frombuffer(f" {plain} ".encode("utf-32-le"), np.uint32).astype(np.uint32)
    runs, found = points, []
    for length in (2, 3, 4):
        runs = runs[:-1] * np.uint32(0x01000193) + points[length - 1 :]
        found.append(runs ^ np.uint32(0x9E3779B9 * length & 0xFFFFFFFF))
    return np.concatenate(found)


def _bucket(grams: Buckets, salt: int) -> Buckets:
    """Mixed well (the finalizer of MurmurHash3, public domain), then cut to a bucket."""
    mixed = grams ^ np.uint32(salt)
    mixed ^= mixed >> np.uint32(16)
    mixed = mixed * np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed = mixed * np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return mixed & np.uint32((1 << BITS) - 1)


def _shares(count: int) -> npt.NDArray[np.float32]:
    return np.full(count, 1 / max(count, 1) ** 0.5, np.float32)


def _softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    grown = np.exp(logits - logits.max())
    shares: npt.NDArray[np.float32] = (grown / grown.sum()).astype(np.float32)
    return shares
