"""The steps after the end of a series: their time stamps, and what is known ahead there."""

from dataclasses import replace

import numpy as np

from recast.data.panel import Panel
from recast.data.prepare.describe import aligned_known
from recast.data.sources.lattice import after
from recast.data.sources.stamps import stamp_text
from recast.data.sources.step import from_wall_clock, wall_clock
from recast.data.spec import SeriesSpec
from recast.errors import DataError


def future_times(panel: Panel, step: str, horizon: int) -> np.ndarray:
    """The stamps that follow the last row of a panel.

    Args:
        panel: One series.
        step: Distance between rows, a pandas offset alias; a calendar step gives the next calendar dates ("B": business
            days), in local time where the panel knows it.
        horizon: Number of stamps. [steps]

    Returns:
        `datetime64[ns]`, shape (horizon,).

    Raises:
        ConfigurationError: if the step is unknown.
    """
    panel = replace(panel, step=step)
    return from_wall_clock(panel, after(wall_clock(panel)[-1], step, horizon))


def until_last_observed(panel: Panel) -> Panel:
    """The panel without the final rows in which no target was observed: those are to be forecast.

    Raises:
        DataError: if no target was observed in any row.
    """
    seen = np.flatnonzero(~np.isnan(panel.targets).all(axis=1))
    if not len(seen):
        raise DataError(f"{panel.label}: no target was observed in any row; expected some to forecast from")
    return panel.without(np.arange(len(panel)) > seen[-1])


def beyond_end(panel: Panel, spec: SeriesSpec, known: Panel | None) -> Panel:
    """The last context of a panel and the steps after its end, which have only the inputs known ahead.

    Args:
        panel: A panel under the spec of a trained model, see `recast.data.prepare.describe.align`.
        spec: That spec.
        known: The inputs known ahead, at least at the steps after the end; None if the model has none.

    Raises:
        DataError: if fewer rows than a context follow the last gap, or a step after the end has no known inputs.
    """
    rows = len(panel) - int(panel.starts[-1])
    if rows < spec.context:
        gap = (
            ""
            if len(panel.starts) == 1
            else f" after the last gap, which ends at {stamp_text(panel.clock[panel.starts[-1]])}"
        )
        remedy = (
            "give more rows" if len(panel.starts) == 1 else "fill the gap (data/grid=interpolate), or give more rows"
        )
        raise DataError(
            f"{panel.label}: {rows} rows{gap}; the model reads the last {spec.context} steps without a gap; {remedy}"
        )
    times = future_times(panel, spec.step, spec.horizon)
    # Future values are never read; the offset scales to 0.
    unseen = [
        np.nan if spec.masked or column.is_category else offset
        for column, offset in zip(spec.columns, spec.offset, strict=True)
    ]
    ahead = np.tile(unseen, (spec.horizon, 1))
    if known is not None:
        if known.timezone != panel.timezone:
            words = {None: "without a time zone", "UTC": "with one"}
            raise DataError(
                f"{known.label}: its stamps are {words[known.timezone]}, but those of {panel.label} "
                f"{words[panel.timezone]}; write both alike"
            )
        ahead[:, panel.of("known")] = _at(aligned_known(known, spec), times)
    return replace(
        panel,
        times=np.concatenate([panel.clock[-spec.context :], times]),
        values=np.concatenate([panel.values[-spec.context :], ahead]),
        starts=np.zeros(1, dtype=np.int64),
        items=panel.items[-1:],
    )


def _at(known: Panel, times: np.ndarray) -> np.ndarray:
    """The known inputs at each of the times."""
    missing = ~np.isin(times, known.clock)
    if missing.any():
        raise DataError(
            f"{known.label}: {missing.sum()} of the {len(times)} steps to forecast have no row, the first is "
            f"{stamp_text(times[missing][0])}; expected {', '.join(known.names)} from {stamp_text(times[0])} to "
            f"{stamp_text(times[-1])}"
        )
    found = known.values[np.searchsorted(known.clock, times)]
    unknown = np.isnan(found).any(axis=1)
    if unknown.any():
        raise DataError(
            f"{known.label}: at {stamp_text(times[unknown][0])} an input known ahead has no value; expected "
            "one at each step"
        )
    return found
