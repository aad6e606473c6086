"""make bench: each figure beside a yardstick measured in the same run, because machines differ and ratios less so."""

import asyncio
import sys
from collections.abc import Callable

from bench import chats, classifying, importing, latency, listening, matching, processes, suggesting
from bench.figures import Figure
from rich.console import Console
from rich.markup import escape
from rich.table import Table

BENCHES: dict[str, Callable[[], list[Figure]]] = {
    "matching": matching.measure,
    "listening": listening.measure,
    "import": importing.measure,
    "classifying": classifying.measure,
    "latency": lambda: asyncio.run(latency.measure()),
    "suggestions": suggesting.measure,
    "chats": chats.measure,
    "process": processes.measure,
}


def main() -> None:
    names = sys.argv[1:] or list(BENCHES)
    table = Table("what", "figure", "yardstick", "ratio", "target", box=None, pad_edge=False)
    for name in names:
        for figure in BENCHES[name]():
            row = (figure.what, figure.value, figure.yardstick, figure.ratio, figure.target)
            table.add_row(*map(escape, row))  # the yardstick may contain [torch]
    Console(width=150).print(table)


main()
