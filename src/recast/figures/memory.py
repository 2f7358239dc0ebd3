"""The figure of how far back a trained network's gradient reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from recast.errors import DataError
from recast.figures.leads import spread
from recast.figures.style import (
    ACCENT,
    BLUE,
    DARK_GREY,
    GREEN,
    GREY,
    HEIGHT,
    LABEL_SIZE,
    LIGHT_GREY,
    ORANGE,
    OTHERS,
    SKY,
    TICK_SIZE,
    TITLE_SIZE,
    blank,
    cut,
    digits,
    fold,
    mark,
    name_axes,
    tidy,
)

FLOOR = 1e-12
"""A gradient smaller than the latest one by this factor is lost in rounding, even in float64; curves end there."""
GAP = 0.085  # of the axes, between two names at line ends
ROOM = 0.2  # of a bar, for the number in it


@dataclass(frozen=True, eq=False)
class MemoryPanel:
    """The data drawn for one recurrent layer.

    Args:
        title: Heading.
        before: Distance of each step before the origin, shape (time,), in any order. [steps]
        norms: Gradient norms relative to that at the last step, shape (time,), by name of the loss.
        time_constants: For each of them the steps in which it falls to 1/e; infinite if it does not decay, NaN if
            unknown. [steps]
        spectrum_before: The same as `before` for the steps whose Jacobian was computed, shape (chosen,). [steps]
        singular: Largest singular value of the Jacobian, shape (chosen, windows).
        radius: Its spectral radius, shape (chosen, windows).
        gates: For each gate the shares of its values below .1 and above .9; none for a cell without gates.

    Raises:
        DataError: if lengths are inconsistent.
    """

    title: str
    before: np.ndarray
    norms: Mapping[str, np.ndarray]
    time_constants: Mapping[str, float]
    spectrum_before: np.ndarray
    singular: np.ndarray
    radius: np.ndarray
    gates: Mapping[str, tuple[float, float]]

    def __post_init__(self) -> None:
        for name, norms in self.norms.items():
            if norms.shape != self.before.shape or name not in self.time_constants:
                raise DataError(
                    f"panel '{self.title}': '{name}' has {norms.shape} norms and "
                    f"{'a' if name in self.time_constants else 'no'} time constant; expected {self.before.shape} "
                    "and one"
                )
        for name, values in (("singular", self.singular), ("radius", self.radius)):
            if values.ndim != 2 or len(values) != len(self.spectrum_before) or not values.size:
                raise DataError(
                    f"panel '{self.title}': {name} has shape {values.shape}, expected "
                    f"({len(self.spectrum_before)}, windows) and not empty"
                )


def memory_sheet(panels: Sequence[MemoryPanel], *, title: str) -> Figure:
    """For each layer: gradient norms over the past, the Jacobian's size along the windows, saturation of the gates.

    Args:
        panels: The layers, one below the other.
        title: Heading of the picture; "" for none.

    Raises:
        DataError: if there are no panels.
    """
    if not panels:
        raise DataError("memory_sheet: no layer to draw")
    figure = blank(height=HEIGHT * len(panels))
    if title:
        figure.suptitle(fold(title, 90), fontsize=TITLE_SIZE, parse_math=False)
    bands = figure.subfigures(len(panels), 1, squeeze=False)[:, 0]
    for band, panel in zip(bands, panels, strict=True):
        _draw(band, panel)
    return figure


def _draw(band: SubFigure, panel: MemoryPanel) -> None:
    grid = band.add_gridspec(2, 2, height_ratios=(1.1, 1), width_ratios=(1.6, 1))
    above = band.add_subplot(grid[0, :])
    _gradients(above, panel)
    above.set_title(fold(panel.title, 100), fontsize=LABEL_SIZE, loc="left", parse_math=False)
    _spectrum(band.add_subplot(grid[1, 0] if panel.gates else grid[1, :]), panel)
    if panel.gates:
        _gates(band.add_subplot(grid[1, 1]), panel.gates)


def _gradients(axes: Axes, panel: MemoryPanel) -> None:
    tidy(axes)
    order = np.argsort(panel.before)
    before = panel.before[order]
    names = list(panel.norms)
    singles = [name for name in names if not name.startswith("all")]
    colours = {name: OTHERS[i % len(OTHERS)] for i, name in enumerate(singles)}
    ends = []
    axes.set_yscale("log")
    for name in names:
        curve = panel.norms[name][order]
        seen = np.where(np.isfinite(curve) & (curve >= FLOOR), curve, np.nan)
        alone = name in colours
        colour = colours.get(name, ACCENT)
        axes.plot(
            before,
            seen,
            color=colour,
            linewidth=1.3 if alone else 3.2,
            zorder=3 if alone else 2,
            marker=mark(seen),
            markersize=3,
            label=name,
        )
        constant = _constant(panel.time_constants[name])
        places = np.flatnonzero(np.isfinite(seen))
        if len(places):
            ends.append((float(before[places[-1]]), float(seen[places[-1]]), f"{cut(name, 20)}   {constant}", colour))
    axes.set_xlim(0, max(float(before[-1]), 1e-9))
    _log_limits(axes, [value for curve in panel.norms.values() for value in curve.tolist()])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    name_axes(axes, x="steps before the origin", y="gradient norm,\nlast step = 1")
    low, high = np.log(axes.get_ylim())
    _name_ends(axes, ends, [(float(np.log(value)) - low) / (high - low) for _, value, _, _ in ends])


def _constant(steps: float) -> str:
    if np.isnan(steps):
        return ""
    return f"1/e in {digits(steps)} steps" if np.isfinite(steps) else "no decay"


def _log_limits(axes: Axes, values: list[float]) -> None:
    seen = [value for value in values if np.isfinite(value) and value >= FLOOR]
    low, high = min([*seen, 0.1]), max([*seen, 1.0])
    axes.set_ylim(low / 1.5, high * 1.5)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())


def _spectrum(axes: Axes, panel: MemoryPanel) -> None:
    tidy(axes)
    order = np.argsort(panel.spectrum_before)
    before = panel.spectrum_before[order]
    axes.axhline(1, color=GREY, linewidth=1, linestyle=(0, (3, 3)))
    ends = [(float(before[-1]), 1.0, "1", GREY)]
    for name, values, colour in (("singular value", panel.singular, BLUE), ("spectral radius", panel.radius, GREEN)):
        ordered = values[order]
        median = np.median(ordered, axis=1)
        axes.fill_between(before, ordered.min(axis=1), ordered.max(axis=1), color=colour, alpha=0.2, linewidth=0)
        axes.plot(before, median, color=colour, linewidth=1.6, marker=mark(before), markersize=3, label=name)
        ends.append((float(before[-1]), float(median[-1]), name, colour))
    axes.set_xlim(0, max(float(before[-1]), 1e-9))
    low, high = min(1.0, float(panel.radius.min())), max(1.0, float(panel.singular.max()))
    margin = 0.15 * max(high - low, 0.1)
    axes.set_ylim(max(0.0, low - margin), high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.set_title("Jacobian of a step, median and range", fontsize=LABEL_SIZE, loc="left")
    name_axes(axes, x="steps before the origin", y="size")
    low, high = axes.get_ylim()
    _name_ends(axes, ends, [(value - low) / (high - low) for _, value, _, _ in ends])


def _name_ends(axes: Axes, ends: list[tuple[float, float, str, str]], heights: list[float]) -> None:
    """Writes each name next to the end of its line, moved up or down until no two overlap.

    Args:
        axes: Where.
        ends: Place, value, name and colour of each line's end.
        heights: The values as shares of the height of the axes.
    """
    order = np.argsort(heights).tolist()
    right = axes.get_xlim()[1]
    places = spread([min(max(heights[index], 0.0), 1.0) for index in order], GAP)
    for index, height in zip(order, places, strict=True):
        x, value, name, colour = ends[index]
        axes.annotate(
            name,
            xy=(x, value),
            xytext=(1.03, height),
            textcoords="axes fraction",
            verticalalignment="center",
            fontsize=TICK_SIZE,
            color=DARK_GREY,
            annotation_clip=False,
            parse_math=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                # A curve that ends early is not extended.
                "linewidth": 1.2 if x >= right else 0.7,
                "linestyle": "-" if x >= right else (0, (1, 3)),
                "relpos": (0, 0.5),
                "shrinkA": 2,
                "shrinkB": 0,
            },
        )


def _gates(axes: Axes, gates: Mapping[str, tuple[float, float]]) -> None:
    tidy(axes)
    axes.grid(visible=False)
    places = np.arange(len(gates))
    low, high = (np.array(shares) for shares in zip(*gates.values(), strict=True))
    left = np.zeros(len(gates))
    for name, shares, colour in (
        ("below 0.1", low, SKY),
        ("between", 1 - low - high, LIGHT_GREY),
        ("above 0.9", high, ORANGE),
    ):
        bars = axes.barh(places, shares, left=left, color=colour, height=0.6, label=name)
        axes.bar_label(
            bars,
            [f"{100 * share:.0f} %" if share >= ROOM else "" for share in shares],
            label_type="center",
            fontsize=TICK_SIZE,
        )
        left = left + shares
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.set_yticks(places, [cut(name, 20) for name in gates], parse_math=False)
    axes.set_ylim(len(gates) - 0.4, -0.6)
    axes.set_title("gates: share of values", fontsize=LABEL_SIZE, loc="left")
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, frameon=False, fontsize=TICK_SIZE, columnspacing=1.2
    )
