"""`ascolto query test`: which lines match, and the words that matched."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from ascolto.commands.output import print_json
from models.errors import OperatorError
from models.interchange import MentionRecord
from models.query import QueryError, Subject, parse
from models.sentiment.language import Identifier


def test(query: str, file: Path | None, *, json: bool) -> int:
    """Prints the lines that match; returns 0 when any does, 1 when none, like grep."""
    try:
        parsed = parse(query)
    except QueryError as error:
        raise OperatorError(f"{query}\n{' ' * (error.column - 1)}^ {error.problem} (column {error.column})") from error
    console = Console(soft_wrap=True, highlight=False)
    identifier = Identifier(("it", "ro", "en"))
    matched = total = 0
    for number, line in enumerate(_lines(file), 1):
        total += 1
        subject, text = _subject(line, identifier)
        if not parsed.matches(subject):
            continue
        matched += 1
        why = parsed.matched_words(text, subject)
        if json:
            print_json({"line": number, "why": why, "text": text})
        else:
            console.print(_highlighted(number, text, why))
    if not json:
        typer.echo(f"{matched} of {total} lines match.", err=True)
    return 0 if matched else 1


def _lines(file: Path | None) -> Iterator[str]:
    if file is None or str(file) == "-":
        raw: BinaryIO = sys.stdin.buffer
    elif file.exists():
        raw = file.open("rb")
    else:
        raise OperatorError(f"There is no file {file}.")
    with raw:
        for line in raw:
            text = line.decode("utf-8", errors="replace").rstrip("\r\n")
            if text.strip():
                yield text


def _subject(line: str, identifier: Identifier) -> tuple[Subject, str]:
    """A line of JSON in the format of import has an author and a platform; any other line is a text."""
    try:
        row = msgspec.json.decode(line, type=MentionRecord)
    except msgspec.DecodeError:
        return Subject(line, detect=identifier.language), line
    return (
        Subject(
            row.text,
            author=row.author.handle,
            sources=(row.platform,),
            language=row.language,
            detect=identifier.language,
        ),
        row.text,
    )


def _highlighted(number: int, text: str, why: list[str]) -> Text:
    line = Text.assemble((f"{number}: ", "cyan"), text)
    for words in why:
        line.highlight_words([words], "bold yellow", case_sensitive=True)
    return line
