"""`ascolto sentiment …`: how well the reader reads, and what it learns."""

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

from ascolto.house import utc_now
from ascolto.printing import print_json
from ascolto.reader import reader_of
from ascolto.showing import brand_ids, looked_up
from config.settings import Sentiment, Settings
from models.catalogue import Brand, Catalogue
from models.errors import OperatorError, Refused
from models.learned import Learned
from models.sentiment import LABELS, Reader, Reading, calibration, load
from models.sentiment.classifier import Probabilities
from models.sentiment.loading import BUNDLED
from models.sentiment.measuring import Figures, figures
from models.text import one_line
from store import catalogue as catalogues
from store import learned as rows
from store import schema
from store.engine import Store
from triage import learning
from triage.opinions import Tally, tally

T = TypeVar("T")

BATCH: Final = 256
SHOWN: Final = 15


class _Row(msgspec.Struct):
    text: str
    label: str
    language: str | None = None


def labelled(file: Path) -> list[_Row]:
    """JSONL of `text`, `label` and perhaps `language`; an OperatorError names the first line that is none."""
    if not file.is_file():
        raise OperatorError(f"There is no file {file}.", "It holds one {text, label, language?} a line.")
    found = []
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if line.strip():
            try:
                row = msgspec.json.decode(line, type=_Row)
            except msgspec.DecodeError as error:
                raise OperatorError(
                    f"{file}, line {number}: {error}", 'Like {"text": "…", "label": "negative"}.'
                ) from error
            if row.label not in LABELS:
                raise OperatorError(
                    f"{file}, line {number}: there is no label {row.label}.", f"One of {', '.join(LABELS)}."
                )
            found.append(row)
    if not found:
        raise OperatorError(f"{file} is empty.", "It holds one {text, label, language?} a line.")
    return found


def evaluate(sentiment: Sentiment, file: Path, *, json: bool) -> None:
    """Per language, and over all where there are several."""
    examples = labelled(file)
    readings = _read(reader_of(sentiment), examples)
    groups: dict[str, list[int]] = {}
    for n, reading in enumerate(readings):
        groups.setdefault(reading.language, []).append(n)
    if len(groups) > 1:
        groups["all"] = list(range(len(examples)))
    found = {language: _figures(examples, readings, here) for language, here in sorted(groups.items())}
    if json:
        print_json(found)
    else:
        _print(found)


def _figures(examples: list[_Row], readings: Sequence[Reading], here: list[int]) -> Figures:
    return figures([LABELS.index(examples[n].label) for n in here], _shares([readings[n] for n in here]))


def _shares(readings: Sequence[Reading]) -> Probabilities:
    import numpy as np

    return np.array([[r.negative, r.neutral, r.positive] for r in readings], np.float32).reshape(-1, len(LABELS))


def _print(found: dict[str, Figures]) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False)
    for title in ("language", "texts", "accuracy", "macro-F1", "95 %", "macro-recall", "ECE", "negative P/R"):
        table.add_column(title, justify="left" if title == "language" else "right")
    for language, f in found.items():
        table.add_row(
            language, str(f.texts), f"{f.accuracy}", f"{f.macro_f1}", f"{f.low}–{f.high}", f"{f.macro_recall}", f"{f.ece:.3f}",
            f"{f.negative_precision}/{f.negative_recall}",
        )  # fmt: skip
    console.print(table)
    for language, f in found.items():
        console.print(f"\n{language}, a row a true label:  " + "  ".join(f"read as {label}" for label in LABELS))
        for label, counts in zip(LABELS, f.confusion, strict=True):
            console.print(
                f"  {label:9}"
                + "  ".join(f"{count:>{len(name) + 8}}" for count, name in zip(counts, LABELS, strict=True))
            )


def calibrate(sentiment: Sentiment, file: Path, *, json: bool) -> None:
    """Finds temperatures for a model of somebody else's, and keeps them where the settings say."""
    if sentiment.model == BUNDLED:
        raise OperatorError("The bundled reader is calibrated already.", "Name another `model` under [sentiment].")
    examples = labelled(file)
    found = load(sentiment.model, sentiment.languages, sentiment.revision or None)
    readings = _read(found, examples)
    probabilities = _shares(readings)
    labels, languages = [LABELS.index(row.label) for row in examples], [r.language for r in readings]
    heat = calibration.temperatures(probabilities, labels, languages)
    calibration.keep(sentiment.calibration, calibration.Calibration(found.classifier.name, heat))
    after = _read(reader_of(sentiment), examples)
    before, now = figures(labels, probabilities).ece, figures(labels, _shares(after)).ece
    if json:
        print_json({"temperatures": heat, "ece_before": before, "ece_after": now})
        return
    typer.echo(f"{len(examples)} texts; ECE {before:.3f} before, {now:.3f} after. Kept in {sentiment.calibration}.")
    for language, degree in heat.items():
        typer.echo(f"  {language}: temperature {degree}")


