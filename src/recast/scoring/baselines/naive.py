"""Baselines without hyperparameters to fit: last value, drift, mean, and seasonal naive."""

from typing import final

import numpy as np
from jaxtyping import Float

from recast.errors import ConfigurationError
from recast.options import PositiveFloat, checked
from recast.scoring.baselines.baseline import Baseline, History
from recast.types import Origins

MILLISECONDS = 3_600_000  # of an hour; whole ones are compared, as rounded hours would miss the rows themselves


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
    """The value of the same phase in the last season: f(t) = y(t - k hours), k the smallest with t - k hours <= T.

    T is the time of the origin. Seasons are counted in time, so that they need be no multiple of the step, and steps
    need not be regular: y is interpolated linearly between the two rows of the context around that time, and is the
    first one where an irregular context begins later.

    Hyndman & Athanasopoulos, "Forecasting: principles and practice", 3rd edition, section 5.2 (seasonal naive method).

    Args:
        hours: Length of the season; the context must reach as far back. None: that of the data (`data.season`). [hours]

    Raises:
        ConfigurationError: at fit, if the context does not, the season is shorter than half a step, or there is none.
    """

    @checked
    def __init__(self, *, hours: PositiveFloat | None) -> None:
        self.hours = hours

    def _fit(self, history: History) -> None:
        step = history.step_hours
        if self.hours is None and history.season == 1:
            raise ConfigurationError(
                "Seasonal: data.season=1 says that there is none; give its steps there, or hours to this baseline"
            )
        self._of_data = history.season * step
        if 2 * self._length < step:
            raise ConfigurationError(
                f"Seasonal: hours={self._length:g} is less than half a step of {step:g} hours; use a longer season"
            )
        if step * MILLISECONDS < 1:
            raise ConfigurationError(
                f"Seasonal: a step of {step:g} hours is shorter than a millisecond, in which it counts; leave it out"
            )
        leads = step * np.arange(1, history.horizon + 1)[np.newaxis]
        back = -float(self._before(np.zeros((1, 1)), leads).min()) / MILLISECONDS
        span = (history.context - 1) * step
        if back > span + 1 / MILLISECONDS:
            raise ConfigurationError(
                f"Seasonal: hours={self._length:g} reads back to {back:g} hours before the origin, but the context of "
                f"{history.context} steps begins {span:g} hours before it; use a shorter season or a longer context"
            )

    @property
    def _length(self) -> float:
        return self._of_data if self.hours is None else self.hours

    def _before(
        self, origins: Float[np.ndarray, "batch 1"], hours: Float[np.ndarray, "batch steps"]
    ) -> Float[np.ndarray, "batch steps"]:
        """Times of the same phase in the season up to each origin, in ms after it."""
        ahead = np.rint((hours - origins) * MILLISECONDS)
        season = round(self._length * MILLISECONDS)
        return ahead - np.ceil(ahead / season) * season

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        last = origins.context_hours[:, -1:]
        seen = np.rint((origins.context_hours - last) * MILLISECONDS)
        wanted = self._before(last, origins.future_hours)
        wanted = np.maximum(wanted, seen[:, :1])
        # All windows one after another as if they were one series, each in a range of times of its own.
        apart = np.arange(len(seen))[:, np.newaxis] * (2 * max(-seen.min(), -wanted.min()) + 1)
        found = [
            np.interp((wanted + apart).ravel(), (seen + apart).ravel(), origins.context[..., target].ravel())
            for target in range(origins.context.shape[-1])
        ]
        return np.stack(found, axis=-1).reshape(*wanted.shape, -1)
