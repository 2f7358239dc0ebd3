"""The mean of the training part."""

from typing import final

import numpy as np
from jaxtyping import Float

from recast.scoring.baselines.baseline import Baseline, History
from recast.types import Origins


@final
class Mean(Baseline):
    """The mean of all training rows, for each target; it does not look at the context.

    Hyndman & Athanasopoulos, "Forecasting: principles and practice", 3rd edition, section 5.2 (mean method).
    """

    def _fit(self, history: History) -> None:
        self._mean = history.values.mean(axis=0)

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        return np.tile(self._mean, (*origins.future_hours.shape, 1))