def export(sentiment: Sentiment, model: str, folder: Path, *, json: bool) -> None:
    """A hub model as int8 ONNX, compared with the original on written posts."""
    from models.sentiment.conversion import convert
    from models.sentiment.training.sets import written

    texts = [example.text for posts in written().values() for example in posts[:20]]
    parity = convert(model, sentiment.revision or None, folder, texts)
    if json:
        print_json(parity)
        return
    typer.echo(f"{folder}: {parity.megabytes:.0f} MB. Of {parity.texts} texts, {parity.agreement:.1%} are read alike;")
    typer.echo(f"shares differ by {parity.mean:.3f} in the mean and {parity.largest:.2f} at most.")
    typer.echo(f'Use it:  [sentiment] model = "{folder}"')


def _read(reader: Reader, examples: Sequence[_Row]) -> list[Reading]:
    readings: list[Reading] = []
    for start in range(0, len(examples), BATCH):
        batch = examples[start : start + BATCH]
        readings += reader.read([row.text for row in batch], [row.language for row in batch])
    return readings


def learn(settings: Settings, brand: str, *, json: bool) -> None:
    async def step(store: Store, number: int, known: Brand) -> Learned:
        return await learning.learn(store, reader_of(settings.sentiment), number, known, utc_now())

    learned = _with_brand(settings, brand, step)
    if json:
        print_json(
            {
                name: getattr(learned, name)
                for name in ("corrections", "agreed", "before", "after", "low", "high", "better")
            }
        )
        return
    gain = f"between {100 * learned.low:+.0f} and {100 * learned.high:+.0f} points"
    typer.echo(f"Learned from {learned.corrections} corrections and {learned.agreed} readings that were let be.")
    typer.echo(f"Of those held out, read rightly: {learned.before:.0%} before, {learned.after:.0%} after ({gain}).")
    if learned.better:
        typer.echo("Look at what would change:  ascolto sentiment replay\nUse it:  ascolto sentiment use")
    else:
        typer.echo("That is not better, so it is not used.")


def replay(settings: Settings, brand: str, days: int, *, json: bool) -> None:
    async def step(store: Store, number: int, _known: Brand) -> learning.Replay:
        learned = await _last(store, number)
        return await learning.replay(store, reader_of(settings.sentiment), learned, utc_now(), days)

    found = _with_brand(settings, brand, step)
    if json:
        print_json(
            {
                "mentions": found.mentions,
                "was": found.was,
                "now": found.now,
                "changed": [
                    {"text": c.mention.text, "url": c.mention.url, "was": c.was, "now": c.now} for c in found.changed
                ],
            }
        )
        return
    console = Console(highlight=False)
    console.print(f"{found.mentions} mentions of the last {days} days; {len(found.changed)} would be read otherwise.")
    for label in LABELS:
        console.print(f"  {label:9}{found.was[label]:>6} → {found.now[label]}")
    for change in found.changed[:SHOWN]:
        console.print(Text(f"  {change.was} → {change.now}: {one_line(change.mention.text, 90)}"))
    if len(found.changed) > SHOWN:
        console.print(f"  and {len(found.changed) - SHOWN} more")


def use(settings: Settings, brand: str) -> None:
    async def step(store: Store, number: int, _known: Brand) -> Learned:
        learned = await _last(store, number)
        await learning.use(store, learned, utc_now())
        return learned

    learned = _with_brand(settings, brand, step)
    typer.echo(f"In use from the next mention on: learned from {learned.corrections} corrections.")
    typer.echo("To go back:  ascolto sentiment back")


def back(settings: Settings, brand: str) -> None:
    async def step(store: Store, number: int, _known: Brand) -> bool:
        async with store.writing() as session:
            return await rows.back(session, number, utc_now())

    done = _with_brand(settings, brand, step)
    typer.echo("Back to the reader as it was shipped." if done else "Nothing that was learned is in use.")


async def _last(store: Store, number: int) -> Learned:
    async with store.reading() as session:
        learned = await rows.last(session, number)
    if learned is None:
        raise OperatorError("Nothing has been learned yet.", "ascolto sentiment learn")
    return learned


def _with_brand(settings: Settings, brand: str, step: Callable[[Store, int, Brand], Awaitable[T]]) -> T:
    """Runs a step on the store of these settings; what it refuses is told to the operator."""

    async def run() -> T:
        await asyncio.to_thread(schema.prepare, settings.store.path)
        store = Store(settings.store.path)
        try:
            async with store.reading() as session:
                known = await catalogues.load(session)
            numbers = brand_ids(settings, known, brand)
            if len(numbers) != 1:
                raise OperatorError("Which brand?", "Name it:  --brand SLUG")
            [number] = numbers
            return await step(store, number, known.brands[number])
        except Refused as refused:
            raise OperatorError(str(refused)) from refused
        finally:
            await store.close()

    return asyncio.run(run())


def opinions(settings: Settings, *, json: bool) -> None:
    async def look(session: AsyncSession, _catalogue: Catalogue) -> Tally:
        return await tally(session, utc_now())

    found = looked_up(settings, look)
    if json:
        print_json(found)
        return
    budget = settings.second_opinion.monthly_budget
    typer.echo(f"{found.asked} asked this month, {found.waiting} waiting; {found.useless} answers made no sense.")
    typer.echo(f"Cost: {found.cost:.4f}" + (f" of {budget:g}" if budget else "") + f", {found.tokens} tokens.")
