"""The command line: arguments and help. Each command is in a file of its own under commands/, imported when it is called."""

import errno
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ascolto import __version__
from models.errors import OperatorError

app = typer.Typer(
    help="Ascolto listens for what people say about a brand and brings what is negative to the right person.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
query_app = typer.Typer(help="Queries: what counts as speaking of a brand.", no_args_is_help=True)
sentiment_app = typer.Typer(
    help="The sentiment classifier: evaluation, calibration and training.", no_args_is_help=True
)
app.add_typer(query_app, name="query")
app.add_typer(sentiment_app, name="sentiment")

Config = Annotated[Path, typer.Option("--config", "-c", help="The settings file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
Brand = Annotated[
    str, typer.Option("--brand", "-b", help="A brand's slug; the default brand of the settings if omitted.")
]
DEFAULT = Path("ascolto.toml")
_FILE_ERRORS = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC}
"""Errors about a file that somebody named: no bugs of ours."""


def main() -> None:
    """Prints errors that an operator can fix in two lines, without a traceback."""
    try:
        app()
    except OperatorError as error:
        _print_error(error.problem, error.fix)
        sys.exit(1)
    except OSError as error:
        if error.filename is None or error.errno not in _FILE_ERRORS:
            raise
        _print_error(f"{error.filename}: {error.strerror}.")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _print_error(problem: str, fix: str = "") -> None:
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
        raise OperatorError(f"There is no {config}.", "Create one:  ascolto init")
    try:
        settings = load(config)
    except SettingsError as error:
        raise OperatorError(str(error), "The example with every key: config/ascolto.example.toml") from error
    configure(settings.log.level, settings.log.format)
    return settings


def _sentiment_settings(config: Path) -> Any:
    """The defaults where there is no settings file yet."""
    from config.settings import Sentiment

    return Sentiment() if config == DEFAULT and not config.exists() else _settings(config).sentiment


@app.callback(invoke_without_command=True)
def version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Play the whole day at once and print what happened.")
    ] = False,
    minutes: Annotated[float, typer.Option(min=0.1, help="How many minutes the day takes on the web desk.")] = 6.0,
    port: Annotated[int, typer.Option(help="The web desk's port; 0 takes any free one.")] = 8420,
) -> None:
    """Play a fictional brand's day through the real pipeline, on this machine only."""
    from ascolto.demo import start

    raise typer.Exit(start.headless() if headless else start.interactive(minutes, port))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The folder to write to.")] = Path(),
    brand: Annotated[str, typer.Option(help="Your first brand's name.")] = "",
) -> None:
    """Write ascolto.toml and brands.toml, and apply a first brand."""
    from ascolto.commands import init

    init.init(folder, brand)


@app.command()
def check(config: Config = DEFAULT, json: Json = False) -> None:
    """Validate the settings, connect to everything once, and say how to fix what fails."""
    from ascolto.commands import check

    raise typer.Exit(check.check(_settings(config), json=json))


@app.command()
def run(config: Config = DEFAULT) -> None:
    """Listen, analyze, show and publish, until stopped."""
    import asyncio

    from ascolto.app import run as run_app
    from ascolto.commands.init import announce

    asyncio.run(run_app(_settings(config), announce))


