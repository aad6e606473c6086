"""`ascolto classify`: one text per line in, one JSON object per line out."""

import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from ascolto.commands.output import print_json
from ascolto.factories import build_reader
from config.settings import Sentiment
from models.errors import OperatorError
from models.sentiment import Reader, Reading
from models.sentiment.language import UNKNOWN
from models.sentiment.reader import has_text

BATCH: Final = 256


def classify(sentiment: Sentiment, file: Path, language: str, *, why: bool) -> None:
    """`file` may be `-`, standard input. Bytes that are not UTF-8 become �, as in a browser."""
    reader = build_reader(sentiment)
    source = _open(file)
    with closing(source):
        lines = (line.decode("utf-8", errors="replace").rstrip("\r\n") for line in source)
        for texts in _batches(lines, 1 if source.isatty() else BATCH):
            for text, reading in zip(texts, reader.read(texts, [language or None] * len(texts)), strict=True):
                print_json(_result(reader, text, reading, why=why))
            sys.stdout.flush()


def _open(file: Path) -> BinaryIO:
    if str(file) == "-":
        return sys.stdin.buffer
    if not file.is_file():
        raise OperatorError(f"There is no file {file}.", "Name a file with one text per line, or - for standard input.")
    return file.open("rb")


def _batches(lines: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(islice(lines, size)):
        yield batch


def _result(reader: Reader, text: str, reading: Reading, *, why: bool) -> dict[str, object]:
    result: dict[str, object] = {
        "language": reading.language if has_text(text) else UNKNOWN,
        "sentiment": reading.sentiment,
        "negative": round(reading.negative, 4),
        "neutral": round(reading.neutral, 4),
        "positive": round(reading.positive, 4),
    }
    if reading.intent:
        result["intent"] = reading.intent
    if why:
        result["why"] = reader.explain(text, reading.language, reading.sentiment)
    return result
