"""What commands print for other programs."""

import msgspec
import typer


def print_json(value: object) -> None:
    """One line of JSON."""
    typer.echo(msgspec.json.encode(value).decode())
