"""The same figures as text, for terminals and log files."""

import string
from collections.abc import Mapping, Sequence
from datetime import UTC

import numpy as np
from matplotlib.dates import ConciseDateFormatter, date2num, num2date
from matplotlib.ticker import MaxNLocator

from recast.figures.leads import by_last_error, check_curves
from recast.figures.plot import Plot
from recast.figures.style import cut, date_locator, digits, quantity
from recast.figures.text_canvas import DOTS, TextCanvas

# Numbers of the 256 terminal colours nearest to those of the pictures; all are visible on dark and light backgrounds.
GREY, ACCENT, BAND = 245, 202, 214
OTHERS = (32, 36, 175, 178, 74, 245)


def terminal_forecast(
    panel: Plot, *, unit: str, width: int, height: int, colour: bool = False, timezone: str | None = None
) -> str:
    """A forecast as text: input, truth, forecast and band are drawn with different characters.

    Args:
        panel: The forecast.
        unit: Unit of its values; "" for none.
        width: Characters per line, at least 50.
        height: Lines, at least 12.
        colour: Whether the text contains colour codes.
        timezone: Zone of the dates; None if they have none.

    Raises:
        ConfigurationError: if width or height is too small.
    """
    context_x, future_x = _positions(panel.context_times), _positions(panel.future_times)
    band = panel.band or ()
    truth = () if panel.truth is None else (panel.truth,)
    limits = float(context_x[0]), float(future_x[-1])
    canvas = TextCanvas(
        width=width, height=height - 3, colour=colour, x=limits, y=[panel.context, panel.mean, *truth, *band]
    )
    places, labels, remark = _time_ticks(limits, dated=panel.dated, most=width // 14, timezone=timezone)
    canvas.ticks(places, labels)
    for end in band:
        canvas.curve(future_x, end, marker="·", colour=BAND, joined=True)
    canvas.curve(context_x, panel.context, marker=DOTS, colour=GREY, joined=True)
    for values in truth:
        canvas.curve(future_x, values, marker="o", colour=None, joined=False)
    canvas.curve(future_x, panel.mean, marker="●", colour=ACCENT, joined=False)
    legend: list[tuple[str, int | None, str]] = [("⣀⡠", GREY, "input"), ("●", ACCENT, "forecast")]
    if truth:
        legend.insert(1, ("o", None, "truth"))
    if band:
        legend.append(("·", BAND, panel.band_name))
    heading = cut(quantity(panel.title, unit), width)
    return "\n".join([heading, *_keys(legend, width, colour=colour), canvas.text(), remark.rjust(width)])


def terminal_lead_errors(
    curves: Mapping[str, np.ndarray],
    *,
    unit: str,
    metric: str,
    highlight: str,
    width: int,
    height: int,
    colour: bool = False,
) -> str:
    """The error at each lead as text; the legend names the curves with their last error, the smallest first.

    Args:
        curves: Error for each lead, shape (horizon,), by name.
        unit: Unit of the error; "" for none.
        metric: Name of the error.
        highlight: Which of `curves` is the model.
        width: Characters per line, at least 50.
        height: Lines, at least 11 and one for each line of the legend.
        colour: Whether the text contains colour codes.

    Raises:
        DataError: if there are no curves, one is empty or not one-dimensional, or `highlight` is not among them.
        ConfigurationError: if width or height is too small.
    """
    check_curves(curves, highlight)
    ranked = by_last_error(curves)
    others = [name for name in ranked if name != highlight]
    signs = {name: (string.ascii_letters[i % 52], OTHERS[i % len(OTHERS)]) for i, name in enumerate(others)}
    signs[highlight] = ("●", ACCENT)
    keys = [(*signs[name], f"{name} {digits(float(curves[name][-1]))}") for name in ranked]
    legend = _keys(keys, width, colour=colour)
    horizon = max(map(len, curves.values()))
    canvas = TextCanvas(
        width=width,
        height=height - 2 - len(legend),
        colour=colour,
        x=(1.0, float(max(horizon, 2))),
        y=[np.zeros(1), *curves.values()],
    )
    canvas.ticks(*_step_ticks((1.0, float(max(horizon, 2))), width // 10))
    for name in [*reversed(others), highlight]:
        sign, shade = signs[name]
        canvas.curve(np.arange(1.0, len(curves[name]) + 1), curves[name], marker=sign, colour=shade, joined=True)
    heading = cut(quantity(metric, unit), width)
    return "\n".join([heading, *legend, canvas.text(), "lead [steps]".rjust(width)])


def _positions(times: np.ndarray) -> np.ndarray:
    return np.asarray(date2num(times) if np.issubdtype(times.dtype, np.datetime64) else times, dtype=np.float64)


def _time_ticks(
    limits: tuple[float, float], *, dated: bool, most: int, timezone: str | None
) -> tuple[list[float], list[str], str]:
    """Tick places and labels of a time axis, and the remark below it (the date that the labels leave out)."""
    if not dated:
        return *_step_ticks(limits, most), "steps"
    locator = date_locator(most)
    formatter = ConciseDateFormatter(locator, tz=UTC)
    first, last = num2date(limits, tz=UTC)
    places = [float(place) for place in locator.tick_values(first, last) if limits[0] <= place <= limits[1]]
    labels = formatter.format_ticks(places)
    return places, labels, " ".join(filter(None, [formatter.get_offset(), timezone]))


def _step_ticks(limits: tuple[float, float], most: int) -> tuple[list[float], list[str]]:
    places = np.asarray(MaxNLocator(nbins=max(2, most), integer=True).tick_values(*limits))
    places = places[(places >= limits[0]) & (places <= limits[1])]
    return places.tolist(), [f"{place:.0f}" for place in places]


def _keys(keys: Sequence[tuple[str, int | None, str]], width: int, *, colour: bool) -> list[str]:
    """The legend: sign, colour and name of each curve, on as few lines as hold them."""
    lines: list[list[str]] = []
    used = width
    for sign, shade, name in keys:
        text = cut(name, width - len(sign) - 1)
        length = len(sign) + 1 + len(text)
        if used + 3 + length > width:
            lines.append([])
            used = -3
        used += 3 + length
        painted = f"\x1b[38;5;{shade}m{sign}\x1b[0m" if colour and shade is not None else sign
        lines[-1].append(f"{painted} {text}")
    return ["   ".join(line) for line in lines]
