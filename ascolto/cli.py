"""The command line: what there is to type. What each command does stands in a file of its own, loaded when it is called."""

import errno
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ascolto import __version__
from models.errors import OperatorError

app = typer.Typer(
    help="Ascolto listens for what people say about a brand and puts the bad in front of the right human.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
query_app = typer.Typer(help="Queries: what counts as speaking of a brand.", no_args_is_help=True)
sentiment_app = typer.Typer(help="The reader: how well it reads, and what it learns.", no_args_is_help=True)
app.add_typer(query_app, name="query")
app.add_typer(sentiment_app, name="sentiment")

Config = Annotated[Path, typer.Option("--config", "-c", help="The settings file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
Brand = Annotated[
    str, typer.Option("--brand", "-b", help="A brand's slug; without it the default brand of the settings.")
]
DEFAULT = Path("ascolto.toml")
_OPERATORS = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC}
"""What is wrong with a file that somebody named, and no bug of ours."""


def main() -> None:
    """What an operator can mend is told in two lines, without a trace."""
    try:
        app()
    except OperatorError as error:
        _complain(error.problem, error.fix)
        sys.exit(1)
    except OSError as error:
        if error.filename is None or error.errno not in _OPERATORS:
            raise
        _complain(f"{error.filename}: {error.strerror}.")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _complain(problem: str, fix: str = "") -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    console.print(Text(problem, "red"), soft_wrap=True)
    if fix:
        console.print(Text(f"→ {fix}"), soft_wrap=True)


def _settings(config: Path) -> Any:
    from ascolto.logs import configure
    from config.settings import SettingsError, load

    if not config.exists():
        raise OperatorError(f"There is no {config}.", "Make one:  ascolto init")
    try:
        settings = load(config)
    except SettingsError as error:
        raise OperatorError(str(error), "The example with every key: config/ascolto.example.toml") from error
    configure(settings.log.level, settings.log.format)
    return settings


def _reader(config: Path) -> Any:
    """The reader's settings; where there is no settings file yet, as it is shipped."""
    from config.settings import Sentiment

    return Sentiment() if config == DEFAULT and not config.exists() else _settings(config).sentiment


@app.callback(invoke_without_command=True)
def version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def demo(
    headless: Annotated[bool, typer.Option("--headless", help="Play a whole day at once and print it.")] = False,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long the day takes on the web desk.")] = 6.0,
    port: Annotated[int, typer.Option(help="The web desk's port; 0 takes any free one.")] = 8420,
) -> None:
    """A fictional brand's day, through the real pipeline, on this machine only."""
    from ascolto.demo import start

    raise typer.Exit(start.headless() if headless else start.interactive(minutes, port))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to begin.")] = Path(),
    brand: Annotated[str, typer.Option(help="Your first brand's name.")] = "",
) -> None:
    """Write ascolto.toml and brands.toml, and apply a first brand."""
    from ascolto import beginning

    beginning.init(folder, brand)


@app.command()
def check(config: Config = DEFAULT, json: Json = False) -> None:
    """Validate the settings, connect to everything once, and say what to do."""
    from ascolto import checking

    raise typer.Exit(checking.check(_settings(config), json=json))


@app.command()
def run(config: Config = DEFAULT) -> None:
    """Listen, read, show and publish, until stopped."""
    import asyncio

    from ascolto.app import run as run_app
    from ascolto.beginning import announce

    asyncio.run(run_app(_settings(config), announce))


@app.command()
def digest(
    period: Annotated[str, typer.Option(help="day, week or month.")] = "day",
    date: Annotated[str, typer.Option(help="A day in the period, like 2026-11-21; today if none.")] = "",
    language: Annotated[str, typer.Option(help="it, ro or en.")] = "en",
    zone: Annotated[str, typer.Option(help="The time zone of the days.")] = "Europe/Rome",
    brand: Brand = "",
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """A period in at most twelve lines."""
    from ascolto import showing

    showing.digest(_settings(config), period, date, language, zone, brand, json=json)


@app.command()
def cases(
    view: Annotated[str, typer.Option(help="queue, late, snoozed or done.")] = "queue",
    brand: Brand = "",
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """The cases of a view, the most pressing first."""
    from ascolto import showing

    showing.cases(_settings(config), view, brand, json=json)


@app.command()
def mentions(
    search: Annotated[str, typer.Option(help="Words that must be there, in any spelling.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    brand: Brand = "",
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """The newest mentions, or those that hold some words."""
    from ascolto import showing

    showing.mentions(_settings(config), search, limit, brand, json=json)


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="JSONL or CSV; see docs/import.md for the fields.")],
    brand: Brand = "",
    read: Annotated[bool, typer.Option(help="Also read their sentiment now.")] = True,
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Fill the store with past mentions. Opens no cases, raises no alerts; can be broken off and begun again."""
    from ascolto import importing

    raise typer.Exit(importing.import_file(_settings(config), file, brand, read=read, json=json))


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="The file to write, .jsonl or .csv.")],
    brand: Brand = "",
    config: Config = DEFAULT,
) -> None:
    """Write all mentions of a brand, with what was read in them, in the form that import reads."""
    from ascolto import exporting

    exporting.export(_settings(config), out, brand)


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="A TOML file of brands, queues, members and saved replies.")],
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Apply brands, queries, queues, members and saved replies: all or nothing, and as often as you like."""
    from ascolto import applying

    applying.apply(_settings(config), file, json=json)


@app.command()
def invite(member: Annotated[str, typer.Argument(help="The member's slug.")], config: Config = DEFAULT) -> None:
    """Print a link that lets a member into the web desk, once, within a quarter of an hour."""
    from ascolto import applying

    applying.invite(_settings(config), member)


@app.command()
def backup(copy: Annotated[Path, typer.Argument(help="The file to write.")], config: Config = DEFAULT) -> None:
    """Copy the database, also while Ascolto runs."""
    from store import schema

    schema.backup(_settings(config).store.path, copy)
    typer.echo(f"Copied to {copy}.")


@app.command()
def restore(copy: Annotated[Path, typer.Argument(help="What backup wrote.")], config: Config = DEFAULT) -> None:
    """Put a copy in the database's place; what stood there is kept beside it."""
    from ascolto.lock import RunLock
    from store import schema

    settings = _settings(config)
    lock = RunLock(settings.store.path)
    lock.take()
    aside = schema.restore(copy, settings.store.path)
    lock.release()
    typer.echo(f"Restored {settings.store.path}." + (f" What was there is now {aside.name}." if aside else ""))


@query_app.command(name="test")
def query_test(
    query: Annotated[str, typer.Argument(help="The query, in quotes.")],
    file: Annotated[
        Path | None, typer.Argument(help="Lines of text or JSONL; without it, or with -, standard input.")
    ] = None,
    json: Json = False,
) -> None:
    """Which lines a query matches, and why."""
    from ascolto import querying

    raise typer.Exit(querying.test(query, file, json=json))


@app.command()
def simulate(
    managers: Annotated[int, typer.Option(min=4, max=200, help="How many sit at four desks.")] = 20,
    hours: Annotated[float, typer.Option(min=0.1, max=72, help="For how long people post.")] = 8,
    seed: Annotated[int, typer.Option(help="Another one is another day.")] = 1,
    kills: Annotated[bool, typer.Option(help="Whether the program is killed (-9) in every hour.")] = True,
    keep: Annotated[Path | None, typer.Option(help="A folder to leave the databases in, to look at.")] = None,
    json: Json = False,
) -> None:
    """Play the day of a team, kill the program in the middle, and hold what happened against what is promised."""
    from ascolto.simulating import simulate as play
    from ascolto.simulation.playing import Plan

    plan = Plan(managers=managers, hours=hours, seed=seed, cases_an_hour=15.0 * managers)
    raise typer.Exit(0 if play(plan, kills=kills, keep=keep, json=json) else 1)


@app.command()
def classify(
    file: Annotated[Path, typer.Argument(help="A file of one text a line; - is standard input.")] = Path("-"),
    lang: Annotated[str, typer.Option(help="The language of all lines, instead of each line's own.")] = "",
    why: Annotated[bool, typer.Option("--why", help="Add the words that moved it.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Read one text a line, and write what was read as one JSON object a line."""
    from ascolto import classifying

    classifying.classify(_reader(config), file, lang, why=why)


@sentiment_app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help="JSONL of text, label and perhaps language.")],
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """How well it reads labelled texts: accuracy, macro-F1 with its interval, macro-recall, confusion, calibration."""
    from ascolto import sentiment

    sentiment.evaluate(_reader(config), file, json=json)


@sentiment_app.command()
def calibrate(
    file: Annotated[
        Path, typer.Argument(help="JSONL of text, label and perhaps language, that the model was not made of.")
    ],
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Bring another model's confidence in line with how often it is right."""
    from ascolto import sentiment

    sentiment.calibrate(_reader(config), file, json=json)


@sentiment_app.command(name="export")
def export_model(
    model: Annotated[str, typer.Argument(help="A hub model's name, or a folder.")],
    folder: Annotated[Path, typer.Argument(help="Where to; it must not exist yet.")],
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Turn a hub model into int8 ONNX that needs no PyTorch, and check that it still reads alike."""
    from ascolto import sentiment

    sentiment.export(_reader(config), model, folder, json=json)


@sentiment_app.command()
def learn(brand: Brand = "", config: Config = DEFAULT, json: Json = False) -> None:
    """Learn from what managers corrected, and say whether that is better on what was held out. Changes nothing yet."""
    from ascolto import sentiment

    sentiment.learn(_settings(config), brand, json=json)


@sentiment_app.command()
def replay(
    days: Annotated[int, typer.Option(min=1, help="How far to look back.")] = 30,
    brand: Brand = "",
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """What the last days would have looked like with what was learned last."""
    from ascolto import sentiment

    sentiment.replay(_settings(config), brand, days, json=json)


@sentiment_app.command()
def use(brand: Brand = "", config: Config = DEFAULT) -> None:
    """Read with what was learned last, from the next mention on, also in a running Ascolto."""
    from ascolto import sentiment

    sentiment.use(_settings(config), brand)


@sentiment_app.command()
def back(brand: Brand = "", config: Config = DEFAULT) -> None:
    """Go back to the reader as it was shipped."""
    from ascolto import sentiment

    sentiment.back(_settings(config), brand)


@sentiment_app.command()
def opinions(config: Config = DEFAULT, json: Json = False) -> None:
    """How often a second opinion was asked for this month, and what it cost."""
    from ascolto import sentiment

    sentiment.opinions(_settings(config), json=json)
