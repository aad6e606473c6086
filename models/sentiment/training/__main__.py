"""python -m models.sentiment.training [DATA]: fit the bundled classifier, and print how it does.

Always trains on our own written posts beside this file. With DATA (a folder with train/ and val/ of `<lang>-<set>.jsonl.gz`
files) also on the sets there that are free to use, and scores on all validation sets there.
"""

import gzip
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from models.sentiment.ngrams import NgramClassifier
from models.sentiment.reader import LABELS
from models.sentiment.training.ngrams import Example, fit, quantized, temperatures

POSTS = Path(__file__).parent / "posts"
MODEL = Path(__file__).parents[1] / "ngrams.npz"
LANGUAGES = ("it", "ro", "en")
FREE = {"sart": 1.0, "redv1": 1.0, "redv2": 1.0, "xed": 0.15}
"""Sets that anyone may use (CC0, MIT, CC BY 4.0), and how much a row of each counts."""
OURS = 3.0
CALIBRATION = "c"
"""The letter of the files of written posts on which the temperatures are found."""


class Row(msgspec.Struct):
    text: str
    label: str


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    ours = {file.stem: list(_read(file, OURS)) for file in sorted(POSTS.glob("*.jsonl"))}
    free = [] if data is None else [example for file in _sets(data / "train") for example in _free(file)]
    print(f"{sum(map(len, ours.values()))} written posts, {len(free)} rows of free sets")  # noqa: T201
    held_out: list[Example] = []
    scores: dict[str, list[tuple[int, int]]] = {}
    for letter in sorted({name[-1] for name in ours}):
        fold = [example for name, examples in ours.items() if name[-1] == letter for example in examples]
        rest = [example for name, examples in ours.items() if name[-1] != letter for example in examples]
        model = quantized(*fit([*rest, *free]))
        held_out += fold
        for language in LANGUAGES:
            there = [example for example in fold if example.language == language]
            scores.setdefault(language, []).extend(_pairs(model, there))
    for language, pairs in scores.items():
        print(f"written posts {language}, folds by file: macro-F1 {macro_f1(pairs):.1f}")  # noqa: T201
    everything = [*(example for examples in ours.values() for example in examples), *free]
    model = quantized(*fit(everything))
    # Temperatures from a fold's model: the shipped one has seen every written post.
    kept = [e for name, examples in ours.items() if name[-1] != CALIBRATION for e in examples]
    aside = [e for name, examples in ours.items() if name[-1] == CALIBRATION for e in examples]
    model.temperature = temperatures(quantized(*fit([*kept, *free])), aside)
    if data is not None:
        for file in _sets(data / "val"):
            pairs = _pairs(model, list(_read(file)))
            print(f"{file.name.split('.')[0]}: macro-F1 {macro_f1(pairs):.1f} of {len(pairs)}")  # noqa: T201
    model.save(MODEL)
    print(f"{MODEL.name}: {MODEL.stat().st_size / 1e6:.2f} MB, temperatures {model.temperature}")  # noqa: T201


def _sets(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.glob("*.jsonl.gz")) if file.name.split("-")[0] in LANGUAGES]


def _free(file: Path) -> Iterable[Example]:
    weight = FREE.get(file.name.removesuffix(".jsonl.gz").split("-", 1)[1])
    return _read(file, weight) if weight else ()


def _read(file: Path, weight: float = 1.0) -> Iterator[Example]:
    lines = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    for line in lines.splitlines():
        row = msgspec.json.decode(line, type=Row)
        yield Example(row.text, LABELS.index(row.label), file.name[:2], weight)


def _pairs(model: NgramClassifier, examples: Sequence[Example]) -> list[tuple[int, int]]:
    rows = model.probabilities([e.text for e in examples], [e.language for e in examples])
    return list(zip([e.label for e in examples], rows.argmax(axis=1).tolist(), strict=True))


def macro_f1(pairs: Sequence[tuple[int, int]]) -> float:
    """The mean over the labels present of F1, in percent."""
    table = np.zeros((len(LABELS), len(LABELS)))
    for true, said in pairs:
        table[true, said] += 1
    present = table.sum(axis=1) > 0
    f1 = 2 * table.diagonal() / np.maximum(table.sum(axis=0) + table.sum(axis=1), 1)
    return float(f1[present].mean() * 100)


if __name__ == "__main__":
    main()
