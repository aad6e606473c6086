"""make bench: each figure beside a yardstick measured in the same run, because machines differ and ratios less so."""

import asyncio
import sys
from collections.abc import Callable

from bench import chats, hearing, importing, latency, matching, processes, reading, suggesting
from bench.figures import Figure
from rich.console import Console
from rich.table import Table

BENCHES: dict[str, Callable[[], list[Figure]]] = {
    "matching": matching.measure,
    "hearing": hearing.measure,
    "import": importing.measure,
    "reading": reading.measure,
    "latency": lambda: asyncio.run(latency.measure()),
    "suggestions": suggesting.measure,
    "chats": chats.measure,
    "process": processes.measure,
}


def main() -> None:
    wanted = sys.argv[1:] or list(BENCHES)
    table = Table("what", "figure", "yardstick", "ratio", "aim", box=None, pad_edge=False)
    for name in wanted:
        for figure in BENCHES[name]():
            table.add_row(figure.what, figure.said, figure.yardstick, figure.ratio, figure.aim)
    Console(width=150).print(table)


main()
