"""The line through the first and the last context value."""

from typing import final

import numpy as np
from jaxtyping import Float

from recast.errors import ConfigurationError
from recast.scoring.baselines.baseline import Baseline, History
from recast.types import Origins


@final
class Drift(Baseline):
    """The line through the first and the last of C context values: f[h] = y[T] + h (y[T] - y[T-C+1]) / (C - 1).

    h counts steps, not hours. Hyndman & Athanasopoulos, "Forecasting: principles and practice", 3rd edition,
    section 5.2 (drift method).
    """

    def _fit(self, history: History) -> None:
        if history.context < 2:
            raise ConfigurationError(
                f"Drift: context={history.context}: a line needs a first and a last value; use a context of at least 2"
            )

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        first, last = origins.context[:, :1], origins.context[:, -1:]
        slope = (last - first) / (origins.context.shape[1] - 1)
        lead = np.arange(1, origins.future_hours.shape[1] + 1)[:, np.newaxis]
        return last + lead * slope
