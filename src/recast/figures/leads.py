"""The figure of the error per lead."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator

from recast.errors import DataError
from recast.figures.style import (
    ACCENT,
    DARK_GREY,
    GREY,
    HEIGHT,
    LABEL_SIZE,
    OTHERS,
    TICK_SIZE,
    blank,
    cut,
    digits,
    mark,
    name_axes,
    quantity,
    tidy,
)

DASHES = ("-", "--", ":")
LABEL_HEIGHT = 0.045  # of the axes, for one label of TICK_SIZE with a little air
LONGEST_NAME = 30  # characters; a longer name would leave no room for the curves
HOUR = 3600.0
MINUTE = 60.0


def lead_errors(
    curves: Mapping[str, np.ndarray], *, unit: str, metric: str, step: str | None, highlight: str
) -> Figure:
    """The error at each lead of one model and of those it is compared with.

    Each curve is labelled at its end, with its last value. A second axis gives the lead in minutes, hours or days if
    the step has a fixed length. With a single lead the errors are bars, the smallest on top.

    Args:
        curves: Error for each lead, shape (horizon,), by name; lead 1 comes first.
        unit: Unit of the error; "" for none.
        metric: Name of the error.
        step: Distance between steps, a pandas offset alias; None if steps have no length.
        highlight: Which of `curves` is the model; the others are drawn thin.

    Raises:
        DataError: if there are no curves, one is empty or not one-dimensional, or `highlight` is not among them.
    """
    check_curves(curves, highlight)
    ranked = by_last_error(curves)
    horizon = max(map(len, curves.values()))
    figure = blank(height=HEIGHT if horizon > 1 else min(HEIGHT, 1 + 0.4 * len(curves)))
    axes = figure.add_subplot()
    tidy(axes)
    if horizon == 1:
        _bars(axes, curves, ranked, highlight)
        name_axes(axes, x=quantity(metric, unit))
        return figure
    colours = _colours(list(curves), highlight)
    for name in ranked:
        curve, chosen = curves[name], name == highlight
        colour, dash = colours[name]
        axes.plot(
            np.arange(1, len(curve) + 1),
            curve,
            color=colour,
            linestyle=dash,
            linewidth=2.4 if chosen else 1.2,
            zorder=3 if chosen else 2,
            marker=mark(curve),
            markersize=5 if chosen else 3,
            label=name,
            clip_on=False,
        )
    axes.set_xlim(1, horizon)
    axes.set_ylim(*_limits(curves))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    name_axes(axes, x="lead [steps]", y=quantity(metric, unit))
    _name_ends(axes, curves, ranked, {name: colour for name, (colour, _) in colours.items()}, highlight)
    seconds = step_seconds(step)
    if seconds is not None:
        _second_axis(axes, seconds, horizon)
    return figure


def check_curves(curves: Mapping[str, np.ndarray], highlight: str) -> None:
    """Raises DataError unless every curve is one-dimensional and not empty, and `highlight` is one of them."""
    for name, curve in curves.items():
        if curve.ndim != 1 or not len(curve):
            raise DataError(f"error per lead of '{name}' has shape {curve.shape}, expected (horizon,) and not empty")
    if highlight not in curves:
        raise DataError(f"error per lead: no curve '{highlight}' to highlight; found: {', '.join(curves) or 'none'}")


def by_last_error(curves: Mapping[str, np.ndarray]) -> list[str]:
    """Names of the curves, the smallest error at the last lead first; those that end in NaN come last."""
    return sorted(curves, key=lambda name: (not np.isfinite(curves[name][-1]), curves[name][-1]))


def step_seconds(step: str | None) -> float | None:
    """Length of a step such as "10min"; None if it has no fixed length ("B", "MS").

    Args:
        step: A pandas offset alias, or None.

    Returns:
        Seconds.
    """
    if step is None:
        return None
    from pandas.tseries.frequencies import to_offset

    offset = to_offset(step)
    try:
        return offset.nanos / 1e9
    except ValueError:  # a business day, a month: no fixed length
        return None


def _colours(names: Sequence[str], highlight: str) -> dict[str, tuple[str, str]]:
    # In the order given, not of the errors: the same colour on validation and test windows.
    others = [name for name in names if name != highlight]
    colours = {name: (OTHERS[i % len(OTHERS)], DASHES[i // len(OTHERS) % len(DASHES)]) for i, name in enumerate(others)}
    return colours | {highlight: (ACCENT, "-")}


def _limits(curves: Mapping[str, np.ndarray]) -> tuple[float, float]:
    values = np.concatenate([curve[np.isfinite(curve)] for curve in curves.values()])
    if not len(values) or not values.any():
        return 0.0, 1.0
    return 1.05 * min(0.0, float(values.min())), 1.05 * max(0.0, float(values.max()))


def _bars(axes: Axes, curves: Mapping[str, np.ndarray], ranked: Sequence[str], highlight: str) -> None:
    errors = [float(curves[name][-1]) for name in ranked]
    places = np.arange(len(ranked))
    colours = [ACCENT if name == highlight else GREY for name in ranked]
    bars = axes.barh(places, np.nan_to_num(errors, posinf=0.0, neginf=0.0), color=colours, height=0.6)
    axes.bar_label(bars, [digits(error) for error in errors], padding=4, fontsize=TICK_SIZE)
    axes.set_yticks(places, [cut(name, LONGEST_NAME) for name in ranked], parse_math=False)
    axes.set_ylim(len(ranked) - 0.5, -0.5)
    axes.margins(x=0.1)
    axes.grid(visible=False, axis="y")


def _name_ends(
    axes: Axes, curves: Mapping[str, np.ndarray], ranked: Sequence[str], colours: Mapping[str, str], highlight: str
) -> None:
    """Writes each name next to the end of its curve, moved up or down until no two overlap."""
    low, high = axes.get_ylim()
    ends = []
    for name in ranked:
        steps = np.flatnonzero(np.isfinite(curves[name]))
        last = int(steps[-1]) if len(steps) else 0
        value = float(curves[name][last]) if len(steps) else high
        ends.append((value, last + 1, name))
    ends.sort()
    heights = spread([(value - low) / (high - low) for value, _, _ in ends], LABEL_HEIGHT)
    for (value, lead, name), height in zip(ends, heights, strict=True):
        axes.annotate(
            f"{cut(name, LONGEST_NAME)}  {digits(float(curves[name][-1]))}",
            xy=(lead, value),
            xytext=(1.035, height),
            textcoords="axes fraction",
            verticalalignment="center",
            fontsize=LABEL_SIZE if name == highlight else TICK_SIZE,
            fontweight="bold" if name == highlight else "normal",
            color=ACCENT if name == highlight else DARK_GREY,
            annotation_clip=False,
            parse_math=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colours[name],
                "linewidth": 1.2,
                "relpos": (0, 0.5),
                "shrinkA": 2,
                "shrinkB": 0,
            },
        )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Ascending `heights` between 0 and 1, moved as little as possible so that neighbours are `gap` apart.

    If there is no room for that, they are spread evenly. Groups that touch are moved together, as in isotonic
    regression by the pool-adjacent-violators algorithm (Barlow et al. 1972, section 1.2).

    Args:
        heights: Ascending, each between 0 and 1.
        gap: Smallest distance between neighbours.
    """
    count = len(heights)
    gap = min(gap, 1 / max(1, count - 1))
    room = 1 - gap * (count - 1)
    groups: list[tuple[float, int]] = []  # mean target and size; the target is the height minus the space below it
    for index, height in enumerate(heights):
        wish, size = height - gap * index, 1
        while groups and groups[-1][0] >= wish:
            other, members = groups.pop()
            wish, size = (wish * size + other * members) / (size + members), size + members
        groups.append((wish, size))
    wishes = [min(max(wish, 0.0), room) for wish, size in groups for _ in range(size)]
    return [wish + gap * index for index, wish in enumerate(wishes)]


MOST_TICKS = 10
ROUND = {"minutes": (1, 2, 5, 10, 15, 20, 30), "hours": (1, 2, 3, 6, 12, 24), "days": ()}
"""Distances of ticks, by their unit, as clocks have them."""


def _second_axis(axes: Axes, seconds: float, horizon: int) -> None:
    span = seconds * horizon
    name, length = ("minutes", MINUTE) if span <= 2 * HOUR else ("hours", HOUR)
    if span > 72 * HOUR:
        name, length = "days", 24 * HOUR
    if seconds == length or span < MINUTE:  # it would repeat the step numbers, or show fractions of a minute
        return
    ratio = seconds / length
    second = axes.secondary_xaxis(
        "top", functions=(lambda lead: np.multiply(lead, ratio), lambda time: np.divide(time, ratio))
    )
    every = next((every for every in ROUND[name] if span / length / every <= MOST_TICKS), None)
    second.xaxis.set_major_locator(MaxNLocator(nbins=MOST_TICKS) if every is None else MultipleLocator(every))
    second.spines["top"].set_color("none")
    second.tick_params(labelsize=TICK_SIZE, length=3)
    second.set_xlabel(f"lead [{name}]", fontsize=LABEL_SIZE)
