"""A character canvas for plots in terminals and log files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotext
from matplotlib.ticker import MaxNLocator

from recast.errors import ConfigurationError

SMALLEST = (50, 9)
DOTS = "braille"  # a line of eight dots to the character


class TextCanvas:
    """A plot made of characters: curves are drawn on it, then it is read as text.

    Args:
        width: Characters per line.
        height: Lines.
        colour: Whether the text contains colour codes.
        x: Limits of the horizontal axis.
        y: Values that the vertical axis must hold; NaN is ignored.

    Raises:
        ConfigurationError: if the canvas is too small to draw on.
    """

    def __init__(
        self, *, width: int, height: int, colour: bool, x: tuple[float, float], y: Sequence[np.ndarray]
    ) -> None:
        if width < SMALLEST[0] or height < SMALLEST[1]:
            raise ConfigurationError(
                f"{width} x {height} characters are left for the plot itself; it needs {SMALLEST[0]} x {SMALLEST[1]}: "
                "give it more width or height"
            )
        # A terminal of its own: plotext's own figure is shared by all callers and never larger than the screen.
        terminal = type(plotext.terminal)()
        terminal.limit(False, False)
        self._figure: Any = type(plotext.figure)(parent=terminal)
        self._figure.plot_size(width, height)
        self._figure.theme("simple" if colour else "colorless")
        self._figure.axes(False, axis=[0, 1], side=1)
        self._colour = colour
        self._figure.ruler("x", "lower").lim(*x)
        limits = _range(y)
        ticks = np.asarray(MaxNLocator(nbins=max(2, height // 3)).tick_values(*limits))
        ticks = ticks[(ticks >= limits[0]) & (ticks <= limits[1])]
        self._figure.ruler("y", "left").ticks(ticks.tolist(), numbers(ticks)).lim(*limits)

    def ticks(self, places: Sequence[float], labels: Sequence[str]) -> None:
        """Ticks of the horizontal axis."""
        self._figure.ruler("x", "lower").ticks(list(places), list(labels))

    def curve(self, x: np.ndarray, y: np.ndarray, *, marker: str, colour: int | None, joined: bool) -> None:
        """Draws points, or a line through them; NaN leaves a gap.

        Args:
            x: Where, shape (points,).
            y: Values, shape (points,).
            marker: The character to draw with, or DOTS.
            colour: Number of the colour among the 256 of a terminal; None for the text's own.
            joined: Whether neighbours are joined by a line.
        """
        finite = np.isfinite(y)
        pen = plotext.marker(marker)
        if colour is not None and self._colour:
            pen.fill(colour)
        for first, last in _runs(finite):
            signal = self._figure.signal(x[first:last].tolist(), y[first:last].tolist(), marker=pen)
            self._figure.draw(signal.lines() if joined else signal)

    def text(self) -> str:
        """What was drawn, line by line, without trailing blanks."""
        text = self._figure.build().string()
        if not self._colour:
            text = plotext.uncolorize(text)
        return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))


def numbers(ticks: np.ndarray) -> list[str]:
    """Evenly spaced tick values with enough decimals to distinguish them."""
    gap = float(ticks[1] - ticks[0])
    decimals = max(0, int(np.ceil(-np.log10(gap) - 1e-9)))
    if decimals > 4 or np.abs(ticks).max() >= 1e6:
        return [f"{tick:.3g}" for tick in ticks]
    decimals += not np.isclose(gap * 10**decimals, round(gap * 10**decimals))
    return [f"{tick:.{decimals}f}" for tick in ticks]


def _range(values: Sequence[np.ndarray]) -> tuple[float, float]:
    finite = np.concatenate([array[np.isfinite(array)] for array in values])
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    # A constant series lies in the middle.
    margin = 0.03 * (high - low) or 0.5 * max(1.0, abs(high))
    return low - margin, high + margin


def _runs(keep: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], keep.astype(np.int8), [0]])))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
