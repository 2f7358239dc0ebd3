"""A figure of curves with the spread over seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recast.figures.style import BLACK, FEW, GREY, OTHERS, TICK_SIZE, VERMILLION, blank, cut, name_axes, tidy

WIDTH, HEIGHT = 5.6, 3.7  # inches: on a 360-pixel phone screen, letters are still 8 pixels high
LONGEST = 44  # characters of a name in the legend
COLOURS = (VERMILLION, *(colour for colour in OTHERS if colour != GREY))
DASHES = ("--", ":", "-.")
LINES = ("-", (0, (6, 1.5)), (0, (4, 1.5, 1, 1.5)), (0, (1, 1)))
"""Of models, whose colours repeat after the sixth."""
LineStyle = str | tuple[int, tuple[float, ...]]
LEGEND_LINE = 0.2  # inches


@dataclass(frozen=True, eq=False)
class Band:
    """One curve, or a model's curves of several seeds.

    Args:
        name: Its name in the legend.
        x: Horizontal positions, shape (points,).
        curves: A row for each seed, NaN where it has no value, shape (seeds, points).
        reference: Whether it is a baseline rather than a model: drawn dashed, in grey.
    """

    name: str
    x: np.ndarray
    curves: np.ndarray
    reference: bool = False

    @property
    def mean(self) -> np.ndarray:
        """Mean over those seeds that have a value, shape (points,)."""
        known = np.isfinite(self.curves)
        sums = np.where(known, self.curves, 0).sum(axis=0)
        return np.divide(sums, known.sum(axis=0), out=np.full(len(self.x), math.nan), where=known.any(axis=0))

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest value over the seeds, each of shape (points,); NaN if there is none."""
        known = np.isfinite(self.curves)
        some = known.any(axis=0)
        low = np.where(some, np.where(known, self.curves, math.inf).min(axis=0), math.nan)
        high = np.where(some, np.where(known, self.curves, -math.inf).max(axis=0), math.nan)
        return low, high


def together(name: str, curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> Band:
    """The curves of several seeds over all steps that any of them has.

    Args:
        name: Their name in the legend.
        curves: Steps and values of each seed.
    """
    x = np.unique(np.concatenate([steps for steps, _ in curves]))
    values = np.full((len(curves), len(x)), math.nan)
    for row, (steps, found) in zip(values, curves, strict=True):
        row[np.searchsorted(x, steps)] = found
    return Band(name, x, values)


def picture(
    bands: Sequence[Band],
    *,
    x: str,
    y: str,
    whole: bool = True,
    marked: float | None = None,
    log: bool = False,
) -> Figure:
    """Means as lines, the range from the smallest to the largest seed as bands, names below.

    Args:
        bands: The bands to draw, the most important first.
        x: Label of the horizontal axis.
        y: Label of the vertical axis.
        whole: Whether the horizontal axis has only whole numbers.
        marked: A value that a line marks; None: none.
        log: Whether the vertical axis is logarithmic, so that an outlying curve leaves room for the others; only if all
            values are above 0.
    """
    figure = blank(width=WIDTH, height=HEIGHT + LEGEND_LINE * len(bands))
    axes = figure.add_subplot()
    tidy(axes)
    if log and all((band.curves[np.isfinite(band.curves)] > 0).all() for band in bands):
        axes.set_yscale("log")
    if marked is not None:
        axes.axhline(marked, color=GREY, linewidth=0.8)
    for order, (band, (colour, dash)) in enumerate(zip(bands, styles([band.reference for band in bands]), strict=True)):
        mark = "o" if len(band.x) <= FEW else ""
        if len(band.curves) > 1:
            axes.fill_between(band.x, *band.ends, color=colour, alpha=0.15, linewidth=0, zorder=2)
        axes.plot(
            band.x,
            band.mean,
            color=colour,
            linestyle=dash,
            linewidth=2.2 if order == 0 else 1.4,
            marker=mark,
            markersize=3,
            label=escaped(band.name),
            zorder=4 if order == 0 else 3,
        )
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    name_axes(axes, x=x, y=y)
    legend(figure, axes)
    return figure


def styles(references: Sequence[bool]) -> list[tuple[str, LineStyle]]:
    """Colour and dashes of curves: those of baselines black and grey and dashed.

    Args:
        references: Of each curve, whether it is a baseline's.
    """
    found = []
    for place, reference in enumerate(references):
        before = references[:place].count(reference)
        dashed = (BLACK, GREY)[before % 2], DASHES[before % len(DASHES)]
        found.append(
            dashed if reference else (COLOURS[before % len(COLOURS)], LINES[before // len(COLOURS) % len(LINES)])
        )
    return found


def legend(figure: Figure, axes: Axes) -> None:
    """The names of all curves, below each other, under the picture."""
    shown = figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower left", ncols=1, frameon=False, fontsize=TICK_SIZE
    )
    for text in shown.get_texts():
        text.set_parse_math(False)


def escaped(name: str) -> str:
    """A name for the legend, cut where it is too long."""
    # matplotlib omits curves whose name starts with an underscore from the legend.
    shown = cut(name, LONGEST)
    return shown if not shown.startswith("_") else f" {shown}"
