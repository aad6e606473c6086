"""The n-gram tier: softmax regression over hashed word and character n-grams, on NumPy alone.

Every n-gram counts twice: once shared by all languages and once for its own (Daumé III, "Frustratingly Easy Domain
Adaptation", 2007), so that what Italian teaches helps Romanian without drowning it. Intents are told from the shared half.
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
from models.sentiment.normalizing import is_loud, normalize

BITS: Final = 18
"""Each half of the table of sentiment, shared and per language, has 2**BITS buckets."""
INTENT_BITS: Final = 16
FORMAT: Final = 2
LENGTHS: Final = (2, 3, 4)
"""Characters in a run."""

_DIGIT = re.compile(r"\d")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_LOUD: Final = "<loud>"

Floats = npt.NDArray[np.float32]
Buckets = npt.NDArray[np.uint32]


class Table:
    """Weights as int8, a column a label, one scale for all, and a bias."""

    def __init__(self, weights: npt.NDArray[np.int8], scale: float, bias: Floats) -> None:
        self.weights = weights
        self.scale = scale
        self.bias = bias

    @classmethod
    def of(cls, weights: Floats, bias: Floats) -> "Table":
        """Rounded to int8; a scale that cuts off the thousandth largest weights rounds the others better."""
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
            with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as kept:
                known = int(kept["format"]) == FORMAT
                tables = [
                    Table(kept[f"{name}_weights"], float(kept[f"{name}_scale"]), kept[f"{name}_bias"])
                    for name in (("sentiment", "intent") if known else ())
                ]
        except (OSError, ValueError, KeyError, EOFError, zlib.error, BadZipFile) as error:
            raise OperatorError(
                f"The bundled model {path} cannot be read: {error}", "Install Ascolto again."
            ) from error
        sizes = [len(table.weights) for table in tables]
        if sizes != [2 << BITS, 1 << INTENT_BITS]:
            raise OperatorError(f"The bundled model {path} was made for another Ascolto.", "Install Ascolto again.")
        return cls(*tables)

    def save(self, path: Path) -> None:
        parts = {"sentiment": self.sentiment, "intent": self.intent}
        kept = {
            f"{name}_{part}": getattr(table, part)
            for name, table in parts.items()
            for part in ("weights", "scale", "bias")
        }
        with path.open("wb") as file:
            np.savez_compressed(file, format=FORMAT, **kept)

    def logits(self, texts: Sequence[str], languages: Sequence[str]) -> tuple[Floats, Floats]:
        """Of sentiment and of intent, a row a text."""
        sentiment = np.empty((len(texts), len(self.sentiment.bias)), dtype=np.float32)
        intent = np.empty((len(texts), len(self.intent.bias)), dtype=np.float32)
        for n, (text, language) in enumerate(zip(texts, languages, strict=True)):
            grams, values = grams_of(text)
            sentiment[n] = self.sentiment.logits(*both(grams, values, language))
            intent[n] = self.intent.logits(_intent_bucket(_bucket(grams, 0)), values)
        return sentiment, intent

    def moved(self, text: str, language: str) -> Floats:
        """What each word of the text (between white space) adds to the logits of sentiment: (words, labels). Exact."""
        plain = _plain(text)
        grams, values = grams_of(text)
        buckets, doubled = both(grams, values, language)
        each = doubled[:, None] * self.sentiment.rows(buckets)
        worth = each[: len(grams)] + (each[len(grams) :] if language != "und" else 0)
        added = np.zeros((max(1, len(plain.split())), worth.shape[1]), np.float32)
        halves = np.searchsorted(grams[: len(np.unique(_words(plain)))], _words(plain))
        spans = [(found.start(), found.end()) for found in _TOKEN.finditer(plain)]
        word_at = np.cumsum([c == " " for c in plain], dtype=int)
        _share_words(added, worth, halves, [int(word_at[start]) for start, _ in spans])
        _share_pieces(added, worth[len(np.unique(_words(plain))) :], plain, word_at)
        return added


def _share_words(added: Floats, worth: Floats, places: npt.NDArray[np.intp], owners: Sequence[int]) -> None:
    """Words go to themselves, pairs half to each; what is said twice is shared by both places."""
    times = np.bincount(places, minlength=len(worth))
    share = worth[places] / times[places][:, None]
    count = len(owners)
    for n, owner in enumerate(owners):
        added[owner] += share[n]
    for n in range(count + 1):  # pair n stands before token n
        sides = [owners[k] for k in (n - 1, n) if 0 <= k < count]
        for owner in sides:
            added[owner] += share[count + n] / len(sides)


def _share_pieces(added: Floats, worth: Floats, plain: str, word_at: npt.NDArray[np.intp]) -> None:
    """A run of characters is shared by the words whose characters it holds."""
    if not plain:
        return
    pieces = _pieces(plain)
    places = np.searchsorted(np.unique(pieces), pieces)
    share = worth[places] / np.bincount(places)[places][:, None]
    owner = np.concatenate([[word_at[0]], word_at, [word_at[-1]]])
    start = 0
    for length in LENGTHS:
        count = len(owner) - length + 1
        for offset in range(length):
            np.add.at(added, owner[offset : offset + count], share[start : start + count] / length)
        start += count


def _plain(text: str) -> str:
    return _DIGIT.sub("0", normalize(text)) + (f" {_LOUD}" if is_loud(text) else "")


def grams_of(text: str) -> tuple[Buckets, Floats]:
    """The n-grams of a text, each once, and the weight of each: words and characters weigh the same in all."""
    plain = _plain(text)
    words, pieces = np.unique(_words(plain)), np.unique(_pieces(plain))
    return np.concatenate([words, pieces]), np.concatenate([_shares(len(words)), _shares(len(pieces))])


def both(grams: Buckets, values: Floats, language: str) -> tuple[Buckets, Floats]:
    """The buckets shared by all languages, then those of this one; `und` has none of its own."""
    shared = _bucket(grams, 0)
    if language == "und":
        return shared, values
    own = _bucket(grams, zlib.crc32(language.encode()) | 1) + np.uint32(1 << BITS)
    return np.concatenate([shared, own]), np.concatenate([values, values])


def intent_buckets(grams: Buckets) -> Buckets:
    return _intent_bucket(_bucket(grams, 0))


def _intent_bucket(shared: Buckets) -> Buckets:
    return shared & np.uint32((1 << INTENT_BITS) - 1)


def _words(plain: str) -> Buckets:
    """Hashes of all words and marks, then of all pairs of neighbours, the ends of the text among them."""
    tokens = [token.encode() for token in _TOKEN.findall(plain)]
    if not tokens:
        return np.zeros(0, np.uint32)
    pairs = [b"%b %b" % pair for pair in zip([b"^", *tokens], [*tokens, b"$"], strict=True)]
    return np.fromiter(map(zlib.crc32, (*tokens, *pairs)), np.uint32, len(tokens) + len(pairs))


def _pieces(plain: str) -> Buckets:
    """Hashes of all runs of two, three and four characters, by a polynomial over code points."""
    if not plain:
        return np.zeros(0, np.uint32)
    points = np.frombuffer(f" {plain} ".encode("utf-32-le"), np.uint32).astype(np.uint32)
    runs, found = points, []
    for length in LENGTHS:
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


def _shares(count: int) -> Floats:
    return np.full(count, 1 / max(count, 1) ** 0.5, np.float32)
