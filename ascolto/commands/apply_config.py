"""`ascolto apply` and `ascolto invite`."""

import asyncio
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import msgspec
import typer

from ascolto.application import utc_now
from ascolto.commands.output import print_json
from config.settings import Settings
from models.configuration import ConfigurationFile
from models.errors import OperatorError
from models.saved_reply_template import FILLED, open_placeholders
from store import schema, sessions
from store.configuration import Change, apply_changes, load_configuration
from store.engine import Store


def read(file: Path) -> ConfigurationFile:
    """The contents of a file; raises OperatorError with the place of the first fault."""
    try:
        return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), ConfigurationFile)
    except FileNotFoundError as error:
        raise OperatorError(f"There is no file {file}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OperatorError(f"{file} is not valid TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise OperatorError(f"{file}: {error}", "Fix it and apply again; nothing was changed.") from error


def apply(settings: Settings, file: Path, *, json: bool) -> None:
    contents = read(file)
    changes = asyncio.run(_apply(settings.store.path, contents))
    for line in _placeholder_warnings(contents):
        typer.echo(line, err=True)
    if json:
        print_json(changes)
        return
    for change in changes:
        typer.echo(f"{change.kind} {change.slug}: {change.change}")
    if not changes:
        typer.echo("Nothing to change.")


def _placeholder_warnings(contents: ConfigurationFile) -> Iterator[str]:
    """A placeholder that Ascolto does not fill in may be intended, or a typo."""
    for reply in contents.saved_replies:
        for name in open_placeholders(reply.text):
            similar = get_close_matches(name, FILLED, 1)
            hint = f" Did you mean {similar[0]}?" if similar else ""
            yield f"! saved reply {reply.code} ({reply.language}): {{{{ {name} }}}} is left for the manager to fill in.{hint}"


async def _apply(path: Path, contents: ConfigurationFile) -> list[Change]:
    await asyncio.to_thread(schema.prepare, path)
    store = Store(path)
    try:
        async with store.writing() as session:
            return await apply_changes(session, contents, utc_now())
    finally:
        await store.close()


def invite(settings: Settings, member: str) -> None:
    token = asyncio.run(_create_link(settings.store.path, member))
    address = settings.web.public_url.rstrip("/") or f"http://{settings.web.host}:{settings.web.port}"
    typer.echo(f"{address}/sign_in/{token}")
    typer.echo("Valid once, for 15 minutes.", err=True)


async def _create_link(path: Path, member: str) -> str:
    await asyncio.to_thread(schema.prepare, path)
    store = Store(path)
    try:
        async with store.writing() as session:
            members = (await load_configuration(session)).members
            match members.by_slug(member):
                case (member_id, spec) if not spec.archived:
                    return await sessions.create_link(session, member_id, utc_now())
            slugs = ", ".join(spec.slug for _, spec in members) or "none yet"
            raise OperatorError(f"There is no member {member}.", f"Members: {slugs}. Add one with ascolto apply.")
    finally:
        await store.close()
