"""`ascolto demo`: starts the square, plays the day on it, and runs the same program as `ascolto run`."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from ascolto.app import App, run
from ascolto.application import utc_now
from ascolto.commands import apply_config
from ascolto.demo import story
from ascolto.demo.headless import play
from ascolto.demo.square import Square, play_event
from ascolto.logs import configure
from config.connections import Square as SquareSection
from config.settings import Settings
from config.settings import Store as StoreSection
from config.settings import Web as WebSection
from models.errors import OperatorError
from store import sessions
from store.configuration import apply_changes, load_configuration

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
            raise OperatorError(error.problem, "Use any free port:  ascolto demo --port 0") from error
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
        async with app.application.store.writing() as session:
            await apply_changes(session, apply_config.read(story.BRAND), utc_now())
            members = (await load_configuration(session)).members
            token = await sessions.create_link(session, members.id_of(ME) or 0, utc_now())
        _welcome(f"{app.web.address}/sign_in/{token}", square.url, minutes)
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
    console.print("  Your web desk (the link is valid once):")
    console.print(f"    [bold cyan]{link}[/bold cyan]")
    console.print("  The public square, with the posts and your replies:")
    console.print(f"    [cyan]{square}[/cyan]\n")
    console.print(
        "  Claim a case (c), edit the suggested reply, approve it (Ctrl+Enter), and see it appear under the post."
    )
    console.print("  The digest of the day is at the top of the page. Ctrl+C ends the demo; nothing is saved.\n")


async def _play(square: Square, length: timedelta) -> None:
    """The day in `length`; what people post about a reply of ours comes once it is published."""
    events = story.read()
    day = [event for event in events if not event.after_reply_to]
    waiting = [event for event in events if event.after_reply_to]
    first, last = day[0].at, day[-1].at
    loop = asyncio.get_running_loop()
    started = loop.time()
    speed = length / (last - first)
    for event in day:
        await asyncio.sleep(max(0.0, started + ((event.at - first) * speed).total_seconds() - loop.time()))
        play_event(square, event)
        waiting = await _react(square, waiting, speed)
    while True:
        await asyncio.sleep(2)
        waiting = await _react(square, waiting, speed)


async def _react(square: Square, waiting: list[story.Event], speed: float) -> list[story.Event]:
    """Authors react to our replies after a while."""
    replies = {reply.parent: reply.id for reply in square.replies}
    for event in waiting:
        if event.after_reply_to in replies:
            delay = max(5.0, event.at.total_seconds() * speed)
            reaction = msgspec.structs.replace(event, parent=replies[event.after_reply_to])
            asyncio.get_running_loop().call_later(delay, play_event, square, reaction)
    return [event for event in waiting if event.after_reply_to not in replies]
