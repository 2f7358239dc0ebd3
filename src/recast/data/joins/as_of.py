"""Values of one clock at the stamps of another, from the past alone."""

from typing import Any, cast

import numpy as np
import pandas as pd
from jaxtyping import Float

NANOSECOND = np.timedelta64(1, "ns")


def last_known(
    times: np.ndarray,
    values: Float[np.ndarray, " rows"],
    wanted: np.ndarray,
    *,
    delay: np.timedelta64,
    hold: np.timedelta64 | None,
) -> Float[np.ndarray, " wanted"]:
    """The last value that was known at each stamp, NaN where there is none.

    A value of the stamp s is known from s + delay on, until the next one is, and no longer than `hold` after that.

    Args:
        times: Ascending stamps, `datetime64[ns]`.
        values: What was observed then; NaN: nothing was.
        wanted: Ascending stamps.
        delay: How long after its stamp a value is known.
        hold: For how long it may be held; None: until the next one.
    """
    longest: Any = None if hold is None else pd.Timedelta(hold)
    seen = ~np.isnan(values)
    table = pd.DataFrame({"known": times[seen] + delay, "value": values[seen]})
    found = pd.merge_asof(
        pd.DataFrame({"wanted": wanted}),
        table,
        left_on="wanted",
        right_on="known",
        direction="backward",
        tolerance=longest,
    )
    return found["value"].to_numpy(np.float64)


def mean_over(
    times: np.ndarray,
    values: Float[np.ndarray, " rows"],
    wanted: np.ndarray,
    *,
    delay: np.timedelta64,
    span: np.timedelta64,
) -> Float[np.ndarray, " wanted"]:
    """The mean of what was observed in (t - delay - span, t - delay] for each stamp t, NaN where nothing was.

    Args:
        times: Ascending stamps, `datetime64[ns]`.
        values: What was observed then; NaN: nothing was.
        wanted: Ascending stamps.
        delay: How long after its stamp a value is known.
        span: Over how long a time it is averaged.
    """
    ends, window = wanted - delay, cast("Any", pd.Timedelta(span))
    clock = np.concatenate([times, ends])
    # The table's rows first, so that one at the end of a span belongs to it.
    order = np.argsort(clock, kind="stable")
    series = pd.Series(np.concatenate([values, np.full(len(ends), np.nan)])[order], pd.DatetimeIndex(clock[order]))
    means = np.empty(len(clock))
    means[order] = np.asarray(series.rolling(window, min_periods=1).mean())
    return means[len(times) :]
