"""The chart of a digest: the share of negative mentions by day or week, beside the usual share."""

import asyncio
from collections.abc import Sequence
from io import BytesIO
from typing import Final

from models.tables.digest import Chart

INK, QUIET, GOOD, BAD = "#1c1b22", "#8a8f98", "#c9c6d6", "#d64545"
INCHES: Final = (7.2, 3.0)
DOTS: Final = 150
"""Per inch."""


async def png(chart: Chart) -> bytes:
    """Drawn off the event loop; matplotlib is loaded when the first chart is."""
    return await asyncio.to_thread(_draw, chart)


def _draw(chart: Chart) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=INCHES, dpi=DOTS, layout="constrained")
    axes = figure.add_subplot()
    shares = [point.negative / point.mentions if point.mentions else 0.0 for point in chart.points]
    last = len(shares) - chart.period
    colours = [BAD if n >= last else GOOD for n in range(len(shares))]
    axes.bar(range(len(shares)), shares, color=colours, width=0.72)
    if chart.usual is not None:
        axes.axhline(chart.usual, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_xticks(range(len(shares)), _thinned([point.label for point in chart.points]), fontsize=7)
    axes.set_ylim(0, min(1.0, max([0.1, *shares, chart.usual or 0]) * 1.25))
    for n, point in enumerate(chart.points):  # the number of mentions, at the foot of each bar
        if point.mentions:
            count = f"n = {point.mentions}" if n == 0 else str(point.mentions)
            axes.annotate(count, (n, 0), (0, 2), textcoords="offset points", ha="center", fontsize=6, color=INK)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.tick_params(axis="y", labelsize=7, colors=QUIET, length=0)
    axes.tick_params(axis="x", colors=QUIET, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    # A dollar sign in a brand's name would begin a formula.
    axes.set_title(chart.title, loc="left", fontsize=10, color=INK, parse_math=False)
    image = BytesIO()
    FigureCanvasAgg(figure).print_png(image)  # type: ignore[no-untyped-call]
    return image.getvalue()


def _thinned(labels: Sequence[str]) -> list[str]:
    """Every second label where there are many, so that they do not overlap."""
    step = 2 if len(labels) > 10 else 1
    return [label if (len(labels) - 1 - n) % step == 0 else "" for n, label in enumerate(labels)]
