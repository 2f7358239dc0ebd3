"""The figure of a series whose gaps were filled."""

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

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
"""Rows shown at most."""


def filled_series(
    times: np.ndarray,
    values: Float[np.ndarray, "rows targets"],
    filled: Bool[np.ndarray, "rows targets"],
    columns: tuple[Column, ...],
    *,
    title: str,
    timezone: str | None = None,
) -> Figure:
    """One series, a row for each target: what was observed as a line, what was filled as dots.

    A long series is shown around the longest gap of any target; of many targets the first ones.

    Args:
        times: Stamp of each row, shape (rows,).
        values: The values, none missing.
        filled: Which of them were filled.
        columns: The targets.
        title: Heading of the picture.
        timezone: Zone of the stamps; None if they have none.

    Raises:
        DataError: if there are no rows.
    """
    if not len(times):
        raise DataError("filled_series: found no rows, expected one or more")
    first = around_longest(filled, ROWS)
    shown, targets = slice(first, first + ROWS), columns[:MOST]
    figure = blank(height=max(HEIGHT, FRAME_HEIGHT + ROW_HEIGHT * len(targets)))
    places = figure.subplots(len(targets), 1, squeeze=False, sharex=True).ravel().tolist()
    for number, (axes, column) in enumerate(zip(places, targets, strict=True)):
        gaps, line = filled[shown, number], values[shown, number]
        tidy(axes)
        label = time_axis(axes, times[shown], ticks=9, timezone=timezone)
        axes.plot(times[shown], np.where(gaps, np.nan, line), color=GREY, linewidth=1.1, marker=".", markersize=3)
        axes.plot(times[shown][gaps], line[gaps], color=ACCENT, linestyle="", marker="o", markersize=3.5)
        name_axes(axes, x=label if number == len(targets) - 1 else "", y=fold(quantity(column.name, column.unit), 20))
        axes.margins(x=0.015)
    heads = heading(title, [column.name for column in columns])
    figure.suptitle(fold(heads, 90), fontsize=TITLE_SIZE, parse_math=False)
    lines = places[0].get_lines()
    figure.legend(lines, ["observed", "filled"], loc="outside lower center", ncols=2, frameon=False, fontsize=TICK_SIZE)
    return figure


def around_longest(filled: Bool[np.ndarray, "rows targets"], most: int) -> int:
    """First of `most` rows in whose middle the longest run of filled values of a target lies; 0 without any.

    Args:
        filled: Which values were filled.
        most: Number of rows.
    """
    middle, longest = 0, 0
    for gaps in filled.T:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], gaps, [False]]).astype(np.int8)))
        lengths = edges[1::2] - edges[::2]
        if len(lengths) and lengths.max() > longest:
            longest = int(lengths.max())
            middle = int(edges[::2][lengths.argmax()]) + longest // 2
    return int(np.clip(middle - most // 2, 0, max(len(filled) - most, 0)))
