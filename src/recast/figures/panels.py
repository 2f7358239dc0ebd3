"""The figure of forecasts and truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recast.errors import DataError
from recast.figures.plot import Plot
from recast.figures.style import (
    ACCENT,
    FORECAST_STYLE,
    GREY,
    LABEL_SIZE,
    TICK_SIZE,
    TITLE_SIZE,
    TRUTH_STYLE,
    WIDTH,
    blank,
    fold,
    mark,
    name_axes,
    quantity,
    tidy,
    time_axis,
)

MOST_TARGETS = 8  # rows of panels; more would be too small to read, or the figure too tall

ShownT = TypeVar("ShownT")


@dataclass(frozen=True, eq=False)
class TargetPanels:
    """The forecasts of one target.

    Args:
        name: Its name.
        unit: Its unit; "" for none.
        panels: A panel for each window.
    """

    name: str
    unit: str
    panels: tuple[Plot, ...]


def shown_targets(targets: Sequence[ShownT]) -> Sequence[ShownT]:
    """The targets that a figure shows: the first ones."""
    return targets[:MOST_TARGETS]


def heading(title: str, names: Sequence[str]) -> str:
    """The title, preceded by the name of a single target, or followed by how many targets are shown.

    Args:
        title: What the figure shows; "" for nothing.
        names: The names of all targets.
    """
    if len(names) == 1:
        return f"{names[0]}: {title}" if title else names[0]
    if len(names) > MOST_TARGETS:
        return f"{title} (the first {MOST_TARGETS} of {len(names)} targets)".strip()
    return title


MOST = 6  # more panels than this are too small to read
MOST_COLUMNS = 3
ROW_HEIGHT, FRAME_HEIGHT = 1.35, 1.5  # inches: a row of panels, and the space above and below all of them


def forecast_panels(panels: Sequence[Plot], *, unit: str, title: str, timezone: str | None = None) -> Figure:
    """Forecasts side by side: the end of the input, the truth, the forecast and its band.

    A forecast of the future is one panel without truth.

    Args:
        panels: One to six forecasts.
        unit: Unit of all values; "" for none.
        title: Heading of the picture; "" for none.
        timezone: Zone of the dates, for the axis label; None if they have none.

    Raises:
        DataError: if there are no panels or more than six.
    """
    if not 1 <= len(panels) <= MOST:
        raise DataError(f"forecast_panels: found {len(panels)} panels, expected 1 to {MOST}")
    rows, columns = (len(panels), 1) if len(panels) <= 3 else ((len(panels) + 1) // 2, 2)
    figure = blank()
    places = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for spare in places[len(panels) :]:
        spare.remove()
    for index, (axes, panel) in enumerate(zip(places, panels, strict=False)):
        tidy(axes)
        x_label = time_axis(
            axes, panel.context_times, ticks=9 if columns == 1 else 7, timezone=timezone if panel.dated else None
        )
        _draw(axes, panel)
        if panel.title:
            axes.set_title(fold(panel.title, 100 // columns), fontsize=LABEL_SIZE, loc="left", parse_math=False)
        lowest_of_column = index + columns >= len(panels)
        name_axes(axes, x=x_label if lowest_of_column else "", y=unit if index % columns == 0 else "")
    _frame(figure, title)
    return figure


def target_panels(
    targets: Sequence[TargetPanels], *, title: str, timezone: str | None = None, width: float = WIDTH
) -> Figure:
    """Forecasts of all targets: a row for each of them, a column for each window.

    A single target is drawn by `forecast_panels`. Of many targets the first are shown, and the heading says so; of many
    windows the first three.

    Args:
        targets: The targets, each with a panel for the same windows.
        title: Heading of the picture, without the target; "" for none.
        timezone: Zone of the dates, for the axis label; None if they have none.
        width: Width of a picture of several targets. [inches]

    Raises:
        DataError: if there are no panels, or too many of a single target.
    """
    title = heading(title, [target.name for target in targets])
    if len(targets) == 1:
        return forecast_panels(targets[0].panels, unit=targets[0].unit, title=title, timezone=timezone)
    shown = shown_targets(targets)
    columns = min(MOST_COLUMNS, min((len(target.panels) for target in shown), default=0))
    if not columns:
        raise DataError("target_panels: found no panels, expected at least one for each target")
    figure = blank(width=width, height=FRAME_HEIGHT + ROW_HEIGHT * len(shown))
    places = figure.subplots(len(shown), columns, squeeze=False, sharex="col")
    for row, (target, axes_of_row) in enumerate(zip(shown, places, strict=True)):
        for column, (axes, panel) in enumerate(zip(axes_of_row, target.panels, strict=False)):
            tidy(axes)
            dates = timezone if panel.dated else None
            x_label = time_axis(axes, panel.context_times, ticks=9 - 2 * columns, timezone=dates)
            _draw(axes, panel)
            if row == 0 and panel.title:
                axes.set_title(fold(panel.title, int(11 * width / columns)), fontsize=TICK_SIZE, parse_math=False)
            name = fold(quantity(target.name, target.unit), 20) if column == 0 else ""
            name_axes(axes, x=x_label if row == len(shown) - 1 else "", y=name)
    _frame(figure, title)
    return figure


def _frame(figure: Figure, title: str) -> None:
    """The heading, and the legend of all axes together."""
    legend: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            legend.setdefault(label, handle)
    if title:
        figure.suptitle(fold(title, 90), fontsize=TITLE_SIZE, parse_math=False)
    figure.legend(
        list(legend.values()),
        list(legend),
        loc="outside lower center",
        ncols=len(legend),
        frameon=False,
        fontsize=TICK_SIZE,
    )


def _draw(axes: Axes, panel: Plot) -> None:
    # A vertical line without annotation: it only marks where the input ends.
    axes.axvline(panel.context_times[-1], color=GREY, linewidth=0.7, linestyle=(0, (3, 3)), label="_origin")
    axes.plot(
        panel.context_times,
        panel.context,
        color=GREY,
        linewidth=1.1,
        label="input",
        marker=mark(panel.context),
        markersize=3,
    )
    few = mark(panel.mean)
    if panel.band is not None:
        _draw_band(axes, panel, *panel.band)
    if panel.truth is not None:
        axes.plot(panel.future_times, panel.truth, label="truth", marker=few, **TRUTH_STYLE)
    axes.plot(panel.future_times, panel.mean, label="forecast", marker=few, **FORECAST_STYLE)
    axes.margins(x=0.03 if few else 0.015)


def _draw_band(axes: Axes, panel: Plot, lower: np.ndarray, upper: np.ndarray) -> None:
    if len(lower) == 1:  # a band of one step has no width; a thick bar shows it
        axes.vlines(panel.future_times, lower, upper, color=ACCENT, alpha=0.25, linewidth=7, label=panel.band_name)
        return
    axes.fill_between(panel.future_times, lower, upper, color=ACCENT, alpha=0.2, linewidth=0, label=panel.band_name)
