"""Baselines without hyperparameters to fit: last value, drift, mean, and seasonal naive."""

from typing import final

import numpy as np
from jaxtyping import Float

from recast.errors import ConfigurationError
from recast.options import PositiveFloat, checked
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


@final
class Mean(Baseline):
    """The mean of all training rows, for each target; it ignores the context.

    Hyndman & Athanasopoulos, "Forecasting: principles and practice", 3rd edition, section 5.2 (mean method).
    """

    def _fit(self, history: History) -> None:
        self._mean = history.values.mean(axis=0)

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        return np.tile(self._mean, (*origins.future_hours.shape, 1))


@final
class Seasonal(Baseline):
    """The last observed value of the same phase: f[h] = y[T + h - k lag], k the smallest integer with h <= k lag.

    If that value was not observed, it is interpolated linearly between its neighbours in time.

    Hyndman & Athanasopoulos, "Forecasting: principles and practice", 3rd edition, section 5.2 (seasonal naive method).

    Args:
        hours: Length of the season, rounded to steps of the data: the lag; at most the context. [hours]

    Raises:
        ConfigurationError: at fit, if the lag is longer than the context, or shorter than half a step.
    """

    @checked
    def __init__(self, *, hours: PositiveFloat) -> None:
        self.hours = hours

    def _fit(self, history: History) -> None:
        step = history.step_hours
        self._lag = round(self.hours / step)
        if self._lag < 1:
            raise ConfigurationError(
                f"Seasonal: hours={self.hours:g} is less than half a step of {step:g} hours; use a longer season"
            )
        if self._lag > history.context:
            raise ConfigurationError(
                f"Seasonal: hours={self.hours:g} are {self._lag} steps of {step:g} hours, which reach back beyond the "
                f"context of {history.context} steps; use a shorter season or a longer context"
            )

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        season = origins.context[:, -self._lag :]
        return season[:, np.arange(origins.future_hours.shape[1]) % self._lag]
