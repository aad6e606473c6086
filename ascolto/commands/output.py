"""Output that several commands share."""

import msgspec
import typer


def counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def print_json(value: object) -> None:
    """One line of JSON."""
    typer.echo(msgspec.json.encode(value).decode())
