"""`ascolto demo`: the square, the brand and the day, and the same program that `ascolto run` is."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from ascolto import applying
from ascolto.app import App, run
from ascolto.demo import story
from ascolto.demo.headless import play
from ascolto.demo.square import Square, tell
from ascolto.house import utc_now
from ascolto.logs import configure
from config.settings import Settings
from config.settings import Square as SquareSection
from config.settings import Store as StoreSection
from config.settings import Web as WebSection
from models.errors import OperatorError
from store import catalogue, members

ME: Final = "ana"


def headless() -> int:
    configure("warning")
    return 0 if asyncio.run(play(Console(soft_wrap=True))) else 1


def interactive(minutes: float, port: int) -> int:
    configure("warning")
    with tempfile.TemporaryDirectory(prefix="ascolto-demo-") as folder:
        try:
            asyncio.run(_interactive(Path(folder), minutes, port))
        except OperatorError as error:
            if f":{port}:" not in error.problem:
                raise
            raise OperatorError(error.problem, "Take any free port:  ascolto demo --port 0") from error
    return 0


async def _interactive(folder: Path, minutes: float, port: int) -> None:
    square = Square(utc_now)
    await square.start()
    settings = Settings(
        store=StoreSection(path=folder / "demo.db"),
        web=WebSection(port=port),
        connections=(SquareSection(name="square", platform="square", url=square.url),),
    )
    playing: asyncio.Task[None] | None = None

    async def started(app: App) -> None:
        nonlocal playing
        async with app.house.store.writing() as session:
            await catalogue.apply(session, applying.read(story.BRAND), utc_now())
            known = await catalogue.load(session)
            token = await members.invite(session, known.members.id_of(ME) or 0, utc_now())
        _welcome(f"{app.web.address}/enter/{token}", square.url, minutes)
        playing = asyncio.create_task(_play(square, timedelta(minutes=minutes)))

    try:
        await run(settings, started)
    finally:
        if playing:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
        await square.stop()


def _welcome(link: str, square: str, minutes: float) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        "\n[bold]Ascolto demo[/bold]: a day of Vialunga, a coach company that does not exist, in",
        f"{minutes:g} minutes.\n",
    )
    console.print("  Your web desk (the link works once):")
    console.print(f"    [bold cyan]{link}[/bold cyan]")
    console.print("  The public square, where the posts and your replies stand:")
    console.print(f"    [cyan]{square}[/cyan]\n")
    console.print(
        "  Take a case (c), mend the suggested reply, approve it (Ctrl+Enter), and watch it appear under the post."
    )
    console.print("  The digest of the day is at the top of the desk. Ctrl+C ends the demo; nothing is kept.\n")


async def _play(square: Square, length: timedelta) -> None:
    """The day in so many minutes; what follows on an answer of ours follows when it is there."""
    events = story.read()
    day = [event for event in events if not event.after]
    waiting = [event for event in events if event.after]
    first, last = day[0].at, day[-1].at
    loop = asyncio.get_running_loop()
    begun = loop.time()
    speed = length / (last - first)
    for event in day:
        await asyncio.sleep(max(0.0, begun + ((event.at - first) * speed).total_seconds() - loop.time()))
        tell(square, event)
        waiting = await _follow(square, waiting, speed)
    while True:
        await asyncio.sleep(2)
        waiting = await _follow(square, waiting, speed)


async def _follow(square: Square, waiting: list[story.Event], speed: float) -> list[story.Event]:
    """Whoever was answered goes on, after a while."""
    answered = {said.parent: said.id for said in square.said}
    for event in waiting:
        if event.after in answered:
            delay = max(5.0, event.at.total_seconds() * speed)
            under = msgspec.structs.replace(event, under=answered[event.after])
            asyncio.get_running_loop().call_later(delay, tell, square, under)
    return [event for event in waiting if event.after not in answered]
