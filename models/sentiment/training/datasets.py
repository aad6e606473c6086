"""What the bundled model is trained and evaluated on: our written posts, in this package, and public sets in a folder DATA.

DATA holds `sentiment/train` and `sentiment/val` with `<lang>-<set>.jsonl.gz` of `{"text", "label"}`, and `sentiment/pairs` with
`en-<lang>.jsonl.gz` of sentence pairs.
"""

import gzip
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from models.sentiment.classifier import LABELS
from models.sentiment.normalization import normalize

POSTS: Final = Path(__file__).parent / "posts"
HELD_OUT: Final = Path(__file__).parent / "held_out"
"""Plain written posts that are used for evaluation only."""
WRITTEN: Final = "written"
PAIRS: Final = "pairs"
"""Unlabelled lines; their targets are an encoder's predictions for their English side."""
ALWAYS_TRAINED: Final = "xy"
"""The letters of the files of plain short posts, which are trained on in every fold and evaluated on in none."""
WEIGHTS: Final = {
    "semeval13-16": 1.0, "umsab": 1.5, "sentipolc": 0.7, "sart": 1.5, "redv1": 1.5, "redv2": 1.5, "xed": 0.3, WRITTEN: 2.0,
}  # fmt: skip
"""How much a row of a set counts. Subtitles count little: their labels are emotions of single lines."""
FREELY_LICENSED: Final = frozenset({"sart", "redv1", "redv2", "xed", WRITTEN})
"""Sets that anyone may use for any purpose (CC0, MIT, CC BY 4.0, ours); the others are for research."""
LANGUAGES: Final = ("it", "ro", "en", "es", "fr", "de", "pt")
SHINGLE_WORDS: Final = 5
MAX_OVERLAP: Final = 0.5
"""The share of shingles that a text may have in common with held-out ones."""


@dataclass(frozen=True)
class Example:
    """`label` is an index into LABELS (any for PAIRS), `weight` how much it counts, `intent` empty where not labelled."""

    text: str
    label: int
    language: str
    weight: float = 1.0
    source: str = ""
    intent: str = ""
    soft_label: tuple[float, ...] = ()
    """An encoder's prediction, one probability per label, which replaces `label`; empty where there is none."""


@dataclass(frozen=True)
class Pair:
    """The same subtitle line in English and in another language."""

    english: str
    other: str
    language: str


class _Row(msgspec.Struct):
    text: str
    label: str
    intent: str = ""


def written_posts() -> dict[str, list[Example]]:
    """By file (`it-a`, …); the letter is the fold. Files of the same language have no sector in common."""
    return _posts(POSTS)


def held_out_posts() -> dict[str, list[Example]]:
    """By file (`it-plain`, …); nothing is trained on them."""
    return _posts(HELD_OUT)


def _posts(folder: Path) -> dict[str, list[Example]]:
    files = sorted(folder.glob("*.jsonl"))
    return {file.stem: list(_examples(file.read_bytes(), file.stem[:2], WRITTEN)) for file in files}


def public_sets(data: Path, part: str, *, free_only: bool = False) -> dict[str, list[Example]]:
    """The sets of a part (`train` or `val`) by name (`it-umsab`, …)."""
    sets: dict[str, list[Example]] = {}
    for file in sorted((data / "sentiment" / part).glob("*.jsonl.gz")):
        name = file.name.removesuffix(".jsonl.gz")
        language, source = name.split("-", 1)
        if language in LANGUAGES and (part == "val" or not free_only or source in FREELY_LICENSED):
            sets[name] = list(_examples(gzip.decompress(file.read_bytes()), language, source))
    return sets


def pairs(data: Path) -> list[Pair]:
    loaded: list[Pair] = []
    for file in sorted((data / "sentiment" / "pairs").glob("en-*.jsonl.gz")):
        language = file.name[3:5]
        rows = map(msgspec.json.Decoder(dict[str, str]).decode, gzip.decompress(file.read_bytes()).splitlines())
        loaded += [Pair(row["en"], row[language], language) for row in rows]
    return loaded


def _examples(lines: bytes, language: str, source: str) -> Iterator[Example]:
    decoder = msgspec.json.Decoder(_Row)
    for line in lines.splitlines():
        row = decoder.decode(line)
        yield Example(row.text, LABELS.index(row.label), language, WEIGHTS.get(source, 1.0), source, row.intent)


_NOT_KEY = re.compile(r"[\W_]+")


def key(text: str) -> str:
    """Letters and digits only, folded: texts with the same key are the same text."""
    return _NOT_KEY.sub("", normalize(text))


class Leaks:
    """Whether a text repeats a held-out one: the same key, or most of its sequences of SHINGLE_WORDS words."""

    def __init__(self, held_out: Iterable[str]) -> None:
        texts = list(held_out)
        self._keys = {key(text) for text in texts}
        self._shingles = {shingle for text in texts for shingle in _shingles(text)}

    def __contains__(self, text: str) -> bool:
        if key(text) in self._keys:
            return True
        own = _shingles(text)
        return bool(own) and sum(shingle in self._shingles for shingle in own) > MAX_OVERLAP * len(own)


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", normalize(text))
    return {tuple(words[n : n + SHINGLE_WORDS]) for n in range(len(words) - SHINGLE_WORDS + 1)}


def without_leaks(examples: Sequence[Example], leaks: Leaks) -> list[Example]:
    return [example for example in examples if example.text not in leaks]
