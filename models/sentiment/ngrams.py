"""The n-gram model: softmax regression over hashed word and character n-grams, in NumPy alone.

Every n-gram has two buckets, one shared by all languages and one of its language (Daumé III, "Frustratingly Easy Domain
Adaptation", 2007), so that Italian texts help with Romanian without dominating it. Intents use the shared buckets alone.
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
from models.sentiment.normalization import is_shouting, normalize

BITS: Final = 18
"""Each half of the sentiment table, shared and per language, has 2**BITS buckets."""
INTENT_BITS: Final = 16
FORMAT: Final = 2
LENGTHS: Final = (2, 3, 4)
"""Characters in a character n-gram."""

_DIGIT = re.compile(r"\d")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SHOUTING: Final = "<loud>"
"""The token added to texts in capitals. The bundled weights were trained on this spelling."""

Floats = npt.NDArray[np.float32]
Buckets = npt.NDArray[np.uint32]


class Table:
    """Weights as int8, one column per label, with one scale for all, and a bias."""

    def __init__(self, weights: npt.NDArray[np.int8], scale: float, bias: Floats) -> None:
        self.weights = weights
        self.scale = scale
        self.bias = bias

    @classmethod
    def quantized(cls, weights: Floats, bias: Floats) -> "Table":
        """Rounded to int8; the scale clips the largest 0.01 % of the weights, which rounds the others better."""
        scale = float(max(np.quantile(np.abs(weights[weights != 0]), 0.9999, method="lower"), 1e-9)) / 127
        return cls(np.clip(np.round(weights / scale), -127, 127).astype(np.int8), scale, bias.astype(np.float32))

    def rows(self, buckets: Buckets) -> Floats:
        return self.weights[buckets].astype(np.float32) * np.float32(self.scale)

    def logits(self, buckets: Buckets, values: Floats) -> Floats:
        logits: Floats = values @ self.weights[buckets].astype(np.float32) * np.float32(self.scale) + self.bias
        return logits


class Ngrams:
    """`sentiment` has 2 << BITS buckets, `intent` 1 << INTENT_BITS."""

    def __init__(self, sentiment: Table, intent: Table) -> None:
        self.sentiment = sentiment
        self.intent = intent

    @classmethod
    def load(cls, path: Path) -> "Ngrams":
        """Raises OperatorError for a file that is missing, damaged or of another version."""
        try:
            with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                supported = int(arrays["format"]) == FORMAT
                tables = [
                    Table(arrays[f"{name}_weights"], float(arrays[f"{name}_scale"]), arrays[f"{name}_bias"])
                    for name in (("sentiment", "intent") if supported else ())
                ]
        except (OSError, ValueError, KeyError, EOFError, zlib.error, BadZipFile) as error:
            raise OperatorError(
                f"The bundled model {path} cannot be read: {error}", "Install Ascolto again."
            ) from error
        sizes = [len(table.weights) for table in tables]
        if sizes != [2 << BITS, 1 << INTENT_BITS]:
            raise OperatorError(
                f"The bundled model {path} is for another version of Ascolto.", "Install Ascolto again."
            )
        return cls(*tables)

    def save(self, path: Path) -> None:
        tables = {"sentiment": self.sentiment, "intent": self.intent}
        arrays = {
            f"{name}_{part}": getattr(table, part)
            for name, table in tables.items()
            for part in ("weights", "scale", "bias")
        }
        with path.open("wb") as file:
            np.savez_compressed(file, format=FORMAT, **arrays)

    def logits(self, texts: Sequence[str], languages: Sequence[str]) -> tuple[Floats, Floats]:
        """Of sentiment and of intent, one row per text."""
        sentiment = np.empty((len(texts), len(self.sentiment.bias)), dtype=np.float32)
        intent = np.empty((len(texts), len(self.intent.bias)), dtype=np.float32)
        for n, (text, language) in enumerate(zip(texts, languages, strict=True)):
            hashes, values = hash_ngrams(text)
            sentiment[n] = self.sentiment.logits(*sentiment_buckets(hashes, values, language))
            intent[n] = self.intent.logits(intent_buckets(hashes), values)
        return sentiment, intent

    def influences(self, text: str, language: str) -> Floats:
        """What each word of the text (separated by white space) adds to the sentiment logits: (words, labels). Exact."""
        plain = _prepare(text)
        hashes, values = hash_ngrams(text)
        buckets, all_values = sentiment_buckets(hashes, values, language)
        rows = all_values[:, None] * self.sentiment.rows(buckets)
        contributions = rows[: len(hashes)] + (rows[len(hashes) :] if language != "und" else 0)
        added = np.zeros((max(1, len(plain.split())), contributions.shape[1]), np.float32)
        word_hashes = _word_ngrams(plain)
        distinct = len(np.unique(word_hashes))
        indexes = np.searchsorted(hashes[:distinct], word_hashes)
        word_at = np.cumsum([c == " " for c in plain], dtype=int)
        owners = [int(word_at[token.start()]) for token in _TOKEN.finditer(plain)]
        _add_word_ngrams(added, contributions, indexes, owners)
        _add_character_ngrams(added, contributions[distinct:], plain, word_at)
        return added


def _add_word_ngrams(
    added: Floats, contributions: Floats, indexes: npt.NDArray[np.intp], owners: Sequence[int]
) -> None:
    """A pair of tokens counts half for each; an n-gram that occurs several times is divided among its occurrences."""
    occurrences = np.bincount(indexes, minlength=len(contributions))
    share = contributions[indexes] / occurrences[indexes][:, None]
    count = len(owners)
    for n, owner in enumerate(owners):
        added[owner] += share[n]
    for n in range(count + 1):  # pair n is the one that ends with token n
        sides = [owners[k] for k in (n - 1, n) if 0 <= k < count]
        for owner in sides:
            added[owner] += share[count + n] / len(sides)


def _add_character_ngrams(added: Floats, contributions: Floats, plain: str, word_at: npt.NDArray[np.intp]) -> None:
    """A character n-gram is divided among the words that its characters belong to."""
    if not plain:
        return
    hashes = _character_ngrams(plain)
    indexes = np.searchsorted(np.unique(hashes), hashes)
    share = contributions[indexes] / np.bincount(indexes)[indexes][:, None]
    owner = np.concatenate([[word_at[0]], word_at, [word_at[-1]]])
    start = 0
    for length in LENGTHS:
        count = len(owner) - length + 1
        for offset in range(length):
            np.add.at(added, owner[offset : offset + count], share[start : start + count] / length)
        start += count


def _prepare(text: str) -> str:
    return _DIGIT.sub("0", normalize(text)) + (f" {_SHOUTING}" if is_shouting(text) else "")


def hash_ngrams(text: str) -> tuple[Buckets, Floats]:
    """The distinct n-grams of a text, and their values: words and characters have the same norm."""
    plain = _prepare(text)
    words, characters = np.unique(_word_ngrams(plain)), np.unique(_character_ngrams(plain))
    return np.concatenate([words, characters]), np.concatenate([_values(len(words)), _values(len(characters))])


def sentiment_buckets(hashes: Buckets, values: Floats, language: str) -> tuple[Buckets, Floats]:
    """The buckets shared by all languages, then those of this one; `und` has only the shared ones."""
    shared = _bucket(hashes, 0)
    if language == "und":
        return shared, values
    own = _bucket(hashes, zlib.crc32(language.encode()) | 1) + np.uint32(1 << BITS)
    return np.concatenate([shared, own]), np.concatenate([values, values])


def intent_buckets(hashes: Buckets) -> Buckets:
    return _bucket(hashes, 0) & np.uint32((1 << INTENT_BITS) - 1)


def _word_ngrams(plain: str) -> Buckets:
    """Hashes of all words and punctuation marks, then of all pairs of neighbours, including the ends of the text."""
    tokens = [token.encode() for token in _TOKEN.findall(plain)]
    if not tokens:
        return np.zeros(0, np.uint32)
    pairs = [b"%b %b" % pair for pair in zip([b"^", *tokens], [*tokens, b"$"], strict=True)]
    return np.fromiter(map(zlib.crc32, (*tokens, *pairs)), np.uint32, len(tokens) + len(pairs))


def _character_ngrams(plain: str) -> Buckets:
    """Hashes of all sequences of two, three and four characters, by a polynomial over code points."""
    if not plain:
        return np.zeros(0, np.uint32)
    points = np.frombuffer(f" {plain} ".encode("utf-32-le"), np.uint32).astype(np.uint32)
    polynomials, hashes = points, []
    for length in LENGTHS:
        polynomials = polynomials[:-1] * np.uint32(0x01000193) + points[length - 1 :]
        hashes.append(polynomials ^ np.uint32(0x9E3779B9 * length & 0xFFFFFFFF))
    return np.concatenate(hashes)


def _bucket(hashes: Buckets, salt: int) -> Buckets:
    """Mixed by the finalizer of MurmurHash3 (public domain), then truncated to BITS bits."""
    mixed = hashes ^ np.uint32(salt)
    mixed ^= mixed >> np.uint32(16)
    mixed = mixed * np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed = mixed * np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return mixed & np.uint32((1 << BITS) - 1)


def _values(count: int) -> Floats:
    return np.full(count, 1 / max(count, 1) ** 0.5, np.float32)
