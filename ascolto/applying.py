"""`ascolto apply` and `ascolto invite`: changes that a running Ascolto notices by the doorbell."""

import asyncio
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import msgspec
import typer

from ascolto.house import utc_now
from ascolto.printing import print_json
from config.settings import Settings
from models.catalogue import Contents
from models.errors import OperatorError
from models.saved_reply import PLACES, left_open
from store import catalogue, members, schema
from store.catalogue import Change
from store.engine import Store


def read(file: Path) -> Contents:
    """The contents of a file; raises OperatorError with the place of what is wrong."""
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
        return msgspec.convert(said, Contents)
    except FileNotFoundError as error:
        raise OperatorError(f"There is no file {file}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OperatorError(f"{file} is not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise OperatorError(f"{file}: {error}", "Mend it and apply again; nothing was changed.") from error


def apply(settings: Settings, file: Path, *, json: bool) -> None:
    contents = read(file)
    changes = asyncio.run(_apply(settings.store.path, contents))
    for line in _left_open(contents):
        typer.echo(line, err=True)
    if json:
        print_json(changes)
        return
    for change in changes:
        typer.echo(f"{change.what}: {change.kind} {change.slug}")
    if not changes:
        typer.echo("Everything stands as the file says already.")


def _left_open(contents: Contents) -> Iterator[str]:
    """A name that Ascolto does not fill may be meant so, or be a slip of the hand."""
    for reply in contents.saved_replies:
        for name in left_open(reply.text):
            meant = get_close_matches(name, PLACES, 1)
            hint = f" Did you mean {meant[0]}?" if meant else ""
            yield f"! saved reply {reply.code} ({reply.language}): {{{{ {name} }}}} is left for whoever answers to fill in.{hint}"


async def _apply(path: Path, contents: Contents) -> list[Change]:
    await asyncio.to_thread(schema.prepare, path)
    store = Store(path)
    try:
        async with store.writing() as session:
            return await catalogue.apply(session, contents, utc_now())
    finally:
        await store.close()


def invite(settings: Settings, member: str) -> None:
    token = asyncio.run(_invite(settings.store.path, member))
    address = settings.web.public_url.rstrip("/") or f"http://{settings.web.host}:{settings.web.port}"
    typer.echo(f"{address}/enter/{token}")
    typer.echo("It works once, for fifteen minutes.", err=True)


async def _invite(path: Path, member: str) -> str:
    await asyncio.to_thread(schema.prepare, path)
    store = Store(path)
    try:
        async with store.writing() as session:
            known = await catalogue.load(session)
            found = known.members.named(member)
            if found is None or found[1].archived:
                names = ", ".join(spec.slug for _, spec in known.members) or "nobody yet"
                raise OperatorError(f"There is no member {member}.", f"Known: {names}. Add one with ascolto apply.")
            return await members.invite(session, found[0], utc_now())
    finally:
        await store.close()
