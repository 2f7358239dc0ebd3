"""The value one season before."""

from typing import final

import numpy as np
from jaxtyping import Float

from recast.errors import ConfigurationError
from recast.options import PositiveInt, checked
from recast.scoring.baselines.baseline import Baseline, History
from recast.types import Origins


@final
class Seasonal(Baseline):
    """The last observed value of the same phase: f[h] = y[T + h - k lag], k the least whole number with h <= k lag.

    Where that value was not observed, one on the line between its neighbours in time stands for it.

    Hyndman & Athanasopoulos, "Forecasting: principles and practice", 3rd edition, section 5.2 (seasonal naive method).

    Args:
        lag: Length of the season; at most the context. [steps]

    Raises:
        ConfigurationError: at fit, if the lag is longer than the context.
    """

    @checked
    def __init__(self, *, lag: PositiveInt) -> None:
        self.lag = lag

    def _fit(self, history: History) -> None:
        if self.lag > history.context:
            raise ConfigurationError(
                f"Seasonal: lag={self.lag} steps reach back beyond the context of {history.context} steps; "
                "use a shorter lag or a longer context"
            )

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        season = origins.context[:, -self.lag :]
        return season[:, np.arange(origins.future_hours.shape[1]) % self.lag]
