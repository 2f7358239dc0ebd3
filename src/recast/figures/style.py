"""Colours, sizes and axes shared by all figures. Nothing here touches pyplot or matplotlib's global state."""

import textwrap
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, num2date
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from recast.figures.plot import is_date

DPI = 110
WIDTH, HEIGHT = 1000 / DPI, 600 / DPI  # the size at which TensorBoard shows an image, in inches

# Okabe & Ito (2008), Color Universal Design: distinguishable with any colour vision.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
GREY, DARK_GREY, LIGHT_GREY = "#6B6B6B", "#333333", "#D9D9D9"
ACCENT = VERMILLION  # whatever the model under test has forecast
OTHERS = (BLUE, GREEN, PURPLE, ORANGE, SKY, GREY)

# Where truth and forecast agree, the thin one is visible on the thick one.
TRUTH_STYLE = {"color": BLACK, "linewidth": 2.2, "markersize": 5.5}
FORECAST_STYLE = {"color": ACCENT, "linewidth": 1.4, "markersize": 3.5}

TITLE_SIZE, LABEL_SIZE, TICK_SIZE = 11, 10, 9

FEW = 12  # a line of no more points than this gets a mark at each: one point alone would be invisible


def blank(*, width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """An empty figure that arranges its own margins.

    Args:
        width: Width. [inches]
        height: Height. [inches]
    """
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
    return Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout=layout)


def tidy(axes: Axes) -> None:
    """Keeps only the two axes with numbers and a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.grid(visible=True, color=LIGHT_GREY, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=TICK_SIZE, color=GREY)


def name_axes(axes: Axes, *, x: str = "", y: str = "") -> None:
    """Labels of the axes; a "$" in a unit is a dollar, not mathematics."""
    axes.set_xlabel(x, fontsize=LABEL_SIZE, parse_math=False)
    axes.set_ylabel(y, fontsize=LABEL_SIZE, parse_math=False)


def time_axis(axes: Axes, times: np.ndarray, *, ticks: int, timezone: str | None) -> str:
    """Ticks of a time axis: short dates, or whole step numbers. Returns the axis label.

    Args:
        axes: Where.
        times: The times drawn there, dates or step numbers.
        ticks: How many ticks there is room for.
        timezone: Zone of the dates; None if they have none.
    """
    if is_date(times):
        locator = date_locator(ticks)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ShortDates(locator, tz=UTC))
        axes.xaxis.get_offset_text().set_fontsize(TICK_SIZE)
        return f"time ({timezone})" if timezone else ""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=ticks, integer=True))
    return "steps"


class ShortDates(ConciseDateFormatter):
    """Short dates, and what they leave out at the end of the axis: "2020-Jun", or "2020-Jun to Jul".

    Matplotlib says there what the last tick leaves out, as if that held for all of them, be the tick outside the axis.
    """

    def format_ticks(self, values: Sequence[float] | np.ndarray) -> list[str]:
        """The label of each tick; none for those outside the axis."""
        axis: Any = self.axis
        seen, drawn = sorted(axis.get_view_interval()), sorted(axis.get_data_interval())
        inside = [value for value in values if seen[0] <= value <= seen[1]]
        labels = dict(zip(inside, super().format_ticks(inside), strict=True)) if inside else {}
        if inside and self._offset_string:
            said = num2date(inside[-1], tz=UTC)
            form = next(form for form in self.offset_formats if said.strftime(form) == self._offset_string)
            # Of a tick in the margin behind the data nothing is left out that matters.
            among = [value for value in inside if drawn[0] <= value <= drawn[1]] or inside
            self._offset_string = _span(*(num2date(among[end], tz=UTC).strftime(form) for end in (0, -1)))
        return [labels.get(value, "") for value in values]


def _span(first: str, last: str) -> str:
    """Both dates, the second without what it has in common with the first; only one if they are equal."""
    begin, end = first.split("-"), last.split("-")
    differ = [place for place, parts in enumerate(zip(begin, end, strict=True)) if parts[0] != parts[1]]
    return f"{first} to {'-'.join(end[differ[0] :])}" if differ else first


def date_locator(most: int) -> AutoDateLocator:
    """Positions of at most `most` dates (but at least five) on an axis."""
    # Fewer than 7 (or 5) at most for 3 (or 2) at least leaves ranges, such as 2.5 days, that matplotlib warns about.
    most = max(most, 5)
    return AutoDateLocator(minticks=3 if most >= 7 else 2, maxticks=most, tz=UTC)


def mark(values: np.ndarray) -> str:
    """The marker of a line's points: a dot if there are few, otherwise none."""
    return "o" if len(values) <= FEW else ""


def quantity(name: str, unit: str) -> str:
    """A name with its unit in brackets; only the name without a unit."""
    return f"{name} [{unit}]" if unit else name


def cut(text: str, width: int) -> str:
    """`text` on one line of `width` characters, truncated with an ellipsis if longer."""
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def digits(value: float) -> str:
    """A number with three significant digits."""
    if not np.isfinite(value):
        return "not finite"
    size = abs(value)
    if value != 0 and not 1e-4 <= size < 1e5:
        return f"{value:.2e}"
    return f"{value:.{max(0, 2 - int(np.floor(np.log10(size)))) if value else 0}f}"


def fold(text: str, width: int) -> str:
    """`text` on at most two lines of `width` characters, the rest replaced by an ellipsis."""
    return "\n".join(textwrap.wrap(text, width, max_lines=2, placeholder=" …"))
