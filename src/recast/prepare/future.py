"""Time stamps after the end of a series."""

import numpy as np
import pandas as pd

from recast.series.step import fixed_step, parse_step


def future_times(last: np.datetime64, step: str, horizon: int) -> np.ndarray:
    """The stamps that follow `last`.

    Args:
        last: The stamp of the origin.
        step: Distance between rows, a pandas offset alias; a step of the calendar gives its next dates
            ("B": business days).
        horizon: Number of stamps. [steps]

    Returns:
        `datetime64[ns]`, shape (horizon,).

    Raises:
        ConfigurationError: if the step is unknown.
    """
    last = last.astype("datetime64[ns]")
    length = fixed_step(step)
    if length is not None:
        return last + length * np.arange(1, horizon + 1)
    # One more: the range begins with `last` only if that is a date of the calendar.
    dates = pd.date_range(pd.Timestamp(last), periods=horizon + 1, freq=parse_step(step))
    times = dates.to_numpy().astype("datetime64[ns]")
    return times[times > last][:horizon]
