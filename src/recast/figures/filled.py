"""The figure of a series whose gaps were filled."""

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from recast.data.panel import Column
from recast.errors import DataError
from recast.figures.panels import FRAME_HEIGHT, MOST, ROW_HEIGHT, heading
from recast.figures.style import (
    ACCENT,
    GREY,
    HEIGHT,
    TICK_SIZE,
    TITLE_SIZE,
    blank,
    fold,
    name_axes,
    quantity,
    tidy,
    time_axis,
)

ROWS = 400
"""Rows shown at most, unless a gap is longer than half of them."""
ALPHA = 0.3


def filled_series(
    times: np.ndarray,
    values: Float[np.ndarray, "rows targets"],
    filled: Bool[np.ndarray, "rows targets"],
    columns: tuple[Column, ...],
    *,
    title: str,
    timezone: str | None = None,
    half_widths: Float[np.ndarray, "rows targets"] | None = None,
    level: float | None = None,
) -> Figure:
    """One series, a row for each target: what was observed as a line, what was filled as dots, with their intervals.

    A long series is shown around the longest gap of any target; of many targets the first ones.

    Args:
        times: Stamp of each row, shape (rows,).
        values: The values, none missing.
        filled: Which of them were filled.
        columns: The targets.
        title: Heading of the picture.
        timezone: Zone of the stamps; None if they have none.
        half_widths: Half the width of the interval around each filled value; None: none are drawn.
        level: Their probability.

    Raises:
        DataError: if there are no rows.
    """
    if not len(times):
        raise DataError("filled_series: found no rows, expected one or more")
    shown, targets = around_longest(filled, ROWS), columns[:MOST]
    figure = blank(height=max(HEIGHT, FRAME_HEIGHT + ROW_HEIGHT * len(targets)))
    places = figure.subplots(len(targets), 1, squeeze=False, sharex=True).ravel().tolist()
    for number, (axes, column) in enumerate(zip(places, targets, strict=True)):
        gaps, line = filled[shown, number], values[shown, number]
        tidy(axes)
        label = time_axis(axes, times[shown], ticks=9, timezone=timezone)
        axes.plot(times[shown], np.where(gaps, np.nan, line), color=GREY, linewidth=1.1, marker=".", markersize=3)
        if half_widths is not None:
            _bands(axes, times[shown], line, half_widths[shown, number], gaps)
        axes.plot(times[shown][gaps], line[gaps], color=ACCENT, linestyle="", marker="o", markersize=3.5)
        name_axes(axes, x=label if number == len(targets) - 1 else "", y=fold(quantity(column.name, column.unit), 20))
        axes.margins(x=0.015)
    heads = heading(title, [column.name for column in columns])
    figure.suptitle(fold(heads, 90), fontsize=TITLE_SIZE, parse_math=False)
    handles: list[Artist] = list(places[0].get_lines()[:2])
    names = ["observed", "filled"]
    if half_widths is not None and level is not None:
        handles.append(Patch(color=ACCENT, alpha=ALPHA, linewidth=0))
        names.append(f"{100 * level:.4g} % band")
    figure.legend(handles, names, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=TICK_SIZE)
    return figure


def _bands(
    axes: Axes,
    times: np.ndarray,
    values: Float[np.ndarray, " rows"],
    half_widths: Float[np.ndarray, " rows"],
    filled: Bool[np.ndarray, " rows"],
) -> None:
    """The intervals of filled values: an area over each gap, a bar where it has one value."""
    for first, stop in _runs(filled):
        rows = slice(first, stop)
        low, high = values[rows] - half_widths[rows], values[rows] + half_widths[rows]
        if stop - first > 1:
            axes.fill_between(times[rows], low, high, color=ACCENT, alpha=ALPHA, linewidth=0)
        else:
            axes.vlines(times[rows], low, high, color=ACCENT, alpha=ALPHA, linewidth=2)


def _runs(filled: Bool[np.ndarray, " rows"]) -> Int[np.ndarray, "runs 2"]:
    """First and last row, exclusive, of each gap."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], filled, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2)


def around_longest(filled: Bool[np.ndarray, "rows targets"], most: int) -> slice:
    """The rows in whose middle the longest run of filled values of a target lies; the first ones without any.

    Args:
        filled: Which values were filled.
        most: Number of rows; more, twice its length, where the run is longer than half of them.
    """
    middle, longest = 0, 0
    for gaps in filled.T:
        for first, stop in _runs(gaps).tolist():
            if stop - first > longest:
                longest, middle = stop - first, (first + stop) // 2
    rows = max(most, 2 * longest)
    first = int(np.clip(middle - rows // 2, 0, max(len(filled) - rows, 0)))
    return slice(first, first + rows)
