"""Figures of the agreement between forecasts and truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from recast.errors import DataError
from recast.figures.panels import heading, shown_targets
from recast.figures.style import (
    BLUE,
    DARK_GREY,
    DPI,
    FORECAST_STYLE,
    LABEL_SIZE,
    TICK_SIZE,
    TITLE_SIZE,
    TRUTH_STYLE,
    WIDTH,
    blank,
    digits,
    fold,
    mark,
    name_axes,
    quantity,
    tidy,
    time_axis,
)

MANY = 2000  # points beyond which marks would only cover each other
SQUARE = 3.6  # inches: a panel of truth and forecast
ROW_HEIGHT, FRAME_HEIGHT = 1.35, 1.2  # inches: a panel over time, and the space above and below all of them


@dataclass(frozen=True, eq=False)
class TargetPairs:
    """Truth and forecast of one target.

    Args:
        name: Its name.
        unit: Its unit; "" for none.
        truth: The truth, any shape.
        forecast: The forecast, the same shape.
    """

    name: str
    unit: str
    truth: np.ndarray
    forecast: np.ndarray


def targets_against_true(targets: Sequence[TargetPairs], *, title: str) -> Figure:
    """The figure of `predicted_against_true` for each target, or for the first of many targets.

    Args:
        targets: The targets.
        title: Heading, without the target.

    Raises:
        DataError: if the shapes of a target differ or it has no pair that is finite.
    """
    title = heading(title, [target.name for target in targets])
    if len(targets) == 1:
        (only,) = targets
        return predicted_against_true(only.truth, only.forecast, unit=only.unit, title=title)
    shown = shown_targets(targets)
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    figure = blank(width=SQUARE * columns, height=SQUARE * rows + 0.5)
    places = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for spare in places[len(shown) :]:
        spare.remove()
    for axes, target in zip(places, shown, strict=False):
        _draw_pairs(axes, target.truth, target.forecast, target.unit)
        axes.set_title(fold(target.name, 40), fontsize=LABEL_SIZE, parse_math=False)
    figure.suptitle(fold(title, 90), fontsize=TITLE_SIZE, parse_math=False)
    return figure


def targets_over_time(
    times: np.ndarray,
    targets: Sequence[TargetPairs],
    *,
    title: str,
    timezone: str | None = None,
    after_gap: np.ndarray | None = None,
) -> Figure:
    """The figure of `predicted_series` for each target, stacked, or for the first of many targets.

    Args:
        times: Dates or step numbers, shape (time,).
        targets: The targets, with values of shape (time,).
        title: Heading, without the target.
        timezone: Zone of the dates, for the axis label; None if they have none.
        after_gap: See `predicted_series`.

    Raises:
        DataError: if the shapes differ or are not (time,).
    """
    title = heading(title, [target.name for target in targets])
    if len(targets) == 1:
        (only,) = targets
        return predicted_series(
            times,
            only.truth,
            only.forecast,
            unit=only.unit,
            title=title,
            timezone=timezone,
            after_gap=after_gap,
        )
    shown = shown_targets(targets)
    figure = blank(width=WIDTH, height=FRAME_HEIGHT + ROW_HEIGHT * len(shown))
    places = figure.subplots(len(shown), 1, squeeze=False, sharex=True).ravel().tolist()
    for row, (axes, target) in enumerate(zip(places, shown, strict=True)):
        x_label = _draw_over_time(axes, times, target.truth, target.forecast, timezone=timezone, after_gap=after_gap)
        name = fold(quantity(target.name, target.unit), 20)
        name_axes(axes, x=x_label if row == len(shown) - 1 else "", y=name)
    figure.suptitle(fold(title, 90), fontsize=TITLE_SIZE, parse_math=False)
    figure.legend(
        *places[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=TICK_SIZE
    )
    return figure


def predicted_against_true(truth: np.ndarray, forecast: np.ndarray, *, unit: str, title: str) -> Figure:
    """Forecast against truth, with the identity line, R² and RMSE.

    R² = 1 - sum (forecast - truth)² / sum (truth - mean truth)². Up to 2,000 pairs are drawn as points, more as
    hexagonal bins. Pairs that are not finite are omitted, and their number is shown.

    Args:
        truth: The truth, any shape.
        forecast: The forecast, the same shape.
        unit: Unit of both; "" for none.
        title: Heading; "" for none.

    Raises:
        DataError: if the shapes differ or no pair is finite.
    """
    figure = blank(width=640 / DPI)
    _draw_pairs(figure.add_subplot(), truth, forecast, unit)
    if title:
        figure.axes[0].set_title(fold(title, 60), fontsize=TITLE_SIZE, parse_math=False)
    return figure


def _draw_pairs(axes: Axes, truth: np.ndarray, forecast: np.ndarray, unit: str) -> None:
    _check_shapes(truth, forecast)
    finite = np.isfinite(truth) & np.isfinite(forecast)
    if not finite.any():
        raise DataError(f"predicted against true: none of the {truth.size} pairs is finite")
    x, y = truth[finite], forecast[finite]
    tidy(axes)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    margin = 0.03 * (high - low) or 0.5
    limits = float(low - margin), float(high + margin)
    if x.size <= MANY:
        axes.scatter(x, y, s=14, color=BLUE, alpha=0.45, linewidth=0)
    else:
        counts = axes.hexbin(
            x, y, gridsize=50, mincnt=1, bins="log", cmap="cividis_r", linewidths=0.1, extent=(*limits, *limits)
        )
        bar = axes.figure.colorbar(counts, ax=axes, shrink=0.8, pad=0.02)
        bar.set_ticks(_round_counts(counts.get_clim()[1] or 1.0), minor=False)
        bar.minorticks_off()
        bar.formatter = StrMethodFormatter("{x:,.0f}")
        bar.set_label("pairs", fontsize=LABEL_SIZE)
        bar.ax.tick_params(labelsize=TICK_SIZE)
    axes.plot(limits, limits, color=DARK_GREY, linewidth=1, label="forecast = truth")
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    name_axes(axes, x=quantity("truth", unit), y=quantity("forecast", unit))
    axes.text(
        0.03,
        0.97,
        _summary(x, y, unit, left_out=truth.size - x.size),
        transform=axes.transAxes,
        verticalalignment="top",
        fontsize=LABEL_SIZE,
        parse_math=False,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8},
    )


def predicted_series(
    times: np.ndarray,
    truth: np.ndarray,
    forecast: np.ndarray,
    *,
    unit: str,
    title: str,
    timezone: str | None = None,
    after_gap: np.ndarray | None = None,
) -> Figure:
    """Truth and forecast over time, overlaid.

    Args:
        times: Dates or step numbers, shape (time,).
        truth: The truth, shape (time,).
        forecast: The forecast for those times, shape (time,).
        unit: Unit of both; "" for none.
        title: Heading; "" for none.
        timezone: Zone of the dates, for the axis label; None if they have none.
        after_gap: Whether there is a gap before a time, across which no line is drawn, shape (time,); None: no gaps.

    Raises:
        DataError: if the shapes differ or are not (time,).
    """
    figure = blank()
    axes = figure.add_subplot()
    x_label = _draw_over_time(axes, times, truth, forecast, timezone=timezone, after_gap=after_gap)
    name_axes(axes, x=x_label, y=unit)
    if title:
        axes.set_title(fold(title, 90), fontsize=TITLE_SIZE, parse_math=False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=TICK_SIZE)
    return figure


def _draw_over_time(
    axes: Axes,
    times: np.ndarray,
    truth: np.ndarray,
    forecast: np.ndarray,
    *,
    timezone: str | None,
    after_gap: np.ndarray | None,
) -> str:
    """Draws both curves; returns the label of the time axis."""
    _check_shapes(truth, forecast)
    if times.ndim != 1 or times.shape != truth.shape:
        raise DataError(f"predicted series: times has shape {times.shape} and truth {truth.shape}, expected (time,)")
    tidy(axes)
    x_label = time_axis(axes, times, ticks=9, timezone=timezone)
    few = mark(times)
    first = np.zeros(len(times), dtype=bool) if after_gap is None else after_gap.copy()
    first[0] = True
    # A time alone between gaps would be invisible as a line.
    alone = first & np.append(first[1:], True)
    gaps = np.flatnonzero(first[1:]) + 1
    stamps, marked = np.insert(times, gaps, times[gaps]), np.insert(alone | bool(few), gaps, False)
    for name, values, style in (("truth", truth, TRUTH_STYLE), ("forecast", forecast, FORECAST_STYLE)):
        line = np.insert(values.astype(np.float64), gaps, np.nan)
        axes.plot(
            stamps,
            line,
            label=name,
            marker="o" if marked.any() else "",
            markevery=np.flatnonzero(marked).tolist(),
            **style,
        )
    axes.margins(x=0.03 if few else 0.015)
    return x_label


def _round_counts(most: float) -> list[float]:
    """Ticks 1, 2, 5, 10, ... up to `most`; only powers of ten if it is large."""
    powers = [10.0**power for power in range(int(np.log10(most)) + 1)]
    places = powers if len(powers) > 3 else [factor * power for power in powers for factor in (1, 2, 5)]
    return [place for place in places if place <= most]


def _summary(truth: np.ndarray, forecast: np.ndarray, unit: str, *, left_out: int) -> str:
    squared = float(np.sum((forecast - truth) ** 2))
    spread = float(np.sum((truth - truth.mean()) ** 2))
    lines = [
        f"R² = {1 - squared / spread:.3f}" if spread > 0 else "R² undefined: the truth is constant",
        f"RMSE = {digits(float(np.sqrt(squared / truth.size)))} {unit}".rstrip(),
        f"{truth.size:,} pairs",
    ]
    if left_out:
        lines.append(f"{left_out:,} not finite, left out")
    return "\n".join(lines)


def _check_shapes(truth: np.ndarray, forecast: np.ndarray) -> None:
    if truth.shape != forecast.shape or not truth.size:
        raise DataError(
            f"truth has shape {truth.shape} and forecast {forecast.shape}; they must have the same and not be empty"
        )
