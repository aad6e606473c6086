"""`ascolto cases`, `mentions` and `digest`: what is in the rows, for people or as JSON."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from ascolto.house import utc_now
from ascolto.printing import print_json
from config.settings import Settings
from insights import digests
from insights.periods import Kind
from languages import available, translator
from models.catalogue import Catalogue, known_zone
from models.errors import OperatorError
from models.text import one_line
from store import cases as case_rows
from store import catalogue as catalogues
from store import mentions as mention_rows
from store import schema
from store.engine import Store
from triage.turn import Turn

T = TypeVar("T")
PERIODS: tuple[Kind, ...] = ("day", "week", "month")


def looked_up(settings: Settings, look: Callable[[AsyncSession, Catalogue], Awaitable[T]]) -> T:
    """Reads from the database, which is made if there is none yet."""

    async def reading() -> T:
        await asyncio.to_thread(schema.prepare, settings.store.path)
        store = Store(settings.store.path)
        try:
            async with store.reading() as session:
                return await look(session, await catalogues.load(session))
        finally:
            await store.close()

    return asyncio.run(reading())


def brand_ids(settings: Settings, catalogue: Catalogue, brand: str) -> list[int]:
    """The named brand, else the default one, else all."""
    slug = brand or settings.default_brand
    if not slug:
        return [number for number, _ in catalogue.brands]
    number = catalogue.brands.id_of(slug)
    if number is None:
        known = ", ".join(spec.slug for _, spec in catalogue.brands) or "none yet"
        raise OperatorError(f"There is no brand {slug}.", f"Known: {known}. Add one with ascolto apply.")
    return [number]


def cases(settings: Settings, view: str, brand: str, *, json: bool) -> None:
    wanted = next((known for known in case_rows.VIEWS if known == view and known != "mine"), None)
    if wanted is None:
        raise OperatorError(f"There is no view {view}.", "Views: queue, late, snoozed, done.")

    async def look(session: AsyncSession, catalogue: Catalogue) -> list[dict[str, object]]:
        lines = await case_rows.listing(session, wanted, brand_ids(settings, catalogue, brand), 0, utc_now())
        return [_case(line, catalogue) for line in lines]

    _print(
        looked_up(settings, look),
        ("case", "points", "state", "sentiment", "grave", "storm", "author", "due", "text"),
        json,
    )


def _case(line: case_rows.Line, catalogue: Catalogue) -> dict[str, object]:
    case = line.case
    holder = catalogue.members.get(case.claimed_by)
    return {
        "case": case.id,
        "brand": catalogue.brands[case.brand_id].slug,
        "state": case.state,
        "points": case.points,
        "sentiment": case.sentiment,
        "intent": case.intent,
        "grave": case.grave,
        "language": case.language,
        "topics": case.topics,
        "storm": line.storm,
        "platform": case.platform,
        "author": line.author,
        "claimed_by": holder.slug if holder else None,
        "heard_at": case.heard_at,
        "due": case.first_answer_due,
        "text": line.text,
    }


def mentions(settings: Settings, words: str, limit: int, brand: str, *, json: bool) -> None:
    async def look(session: AsyncSession, catalogue: Catalogue) -> list[dict[str, object]]:
        brands = brand_ids(settings, catalogue, brand)
        rows = (
            await mention_rows.search(session, words, brands, limit)
            if words
            else await mention_rows.newest(session, brands, limit)
        )
        return [
            {
                "id": mention.id,
                "brand": catalogue.brands[read.brand_id].slug,
                "platform": mention.platform,
                "native_id": mention.native_id,
                "author": author.handle,
                "created_at": mention.created_at,
                "language": read.language,
                "sentiment": read.felt,
                "case": read.case_id,
                "url": mention.url,
                "text": mention.text,
            }
            for mention, author, read in rows
        ]

    _print(looked_up(settings, look), ("created_at", "platform", "author", "sentiment", "text"), json)


def digest(settings: Settings, period: str, day: str, language: str, zone: str, brand: str, *, json: bool) -> None:
    kind = next((known for known in PERIODS if known == period), None)
    if kind is None or language not in available() or not known_zone(zone):
        raise OperatorError(
            "This digest cannot be made.",
            f"Periods: {', '.join(PERIODS)}. Languages: {', '.join(available())}. Zones are like Europe/Rome.",
        )
    try:
        wanted = dt.date.fromisoformat(day) if day else None
    except ValueError as error:
        raise OperatorError(f"{day} is not a date.", "Write it like 2026-11-21.") from error

    async def look(session: AsyncSession, catalogue: Catalogue) -> list[str]:
        slugs = [catalogue.brands[number].slug for number in brand_ids(settings, catalogue, brand)]
        now = utc_now()
        queue = digests.whole(catalogue, slugs, zone, language)
        found = digests.period_of(kind, wanted, now, zone)
        return await digests.digest(Turn(session, catalogue, now), queue, found, translator(language))

    lines = looked_up(settings, look)
    if json:
        print_json(lines)
    else:
        typer.echo("\n".join(lines))


def _print(rows: list[dict[str, object]], columns: tuple[str, ...], json: bool) -> None:
    if json:
        for row in rows:
            print_json(row)
        return
    if not rows:
        typer.echo("Nothing found.", err=True)
        return
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(
            column,
            overflow="fold" if column == "text" else "ellipsis",
            no_wrap=column != "text",
            min_width=32 if column == "text" else None,
        )
    for row in rows:
        table.add_row(*(Text(_cell(column, row[column])) for column in columns))
    Console().print(table)


def _cell(column: str, value: object) -> str:
    if value is None:
        return "–"
    if column == "text":
        return one_line(str(value), 160)
    if isinstance(value, dt.datetime):
        return value.astimezone().strftime("%d %b %H:%M" if column == "due" else "%Y-%m-%d %H:%M")
    return str(value)
