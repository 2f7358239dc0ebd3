"""The figure of a forecast beyond the end of a series."""

import numpy as np
from matplotlib.figure import Figure

from recast.data.panel import Panel
from recast.figures.panels import TargetPanels, target_panels
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
    """The end of a series and its forecast, a panel for each target.

    Args:
        series: The series up to the origin.
        times: The steps that are forecast, shape (horizon,).
        mean: The forecast, shape (horizon, targets).
        band: Ends of the central interval, shape (2, horizon, targets); None for a point.
        level: The interval's probability.
        title: Its heading.
    """
    tail = min(len(series) - int(series.starts[-1]), max(3 * len(times), 20))
    targets = [column for column in series.columns if column.role == "target"]
    panels = [
        TargetPanels(
            column.name,
            column.unit,
            (
                Plot(
                    title="",
                    context_times=series.clock[-tail:],
                    context=series.targets[-tail:, target],
                    future_times=times,
                    truth=None,
                    mean=mean[:, target],
                    lower=None if band is None else band[0, :, target],
                    upper=None if band is None else band[1, :, target],
                    level=None if band is None else level,
                ),
            ),
        )
        for target, column in enumerate(targets)
    ]
    return target_panels(panels, title=title, timezone=series.timezone)
