"""`ascolto classify`: one text a line in, one JSON object a line out."""

import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from ascolto.printing import print_json
from ascolto.reader import reader_of
from config.settings import Sentiment
from models.errors import OperatorError
from models.sentiment import Reader, Reading
from models.sentiment.language import UNKNOWN
from models.sentiment.reader import says_something

BATCH: Final = 256


def classify(sentiment: Sentiment, file: Path, language: str, *, why: bool) -> None:
    """`file` may be `-`, standard input. Bytes that are not UTF-8 are read as �, as a browser would show them."""
    reader = reader_of(sentiment)
    source = _opened(file)
    with closing(source):
        lines = (line.decode("utf-8", errors="replace").rstrip("\r\n") for line in source)
        for texts in _batches(lines, 1 if source.isatty() else BATCH):
            for text, reading in zip(texts, reader.read(texts, [language or None] * len(texts)), strict=True):
                print_json(_shown(reader, text, reading, why=why))
            sys.stdout.flush()


def _opened(file: Path) -> BinaryIO:
    if str(file) == "-":
        return sys.stdin.buffer
    if not file.is_file():
        raise OperatorError(f"There is no file {file}.", "Name a file of one text a line, or - for standard input.")
    return file.open("rb")


def _batches(lines: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(islice(lines, size)):
        yield batch


def _shown(reader: Reader, text: str, reading: Reading, *, why: bool) -> dict[str, object]:
    shown: dict[str, object] = {
        "language": reading.language if says_something(text) else UNKNOWN,
        "sentiment": reading.sentiment,
        "negative": round(reading.negative, 4),
        "neutral": round(reading.neutral, 4),
        "positive": round(reading.positive, 4),
    }
    if reading.intent:
        shown["intent"] = reading.intent
    if why:
        shown["why"] = reader.why(text, reading.language, reading.sentiment)
    return shown
