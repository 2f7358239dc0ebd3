"""The figure of a forecast beyond the end of a series."""

import numpy as np
from matplotlib.figure import Figure

from recast.data.panel import Panel
from recast.figures.panels import MOST_COLUMNS, TargetPanels, target_panels
from recast.figures.plot import Plot


def picture(
    series: Panel,
    times: np.ndarray,
    mean: np.ndarray,
    *,
    band: np.ndarray | None,
    level: float | None,
    title: str,
) -> Figure:
    """The end of each series and its forecast, a panel for each target; of many series the first ones.

    Args:
        series: One or many series up to the origin.
        times: The steps of each that are forecast, shape (items, horizon).
        mean: The forecast, shape (items, horizon, targets).
        band: Ends of the central interval, shape (2, items, horizon, targets); None for a point.
        level: The interval's probability.
        title: Its heading.
    """
    targets = [column for column in series.columns if column.role == "target"]
    shown = range(min(len(times), MOST_COLUMNS))
    ends = [_end(series, item, max(3 * times.shape[1], 20)) for item in shown]
    panels = [
        TargetPanels(
            column.name,
            column.unit,
            tuple(
                Plot(
                    title="" if series.is_single else series.ids[item],
                    context_times=series.clock[end],
                    context=series.targets[end, target],
                    future_times=times[item],
                    truth=None,
                    mean=mean[item, :, target],
                    lower=None if band is None else band[0, item, :, target],
                    upper=None if band is None else band[1, item, :, target],
                    level=None if band is None else level,
                )
                for item, end in zip(shown, ends, strict=True)
            ),
        )
        for target, column in enumerate(targets)
    ]
    if len(times) > len(shown):
        title = f"{title}, the first {len(shown)} of {len(times)} series"
    return target_panels(panels, title=title, timezone=series.timezone)


def _end(series: Panel, item: int, most: int) -> slice:
    """The rows after the last gap of a series, at most so many."""
    first, stop = series.pieces[int(np.searchsorted(series.items, item, side="right")) - 1]
    return slice(max(first, stop - most), stop)
