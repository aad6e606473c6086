"""`ascolto simulate`: a day of a team of managers on four desks, stepped, with the program killed in every hour of it."""

import asyncio
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import msgspec
from rich.console import Console
from rich.table import Table

from ascolto.printing import print_json
from ascolto.simulation.auditing import Report, audit
from ascolto.simulation.far import Far
from ascolto.simulation.playing import BEGIN, Plan
from models.errors import OperatorError

LOOK = 0.02
"""Seconds between two looks at the simulated clock."""


def simulate(plan: Plan, *, kills: bool, keep: Path | None, json: bool) -> bool:
    """Plays the day and holds what happened against what was promised; whether all was kept."""
    with _folder(keep) as folder:
        begun = time.monotonic()
        killed = play(folder, plan, kills=kills)
        report = asyncio.run(audit(folder, killed))
        if json:
            print_json(report)
        else:
            _print(report, plan, time.monotonic() - begun)
    return not report.broken


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="ascolto-simulation-") as name:
            yield Path(name)
        return
    if keep.exists() and any(keep.iterdir()):
        raise OperatorError(f"{keep} is not empty.", "Name another folder.")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep


def play(folder: Path, plan: Plan, *, kills: bool) -> int:
    """Runs the day in a process of its own, and kills that somewhere in each simulated hour; returns how often."""
    chance = Random(plan.seed)  # noqa: S311 - a game
    hours = range(math.ceil(plan.hours)) if kills else ()
    moments = [BEGIN + timedelta(hours=hour + chance.random() * min(1, plan.hours - hour)) for hour in hours]
    command = [sys.executable, "-m", "ascolto.simulation", str(folder), msgspec.json.encode(plan).decode()]
    count = 0
    for moment in (*moments, None):
        with subprocess.Popen(command, cwd=Path(__file__).parent.parent) as process:  # noqa: S603 - ourselves
            while process.poll() is None:
                if moment is not None and _clock(folder) >= moment.timestamp():
                    time.sleep(chance.uniform(0, 0.05))  # anywhere within a step
                    os.kill(process.pid, signal.SIGKILL)
                    count += 1
                    break
                time.sleep(LOOK)
            code = process.wait()
        if code not in (0, -signal.SIGKILL):
            raise OperatorError("The simulation broke.", "Run it again with --keep, and look at what stands above.")
        if code == 0:
            break
    return count


def _clock(folder: Path) -> float:
    path = folder / "far.db"
    if not path.exists():
        return 0.0
    far = Far(path)
    now = far.now
    far.close()
    return now.timestamp() if now else 0.0


def _print(report: Report, plan: Plan, seconds: float) -> None:
    console = Console(width=min(shutil.get_terminal_size().columns, 110))
    half, most = report.minutes
    console.print(
        f"{plan.managers} managers, {plan.hours:g} hours, killed {report.tally['killed']} times, in {seconds:.0f} s:"
        f" {report.mentions} mentions, {report.cases} cases, {report.answered} answered, {report.dismissed} dismissed,"
        f" {report.late} calls because late. First answer: half within {half:.0f} min, nine of ten within {most:.0f} min.",
        highlight=False,
    )
    table = Table("chat", "messages", "most at once", "limit", "refused", box=None)
    for one in report.traffic:
        table.add_row(
            one.chat,
            str(one.messages),
            f"{one.most} in {one.seconds:g} s",
            f"{one.limit} in {one.seconds:g} s",
            str(one.refused),
        )
    console.print(table)
    for name, count in sorted(report.tally.items()):
        console.print(f"  {count:>6} {name}", highlight=False)
    for line in report.broken[:20]:
        console.print(line, style="red", highlight=False)
    more = len(report.broken) - 20
    if more > 0:
        console.print(f"… and {more} more", style="red")
    if not report.broken:
        console.print(
            "Nothing lost, nothing answered twice, nothing late in silence, every draft found again.", style="green"
        )
