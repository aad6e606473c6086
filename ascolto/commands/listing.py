"""`ascolto cases`, `mentions` and `digest`: as tables or as JSON."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from ascolto.application import utc_now
from ascolto.commands.output import print_json
from config.settings import Settings
from insights import digests
from insights.periods import Kind
from languages import available, translator
from models.configuration import Configuration
from models.configuration_checks import is_time_zone
from models.errors import OperatorError
from models.text import one_line
from store import cases as case_rows
from store import mentions as mention_rows
from store import schema
from store.configuration import load_configuration
from store.engine import Store
from triage.context import Context

T = TypeVar("T")
PERIODS: tuple[Kind, ...] = ("day", "week", "month")
VIEWS: tuple[case_rows.InboxView, ...] = ("queue", "overdue", "snoozed", "done")
NOBODY = 0
"""No member's id."""


def query_database(settings: Settings, query: Callable[[AsyncSession, Configuration], Awaitable[T]]) -> T:
    """The result of a query on the database, which is created if there is none yet."""

    async def run() -> T:
        await asyncio.to_thread(schema.prepare, settings.store.path)
        store = Store(settings.store.path)
        try:
            async with store.reading() as session:
                return await query(session, await load_configuration(session))
        finally:
            await store.close()

    return asyncio.run(run())


def brand_ids(settings: Settings, configuration: Configuration, brand: str) -> list[int]:
    """The named brand, or else the default one, or else all."""
    slug = brand or settings.default_brand
    if not slug:
        return [number for number, _ in configuration.brands]
    number = configuration.brands.id_of(slug)
    if number is None:
        slugs = ", ".join(spec.slug for _, spec in configuration.brands) or "none yet"
        raise OperatorError(f"There is no brand {slug}.", f"Brands: {slugs}. Add one with ascolto apply.")
    return [number]


def cases(settings: Settings, view_name: str, brand: str, *, json: bool) -> None:
    view = next((view for view in VIEWS if view == view_name), None)
    if view is None:
        raise OperatorError(f"There is no view {view_name}.", f"Views: {', '.join(VIEWS)}.")

    async def query(session: AsyncSession, configuration: Configuration) -> list[dict[str, object]]:
        summaries = await case_rows.list_cases(
            session, view, brand_ids(settings, configuration, brand), NOBODY, utc_now()
        )
        return [_case(summary, configuration) for summary in summaries]

    _print(
        query_database(settings, query),
        ("case", "score", "state", "sentiment", "severity", "similar", "author", "due", "text"),
        json,
    )


def _case(summary: case_rows.CaseSummary, configuration: Configuration) -> dict[str, object]:
    case = summary.case
    claimer = configuration.members.get(case.claimed_by)
    return {
        "case": case.id,
        "brand": configuration.brands[case.brand_id].slug,
        "state": case.state,
        "score": case.score,
        "sentiment": case.sentiment,
        "intent": case.intent,
        "severity": case.severity,
        "language": case.language,
        "topics": case.topics,
        "similar": summary.group,
        "platform": case.platform,
        "author": summary.author,
        "claimed_by": claimer.slug if claimer else None,
        "received_at": case.received_at,
        "due": case.first_answer_due,
        "text": summary.text,
    }


def mentions(settings: Settings, words: str, limit: int, brand: str, *, json: bool) -> None:
    async def query(session: AsyncSession, configuration: Configuration) -> list[dict[str, object]]:
        brands = brand_ids(settings, configuration, brand)
        rows = (
            await mention_rows.search(session, words, brands, limit)
            if words
            else await mention_rows.newest(session, brands, limit)
        )
        return [
            {
                "id": mention.id,
                "brand": configuration.brands[match.brand_id].slug,
                "platform": mention.platform,
                "native_id": mention.native_id,
                "author": author.handle,
                "created_at": mention.created_at,
                "language": match.language,
                "sentiment": match.effective_sentiment,
                "case": match.case_id,
                "url": mention.url,
                "text": mention.text,
            }
            for mention, author, match in rows
        ]

    _print(query_database(settings, query), ("created_at", "platform", "author", "sentiment", "text"), json)


def digest(settings: Settings, period: str, day: str, language: str, zone: str, brand: str, *, json: bool) -> None:
    kind = next((kind for kind in PERIODS if kind == period), None)
    if kind is None or language not in available() or not is_time_zone(zone):
        raise OperatorError(
            "The digest cannot be written.",
            f"Periods: {', '.join(PERIODS)}. Languages: {', '.join(available())}. Time zones are like Europe/Rome.",
        )
    try:
        first_day = dt.date.fromisoformat(day) if day else None
    except ValueError as error:
        raise OperatorError(f"{day} is not a date.", "Write it like 2026-11-21.") from error

    async def query(session: AsyncSession, configuration: Configuration) -> list[str]:
        slugs = [configuration.brands[number].slug for number in brand_ids(settings, configuration, brand)]
        now = utc_now()
        queue = digests.queue_of_brands(configuration, slugs, zone, language)
        days = digests.period_of(kind, first_day, now, zone)
        return await digests.digest(Context(session, configuration, now), queue, days, translator(language))

    lines = query_database(settings, query)
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