@app.command()
def digest(
    period: Annotated[str, typer.Option(help="day, week or month.")] = "day",
    date: Annotated[str, typer.Option(help="A day in the period, like 2026-11-21; today if omitted.")] = "",
    language: Annotated[str, typer.Option(help="it, ro or en.")] = "en",
    zone: Annotated[str, typer.Option(help="The time zone of the days.")] = "Europe/Rome",
    brand: Brand = "",
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Print a period in at most twelve lines."""
    from ascolto.commands import listing

    listing.digest(_settings(config), period, date, language, zone, brand, json=json)


@app.command()
def cases(
    view: Annotated[str, typer.Option(help="queue, overdue, snoozed or done.")] = "queue",
    brand: Brand = "",
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """List the cases of a view, most urgent first."""
    from ascolto.commands import listing

    listing.cases(_settings(config), view, brand, json=json)


@app.command()
def mentions(
    search: Annotated[str, typer.Option(help="Words that must occur, whatever their accents and case.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    brand: Brand = "",
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """List the newest mentions, or those that contain some words."""
    from ascolto.commands import listing

    listing.mentions(_settings(config), search, limit, brand, json=json)


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="JSONL or CSV; see docs/import.md for the fields.")],
    brand: Brand = "",
    analyze: Annotated[bool, typer.Option(help="Also analyze them now.")] = True,
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Import past mentions. Opens no cases and raises no alerts; run it again to resume after an interruption."""
    from ascolto.commands import import_mentions

    raise typer.Exit(import_mentions.import_file(_settings(config), file, brand, analyze=analyze, json=json))


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="The file to write, .jsonl or .csv.")],
    brand: Brand = "",
    config: Config = DEFAULT,
) -> None:
    """Write all mentions of a brand, with their analysis, in the format that import reads."""
    from ascolto.commands import export_mentions

    export_mentions.export(_settings(config), out, brand)


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="A TOML file of brands, queues, members and saved replies.")],
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Apply brands, queues, members and saved replies: all or nothing, as often as you like."""
    from ascolto.commands import apply_config

    apply_config.apply(_settings(config), file, json=json)


@app.command()
def invite(member: Annotated[str, typer.Argument(help="The member's slug.")], config: Config = DEFAULT) -> None:
    """Print a link with which a member signs in to the web desk: valid once, for 15 minutes."""
    from ascolto.commands import apply_config

    apply_config.invite(_settings(config), member)


@app.command()
def backup(copy: Annotated[Path, typer.Argument(help="The file to write.")], config: Config = DEFAULT) -> None:
    """Copy the database, also while Ascolto is running."""
    from store import schema

    schema.backup(_settings(config).store.path, copy)
    typer.echo(f"Copied to {copy}.")


@app.command()
def restore(
    copy: Annotated[Path, typer.Argument(help="The file that backup wrote.")], config: Config = DEFAULT
) -> None:
    """Replace the database with a copy; the old one is kept beside it."""
    from ascolto.run_lock import RunLock
    from store import schema

    settings = _settings(config)
    lock = RunLock(settings.store.path)
    lock.acquire()
    old = schema.restore(copy, settings.store.path)
    lock.release()
    typer.echo(f"Restored {settings.store.path}." + (f" The old database is now {old.name}." if old else ""))


@query_app.command(name="test")
def query_test(
    query: Annotated[str, typer.Argument(help="The query, in quotes.")],
    file: Annotated[Path | None, typer.Argument(help="Lines of text or JSONL; standard input if omitted or -.")] = None,
    json: Json = False,
) -> None:
    """Print the lines that a query matches, and the words that matched."""
    from ascolto.commands import query_test

    raise typer.Exit(query_test.test(query, file, json=json))


@app.command()
def simulate(
    managers: Annotated[int, typer.Option(min=4, max=200, help="How many managers work, on four desks.")] = 20,
    hours: Annotated[float, typer.Option(min=0.1, max=72, help="For how many hours people post.")] = 8,
    seed: Annotated[int, typer.Option(help="Another seed plays another day.")] = 1,
    kills: Annotated[bool, typer.Option(help="Whether the program is killed (-9) once in every hour.")] = True,
    keep: Annotated[Path | None, typer.Option(help="A folder in which to keep the databases.")] = None,
    json: Json = False,
) -> None:
    """Play a day of a team, kill the program repeatedly, and check the results against the guarantees."""
    from ascolto.commands import simulate
    from ascolto.simulation.run import Plan

    plan = Plan(managers=managers, hours=hours, seed=seed, cases_an_hour=15.0 * managers)
    raise typer.Exit(0 if simulate.simulate(plan, kills=kills, keep=keep, json=json) else 1)


@app.command()
def classify(
    file: Annotated[Path, typer.Argument(help="A file with one text per line; - is standard input.")] = Path("-"),
    lang: Annotated[str, typer.Option(help="The language of all lines; detected for each line if omitted.")] = "",
    why: Annotated[bool, typer.Option("--why", help="Add the words that influenced the sentiment.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Classify one text per line, and write one JSON object per line."""
    from ascolto.commands import classify

    classify.classify(_sentiment_settings(config), file, lang, why=why)


@sentiment_app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help="JSONL of text, label and optionally language.")],
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Evaluate on labelled texts: accuracy, macro-F1 with its interval, macro-recall, confusion, calibration error."""
    from ascolto.commands import sentiment

    sentiment.evaluate(_sentiment_settings(config), file, json=json)


@sentiment_app.command()
def calibrate(
    file: Annotated[
        Path, typer.Argument(help="JSONL of text, label and optionally language, not used to train the model.")
    ],
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Fit another model's confidence to how often it is right."""
    from ascolto.commands import sentiment

    sentiment.calibrate(_sentiment_settings(config), file, json=json)


@sentiment_app.command(name="export")
def export_model(
    model: Annotated[str, typer.Argument(help="A hub model's name, or a folder.")],
    folder: Annotated[Path, typer.Argument(help="The folder to write; it must not exist yet.")],
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Convert a hub model to int8 ONNX, which needs no PyTorch, and compare the two."""
    from ascolto.commands import sentiment

    sentiment.export(_sentiment_settings(config), model, folder, json=json)


@sentiment_app.command()
def learn(brand: Brand = "", config: Config = DEFAULT, json: Json = False) -> None:
    """Train on the corrections of managers and report whether held-out mentions are classified better. Changes nothing yet."""
    from ascolto.commands import sentiment

    sentiment.learn(_settings(config), brand, json=json)


@sentiment_app.command()
def replay(
    days: Annotated[int, typer.Option(min=1, help="How many days to look back.")] = 30,
    brand: Brand = "",
    config: Config = DEFAULT,
    json: Json = False,
) -> None:
    """Show how the latest training run would have classified recent mentions."""
    from ascolto.commands import sentiment

    sentiment.replay(_settings(config), brand, days, json=json)


@sentiment_app.command()
def use(brand: Brand = "", config: Config = DEFAULT) -> None:
    """Use the latest training run from the next mention on, also in a running Ascolto."""
    from ascolto.commands import sentiment

    sentiment.use(_settings(config), brand)


@sentiment_app.command()
def reset(brand: Brand = "", config: Config = DEFAULT) -> None:
    """Go back to the classifier as shipped."""
    from ascolto.commands import sentiment

    sentiment.reset(_settings(config), brand)


@sentiment_app.command()
def opinions(config: Config = DEFAULT, json: Json = False) -> None:
    """Show how many second opinions were requested this month, and their cost."""
    from ascolto.commands import sentiment

    sentiment.opinions(_settings(config), json=json)
