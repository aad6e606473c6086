"""`ascolto simulate`: a day of a team on four desks, played in steps, with the program killed in every hour of it."""

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

from ascolto.commands.output import print_json
from ascolto.simulation.audit import Report, audit
from ascolto.simulation.outside_world import OutsideWorld
from ascolto.simulation.run import START, Plan
from models.errors import OperatorError

POLL_INTERVAL = 0.02
"""Seconds between two reads of the simulated clock."""


def simulate(plan: Plan, *, kills: bool, keep: Path | None, json: bool) -> bool:
    """Plays the day and checks the results; returns whether every guarantee held."""
    with _folder(keep) as folder:
        started = time.monotonic()
        killed = play(folder, plan, kills=kills)
        report = asyncio.run(audit(folder, killed))
        if json:
            print_json(report)
        else:
            _print(report, plan, time.monotonic() - started)
    return not report.violations


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="ascolto-simulation-") as name:
            yield Path(name)
        return
    if keep.exists() and any(keep.iterdir()):
        raise OperatorError(f"{keep} is not empty.", "Use another folder.")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep


def play(folder: Path, plan: Plan, *, kills: bool) -> int:
    """Runs the day in a process of its own, killed at a random moment of each simulated hour; returns how often."""
    rng = Random(plan.seed)  # noqa: S311 - a game
    hours = range(math.ceil(plan.hours)) if kills else ()
    moments = [START + timedelta(hours=hour + rng.random() * min(1, plan.hours - hour)) for hour in hours]
    command = [sys.executable, "-m", "ascolto.simulation", str(folder), msgspec.json.encode(plan).decode()]
    count = 0
    for moment in (*moments, None):
        with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:  # noqa: S603 - our own program
            while process.poll() is None:
                if moment is not None and _clock(folder) >= moment.timestamp():
                    time.sleep(rng.uniform(0, 0.05))  # at any point within a step
                    os.kill(process.pid, signal.SIGKILL)
                    count += 1
                    break
                time.sleep(POLL_INTERVAL)
            code = process.wait()
        if code not in (0, -signal.SIGKILL):
            raise OperatorError("The simulation failed.", "Run it again with --keep and see the error above.")
        if code == 0:
            break
    return count


def _clock(folder: Path) -> float:
    path = folder / "outside.db"
    if not path.exists():
        return 0.0
    outside = OutsideWorld(path)
    now = outside.now
    outside.close()
    return now.timestamp() if now else 0.0


def _print(report: Report, plan: Plan, seconds: float) -> None:
    console = Console(width=min(shutil.get_terminal_size().columns, 110))
    median, p90 = report.minutes_to_answer
    console.print(
        f"{plan.managers} managers, {plan.hours:g} hours, killed {report.counts['killed']} times, in {seconds:.0f} s:"
        f" {report.mentions} mentions, {report.cases} cases, {report.answered} answered, {report.dismissed} dismissed,"
        f" {report.overdue} overdue notifications. First answer: median {median:.0f} min, 90th percentile {p90:.0f} min.",
        highlight=False,
    )
    table = Table("chat", "messages", "peak", "limit", "refused", box=None)
    for chat in report.traffic:
        table.add_row(
            chat.chat,
            str(chat.messages),
            f"{chat.peak} in {chat.seconds:g} s",
            f"{chat.limit} in {chat.seconds:g} s",
            str(chat.refused),
        )
    console.print(table)
    for name, count in sorted(report.counts.items()):
        console.print(f"  {count:>6} {name}", highlight=False)
    for line in report.violations[:20]:
        console.print(line, style="red", highlight=False)
    more = len(report.violations) - 20
    if more > 0:
        console.print(f"… and {more} more", style="red")
    if not report.violations:
        console.print("Nothing lost, nothing answered twice, no missed deadline, no draft lost.", style="green")
