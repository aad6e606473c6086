"""`ascolto sentiment …`: evaluation, calibration and training of the classifier."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from analysis import training
from analysis.second_opinion import Usage, usage
from ascolto.application import utc_now
from ascolto.commands.listing import brand_ids, query_database
from ascolto.commands.output import print_json
from ascolto.factories import build_reader
from config.settings import Sentiment, Settings
from models.configuration import Brand, Configuration
from models.errors import OperatorError, Refused
from models.sentiment import LABELS, Reader, Reading, calibration, evaluation, load
from models.sentiment.classifier import Probabilities
from models.sentiment.evaluation import Evaluation
from models.sentiment.loading import BUNDLED
from models.tables.training_run import TrainingRun
from models.text import one_line
from store import schema, training_runs
from store.configuration import load_configuration
from store.engine import Store

T = TypeVar("T")

BATCH: Final = 256
MAX_SHOWN: Final = 15


class _LabelledText(msgspec.Struct):
    text: str
    label: str
    language: str | None = None


def read_labelled(file: Path) -> list[_LabelledText]:
    """JSONL of `text`, `label` and optionally `language`; an OperatorError names the first invalid line."""
    if not file.is_file():
        raise OperatorError(f"There is no file {file}.", "It should hold one {text, label, language?} per line.")
    rows = []
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if line.strip():
            try:
                row = msgspec.json.decode(line, type=_LabelledText)
            except msgspec.DecodeError as error:
                raise OperatorError(
                    f"{file}, line {number}: {error}", 'Like {"text": "…", "label": "negative"}.'
                ) from error
            if row.label not in LABELS:
                raise OperatorError(
                    f"{file}, line {number}: there is no label {row.label}.", f"One of {', '.join(LABELS)}."
                )
            rows.append(row)
    if not rows:
        raise OperatorError(f"{file} is empty.", "It should hold one {text, label, language?} per line.")
    return rows


def evaluate(sentiment: Sentiment, file: Path, *, json: bool) -> None:
    """By language, and over all where there are several."""
    examples = read_labelled(file)
    readings = _read(build_reader(sentiment), examples)
    groups: dict[str, list[int]] = {}
    for n, reading in enumerate(readings):
        groups.setdefault(reading.language, []).append(n)
    if len(groups) > 1:
        groups["all"] = list(range(len(examples)))
    results = {language: _evaluate(examples, readings, rows) for language, rows in sorted(groups.items())}
    if json:
        print_json(results)
    else:
        _print(results)


def _evaluate(examples: list[_LabelledText], readings: Sequence[Reading], rows: list[int]) -> Evaluation:
    labels = [LABELS.index(examples[n].label) for n in rows]
    return evaluation.evaluate(labels, _probabilities([readings[n] for n in rows]))


def _probabilities(readings: Sequence[Reading]) -> Probabilities:
    import numpy as np

    return np.array([[r.negative, r.neutral, r.positive] for r in readings], np.float32).reshape(-1, len(LABELS))


def _print(results: dict[str, Evaluation]) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False)
    for title in ("language", "texts", "accuracy", "macro-F1", "95 %", "macro-recall", "ECE", "negative P/R"):
        table.add_column(title, justify="left" if title == "language" else "right")
    for language, f in results.items():
        table.add_row(
            language, str(f.texts), f"{f.accuracy}", f"{f.macro_f1}", f"{f.low}–{f.high}", f"{f.macro_recall}", f"{f.ece:.3f}",
            f"{f.negative_precision}/{f.negative_recall}",
        )  # fmt: skip
    console.print(table)
    for language, f in results.items():
        console.print(f"\n{language}, one row per true label:  " + "  ".join(f"as {label}" for label in LABELS))
        for label, counts in zip(LABELS, f.confusion, strict=True):
            console.print(
                f"  {label:9}"
                + "  ".join(f"{count:>{len(name) + 3}}" for count, name in zip(counts, LABELS, strict=True))
            )


def calibrate(sentiment: Sentiment, file: Path, *, json: bool) -> None:
    """Fits temperatures for a model of your own, and saves them where the settings say."""
    if sentiment.model == BUNDLED:
        raise OperatorError("The bundled model is calibrated already.", "Name another `model` under [sentiment].")
    examples = read_labelled(file)
    reader = load(sentiment.model, sentiment.languages, sentiment.revision or None)
    readings = _read(reader, examples)
    probabilities = _probabilities(readings)
    labels, languages = [LABELS.index(row.label) for row in examples], [r.language for r in readings]
    temperatures = calibration.temperatures(probabilities, labels, languages)
    calibration.save(sentiment.calibration, calibration.Calibration(reader.classifier.name, temperatures))
    after = _read(build_reader(sentiment), examples)
    before = evaluation.evaluate(labels, probabilities).ece
    now = evaluation.evaluate(labels, _probabilities(after)).ece
    if json:
        print_json({"temperatures": temperatures, "ece_before": before, "ece_after": now})
        return
    typer.echo(f"{len(examples)} texts; ECE {before:.3f} before, {now:.3f} after. Saved to {sentiment.calibration}.")
    for language, temperature in temperatures.items():
        typer.echo(f"  {language}: temperature {temperature}")


def export(sentiment: Sentiment, model: str, folder: Path, *, json: bool) -> None:
    """A hub model as int8 ONNX, compared with the original on written posts."""
    from models.sentiment.conversion import convert
    from models.sentiment.training.datasets import written_posts

    texts = [example.text for posts in written_posts().values() for example in posts[:20]]
    parity = convert(model, sentiment.revision or None, folder, texts)
    if json:
        print_json(parity)
        return
    typer.echo(
        f"{folder}: {parity.megabytes:.0f} MB. Both models agree on {parity.agreement:.1%} of {parity.texts} texts;"
    )
    typer.echo(f"probabilities differ by {parity.mean:.3f} on average and {parity.largest:.2f} at most.")
    typer.echo(f'To use it:  [sentiment] model = "{folder}"')


def _read(reader: Reader, examples: Sequence[_LabelledText]) -> list[Reading]:
    readings: list[Reading] = []
    for start in range(0, len(examples), BATCH):
        batch = examples[start : start + BATCH]
        readings += reader.read([row.text for row in batch], [row.language for row in batch])
    return readings


def learn(settings: Settings, brand: str, *, json: bool) -> None:
    async def step(store: Store, brand_id: int, spec: Brand) -> TrainingRun:
        return await training.train(store, build_reader(settings.sentiment), brand_id, spec, utc_now())

    run = _with_brand(settings, brand, step)
    if json:
        fields = ("corrections", "agreements", "accuracy_before", "accuracy_after", "gain_low", "gain_high", "improved")
        print_json({field: getattr(run, field) for field in fields})
        return
    gain = f"between {100 * run.gain_low:+.0f} and {100 * run.gain_high:+.0f} points"
    typer.echo(f"Trained on {run.corrections} corrections and {run.agreements} mentions that nobody corrected.")
    typer.echo(
        f"Accuracy on held-out mentions: {run.accuracy_before:.0%} before, {run.accuracy_after:.0%} after ({gain})."
    )
    if run.improved:
        typer.echo("See what would change:  ascolto sentiment replay\nUse it:  ascolto sentiment use")
    else:
        typer.echo("That is no improvement: it will not be used.")


def replay(settings: Settings, brand: str, days: int, *, json: bool) -> None:
    async def step(store: Store, brand_id: int, _spec: Brand) -> training.Replay:
        run = await _latest(store, brand_id)
        return await training.replay(store, build_reader(settings.sentiment), run, utc_now(), days)

    result = _with_brand(settings, brand, step)
    if json:
        changed = [
            {"text": c.mention.text, "url": c.mention.url, "before": c.before, "after": c.after} for c in result.changed
        ]
        print_json({"mentions": result.mentions, "before": result.before, "after": result.after, "changed": changed})
        return
    console = Console(highlight=False)
    console.print(
        f"{result.mentions} mentions of the last {days} days; {len(result.changed)} would be classified differently."
    )
    for label in LABELS:
        console.print(f"  {label:9}{result.before[label]:>6} → {result.after[label]}")
    for change in result.changed[:MAX_SHOWN]:
        console.print(Text(f"  {change.before} → {change.after}: {one_line(change.mention.text, 90)}"))
    if len(result.changed) > MAX_SHOWN:
        console.print(f"  and {len(result.changed) - MAX_SHOWN} more")


def use(settings: Settings, brand: str) -> None:
    async def step(store: Store, brand_id: int, _spec: Brand) -> TrainingRun:
        run = await _latest(store, brand_id)
        await training.activate(store, run, utc_now())
        return run

    run = _with_brand(settings, brand, step)
    typer.echo(f"In use from the next mention on; trained on {run.corrections} corrections.")
    typer.echo("To go back:  ascolto sentiment reset")


def reset(settings: Settings, brand: str) -> None:
    async def step(store: Store, brand_id: int, _spec: Brand) -> bool:
        async with store.writing() as session:
            return await training_runs.deactivate(session, brand_id, utc_now())

    was_active = _with_brand(settings, brand, step)
    typer.echo("Back to the classifier as shipped." if was_active else "The classifier as shipped is in use already.")


async def _latest(store: Store, brand_id: int) -> TrainingRun:
    async with store.reading() as session:
        run = await training_runs.latest(session, brand_id)
    if run is None:
        raise OperatorError("Nothing has been trained yet.", "ascolto sentiment learn")
    return run


def _with_brand(settings: Settings, brand: str, step: Callable[[Store, int, Brand], Awaitable[T]]) -> T:
    """Runs a step with the store and the brand; a refusal is an OperatorError."""

    async def run() -> T:
        await asyncio.to_thread(schema.prepare, settings.store.path)
        store = Store(settings.store.path)
        try:
            async with store.reading() as session:
                configuration = await load_configuration(session)
            ids = brand_ids(settings, configuration, brand)
            if len(ids) != 1:
                raise OperatorError("There are several brands.", "Choose one:  --brand SLUG")
            return await step(store, ids[0], configuration.brands[ids[0]])
        except Refused as refused:
            raise OperatorError(str(refused)) from refused
        finally:
            await store.close()

    return asyncio.run(run())


def opinions(settings: Settings, *, json: bool) -> None:
    async def query(session: AsyncSession, _configuration: Configuration) -> Usage:
        return await usage(session, utc_now())

    month = query_database(settings, query)
    if json:
        print_json(month)
        return
    budget = settings.second_opinion.monthly_budget
    typer.echo(f"This month: {month.answered} answered, {month.waiting} waiting, {month.unusable} answers unusable.")
    typer.echo(f"Cost: {month.cost:.4f}" + (f" of {budget:g}" if budget else "") + f", {month.tokens} tokens.")
