"""The figure of a confusion matrix."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure

from recast.figures.style import BLUE, DARK_GREY, GREY, LABEL_SIZE, TICK_SIZE, TITLE_SIZE, blank, fold

COLOURS = LinearSegmentedColormap.from_list("share", ["#FFFFFF", BLUE])
# The square root of the share: one error among a hundred is visible.
NORM = PowerNorm(0.5, vmin=0, vmax=1)
MOST_NUMBERED = 30  # in a larger matrix than this, digits are too small to read
LONGEST_NAME = 14


def confusion_matrix(counts: Int[np.ndarray, "classes classes"], classes: Sequence[str], *, title: str) -> Figure:
    """How often sequences of each true class (rows) are predicted as each class (columns).

    The number is the count; the colour is its share of the row, so that rare classes are visible too.

    Args:
        counts: Number of sequences, true classes in rows.
        classes: Names of the classes.
        title: Heading of the picture.
    """
    size = max(5.5, min(11.0, 2.6 + 0.42 * len(classes)))
    figure = blank(width=size + 1.2, height=size)
    axes = figure.add_subplot()
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    image = axes.imshow(shares, cmap=COLOURS, norm=NORM)
    if len(classes) <= MOST_NUMBERED:
        _write_counts(axes, counts, shares)
    _name_classes(axes, classes)
    axes.set_title(fold(title, 70), fontsize=TITLE_SIZE, parse_math=False)
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, ticks=[0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1])
    bar.set_label("share of the true class", fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE, color=GREY)
    bar.outline.set_visible(False)
    return figure


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    size = LABEL_SIZE if len(counts) <= 12 else 7
    for row, column in np.argwhere(counts > 0):
        colour = "white" if NORM(shares[row, column]) > 0.6 else DARK_GREY
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=size, color=colour)


def _name_classes(axes: Axes, classes: Sequence[str]) -> None:
    names = [_short(name) for name in classes]
    places = range(len(names))
    upright = max(map(len, names)) > 3 or len(names) > 15
    size = TICK_SIZE if len(names) <= 20 else 7
    axes.set_xticks(places, names, fontsize=size, rotation=90 if upright else 0, parse_math=False)
    axes.set_yticks(places, names, fontsize=size, parse_math=False)
    axes.set_xlabel("predicted class", fontsize=LABEL_SIZE)
    axes.set_ylabel("true class", fontsize=LABEL_SIZE)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    # Lines between the cells.
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#E8E8E8", linewidth=0.6)
    axes.tick_params(which="minor", length=0)


def _short(name: str) -> str:
    """The beginning and the end of a long name: names often differ in their last word."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[1 - half :]}"
