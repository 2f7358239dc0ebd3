"""The last value held."""

from typing import final

import numpy as np
from jaxtyping import Float

from recast.scoring.baselines.baseline import Baseline, History
from recast.types import Origins


@final
class LastValue(Baseline):
    """Persistence: every lead equals the value at the origin, f[h] = y[T].

    Hyndman & Athanasopoulos, "Forecasting: principles and practice", 3rd edition, section 5.2 (naive method).
    """

    def _fit(self, history: History) -> None:
        pass

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        return np.repeat(origins.context[:, -1:], origins.future_hours.shape[1], axis=1)
