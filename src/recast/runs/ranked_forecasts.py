"""Forecasts to look at, chosen by rank and not by eye: the best, the median and the worst."""

import numpy as np
import pandas as pd

from recast.callbacks.windows_to_show import panels_of
from recast.datamodule import ForecastDataModule
from recast.figures.panel import Panel
from recast.runs.per_origin import iso_stamps
from recast.task import ForecastTask

COLUMNS = ("rank", "origin", "lead", "time", "true", "forecast", "lower", "upper")
CONTEXT = 2  # horizons


def ranks(errors: np.ndarray) -> dict[str, int]:
    """The windows with the smallest, the (lower) median and the largest error; of equal ones the first.

    Args:
        errors: One for each window; those that are NaN are passed over. Without any other there are no ranks.
    """
    order = np.argsort(errors, kind="stable")[: np.count_nonzero(~np.isnan(errors))]
    if not len(order):
        return {}
    worst = int(np.flatnonzero(errors == errors[order[-1]])[0])
    return {"best": int(order[0]), "median": int(order[(len(order) - 1) // 2]), "worst": worst}


def ranked_forecasts(task: ForecastTask, data: ForecastDataModule, part: str, errors: np.ndarray) -> pd.DataFrame:
    """The forecasts with the smallest, the median and the largest error, one row for each step.

    Columns: `rank` (best, median, worst); `origin`, ISO 8601; `lead`, the step counted from the origin, 0 and below
    for the context, of which the last two horizons are given; `time`; `true`, `forecast` and the ends of the central
    90 % band, `lower` and `upper`, of the first target in its unit. The band is empty for a model that forecasts
    points; the samples of one that does not are drawn anew.

    Args:
        task: The trained model.
        data: Its data.
        part: "train", "validation" or "test".
        errors: What is ranked: one for each window of the part.
    """
    chosen = ranks(errors)
    if not chosen:
        return pd.DataFrame(columns=list(COLUMNS))
    starts = getattr(data.prepared.starts, part)[list(chosen.values())]
    panels = panels_of(task, data, starts, tail=CONTEXT * data.spec.horizon)
    return pd.concat(
        [_table(rank, panel, data.spec.timezone) for rank, panel in zip(chosen, panels, strict=True)],
        ignore_index=True,
    )


def _table(rank: str, panel: Panel, timezone: str | None) -> pd.DataFrame:
    past, future = len(panel.context), len(panel.mean)
    times = iso_stamps(np.concatenate([panel.context_times, panel.future_times]), timezone)
    nothing = np.full(future, np.nan)
    lower, upper = panel.band or (nothing, nothing)

    def ahead(values: np.ndarray) -> np.ndarray:
        return np.concatenate([np.full(past, np.nan), values])

    true = nothing if panel.truth is None else panel.truth
    values = (np.concatenate([panel.context, true]), ahead(panel.mean), ahead(lower), ahead(upper))
    lead = np.arange(1 - past, future + 1)
    return pd.DataFrame(dict(zip(COLUMNS, (rank, times[past - 1], lead, times, *values), strict=True)))
