"""What the reader is trained and measured on: our own written posts beside this file, and public sets in a folder DATA.

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
from models.sentiment.normalizing import normalize

POSTS: Final = Path(__file__).parent / "posts"
HELD: Final = Path(__file__).parent / "held"
"""Plain posts of ours that are only measured on."""
WRITTEN: Final = "written"
PAIRS: Final = "pairs"
"""Lines that nobody labelled: an encoder said what it makes of their English side."""
ALWAYS: Final = "xy"
"""The letters of the files of plain short posts: trained on in every fold, measured on in none."""
WEIGHTS: Final = {
    "semeval13-16": 1.0, "umsab": 1.5, "sentipolc": 0.7, "sart": 1.5, "redv1": 1.5, "redv2": 1.5, "xed": 0.3, WRITTEN: 2.0,
}  # fmt: skip
"""How much a row of a set counts. Subtitles count little: their labels are emotions of single lines."""
FREE: Final = frozenset({"sart", "redv1", "redv2", "xed", WRITTEN})
"""Sets that anyone may use for anything (CC0, MIT, CC BY 4.0, ours); the others are for research."""
LANGUAGES: Final = ("it", "ro", "en", "es", "fr", "de", "pt")
SHINGLE: Final = 5
OVERLAP: Final = 0.5


@dataclass(frozen=True)
class Example:
    """`label` is a place in LABELS (any for PAIRS), `weight` how much it counts, `intent` empty where nobody said."""

    text: str
    label: int
    language: str
    weight: float = 1.0
    source: str = ""
    intent: str = ""
    shares: tuple[float, ...] = ()
    """What an encoder made of it, a share a label, instead of the label; empty where none was asked."""


@dataclass(frozen=True)
class Pair:
    """The same line of a film in English and in another language."""

    english: str
    other: str
    language: str


class _Row(msgspec.Struct):
    text: str
    label: str
    intent: str = ""


def written() -> dict[str, list[Example]]:
    """Our own posts by file (`it-a`, …); the letter is a fold: no sector stands in two of one language."""
    return {
        file.stem: list(_examples(file.read_bytes(), file.stem[:2], WRITTEN)) for file in sorted(POSTS.glob("*.jsonl"))
    }


def held() -> dict[str, list[Example]]:
    """Our own posts that nothing is trained on (`it-plain`, …)."""
    return {
        file.stem: list(_examples(file.read_bytes(), file.stem[:2], WRITTEN)) for file in sorted(HELD.glob("*.jsonl"))
    }


def public(data: Path, part: str, *, free_only: bool = False) -> dict[str, list[Example]]:
    """The sets of a part (`train` or `val`) by name (`it-umsab`, …)."""
    found: dict[str, list[Example]] = {}
    for file in sorted((data / "sentiment" / part).glob("*.jsonl.gz")):
        name = file.name.removesuffix(".jsonl.gz")
        language, source = name.split("-", 1)
        if language in LANGUAGES and (part == "val" or not free_only or source in FREE):
            found[name] = list(_examples(gzip.decompress(file.read_bytes()), language, source))
    return found


def pairs(data: Path) -> list[Pair]:
    found: list[Pair] = []
    for file in sorted((data / "sentiment" / "pairs").glob("en-*.jsonl.gz")):
        language = file.name[3:5]
        rows = map(msgspec.json.Decoder(dict[str, str]).decode, gzip.decompress(file.read_bytes()).splitlines())
        found += [Pair(row["en"], row[language], language) for row in rows]
    return found


def _examples(lines: bytes, language: str, source: str) -> Iterator[Example]:
    decoder = msgspec.json.Decoder(_Row)
    for line in lines.splitlines():
        row = decoder.decode(line)
        yield Example(row.text, LABELS.index(row.label), language, WEIGHTS.get(source, 1.0), source, row.intent)


_NOT_KEY = re.compile(r"[\W_]+")


def key(text: str) -> str:
    """Letters and digits only, folded: two texts of one key are the same text."""
    return _NOT_KEY.sub("", normalize(text))


class Leaks:
    """Says whether a text repeats one of those held out: the same key, or most of its runs of five words."""

    def __init__(self, held_out: Iterable[str]) -> None:
        texts = list(held_out)
        self._keys = {key(text) for text in texts}
        self._shingles = {shingle for text in texts for shingle in _shingles(text)}

    def __contains__(self, text: str) -> bool:
        if key(text) in self._keys:
            return True
        own = _shingles(text)
        return bool(own) and sum(shingle in self._shingles for shingle in own) > OVERLAP * len(own)


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", normalize(text))
    return {tuple(words[n : n + SHINGLE]) for n in range(len(words) - SHINGLE + 1)}


def without_leaks(examples: Sequence[Example], leaks: Leaks) -> list[Example]:
    return [example for example in examples if example.text not in leaks]
