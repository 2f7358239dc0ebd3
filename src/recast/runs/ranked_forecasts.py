"""Forecasts chosen by their rank: the best, the median and the worst."""

import numpy as np
import pandas as pd
from torch import Tensor

from recast.data.datamodule import ForecastDataModule
from recast.figures.plot import Plot
from recast.runs.per_origin import iso_stamps
from recast.training.callbacks.windows_to_show import WindowForecasts, panels_of

COLUMNS = (
    *("rank", "loss", "error", "origin", "target", "lead", "time"),
    *("true", "forecast", "lower", "upper", "level"),
)
CONTEXT = 2  # horizons


def ranks(errors: np.ndarray) -> dict[str, int]:
    """The windows with the smallest, the (lower) median and the largest error; of equal ones the first.

    Args:
        errors: One for each window; those that are NaN are passed over. If all are NaN there are no ranks.
    """
    order = np.argsort(errors, kind="stable")[: np.count_nonzero(~np.isnan(errors))]
    if not len(order):
        return {}
    worst = int(np.flatnonzero(errors == errors[order[-1]])[0])
    return {"best": int(order[0]), "median": int(order[(len(order) - 1) // 2]), "worst": worst}


def ranked_forecasts(
    forecasts: WindowForecasts, data: ForecastDataModule, starts: Tensor, errors: np.ndarray, loss: str
) -> pd.DataFrame:
    """The forecasts with the smallest, the median and the largest error, one row for each target and step.

    Columns: `rank` (best, median, worst); `loss` and `error`, what is ranked and its value over all leads and targets;
    `origin`, ISO 8601; `target`; `lead`, the step counted from the origin, 0 and below for the context, of which the
    last two horizons are given; `time`; `true`, `forecast` and the ends of the central band of probability `level`,
    `lower` and `upper`, in the target's unit. The level is 0.9, or that of the widest band that the forecast knows. The
    band is empty for a model that forecasts points; the samples of one that draws are drawn anew.

    Args:
        forecasts: Those of the model.
        data: Its data.
        starts: First row of each window that was scored, int64, shape (windows,).
        errors: The error of each of these windows, by which they are ranked.
        loss: Name of that error.
    """
    chosen = ranks(errors)
    if not chosen:
        return pd.DataFrame(columns=list(COLUMNS))
    targets = panels_of(forecasts, data, starts[list(chosen.values())], tail=CONTEXT * data.spec.horizon)
    tables = [
        _table(target.panels[place], data.spec.timezone, data.prepared.panel.clock).assign(
            rank=rank, loss=loss, error=errors[window], target=target.name
        )
        for place, (rank, window) in enumerate(chosen.items())
        for target in targets
    ]
    return pd.concat(tables, ignore_index=True).reindex(columns=list(COLUMNS))


def _table(panel: Plot, timezone: str | None, clock: np.ndarray) -> pd.DataFrame:
    past, future = len(panel.context), len(panel.mean)
    times = iso_stamps(np.concatenate([panel.context_times, panel.future_times]), timezone, among=clock)
    nothing = np.full(future, np.nan)
    lower, upper = panel.band or (nothing, nothing)
    level = np.full(future, np.nan if panel.level is None else panel.level)

    def ahead(values: np.ndarray) -> np.ndarray:
        return np.concatenate([np.full(past, np.nan), values])

    true = nothing if panel.truth is None else panel.truth
    return pd.DataFrame(
        {
            "origin": times[past - 1],
            "lead": np.arange(1 - past, future + 1),
            "time": times,
            "true": np.concatenate([panel.context, true]),
            "forecast": ahead(panel.mean),
            "lower": ahead(lower),
            "upper": ahead(upper),
            "level": ahead(level),
        }
    )
