"""The figure of what a model gains by each of its inputs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from recast.figures.style import ACCENT, DARK_GREY, GREY, TICK_SIZE, blank, cut, name_axes, quantity, tidy

LONGEST_NAME = 30  # characters


def importances(
    names: Sequence[str], increases: np.ndarray, spread: np.ndarray | None, *, metric: str, unit: str
) -> Figure:
    """Bars of the increase of an error when an input is permuted, the most important input on top.

    Args:
        names: The inputs, most important first.
        increases: Increase of the error for each, shape (inputs,).
        spread: Its standard deviation over permutations, shape (inputs,); None: there was one.
        metric: Name of the error.
        unit: Its unit; "" for none.
    """
    figure = blank(height=1.2 + 0.32 * len(names))
    axes = figure.add_subplot()
    tidy(axes)
    places = np.arange(len(names))
    colours = [ACCENT if increase > 0 else GREY for increase in increases]
    axes.barh(places, increases, xerr=spread, color=colours, ecolor=DARK_GREY, height=0.65)
    axes.axvline(0, color=DARK_GREY, linewidth=0.8)
    axes.set_yticks(places, [cut(name, LONGEST_NAME) for name in names], fontsize=TICK_SIZE)
    axes.invert_yaxis()
    name_axes(axes, x=f"increase of {quantity(metric, unit)}, input permuted")
    return figure
