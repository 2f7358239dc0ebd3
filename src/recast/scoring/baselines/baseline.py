"""The bases of all baselines, and the training part they are fitted on."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from jaxtyping import Float

from recast.errors import ConfigurationError, DataError, InputError, MisfitError, RecastError
from recast.types import Origins

TrainingPart_contra = TypeVar("TrainingPart_contra", contravariant=True)


class AnyBaseline(ABC, Generic[TrainingPart_contra]):
    """A baseline to compare models with: a method without a network, fitted on the training part only."""

    @abstractmethod
    def fit(self, training: TrainingPart_contra, /) -> None:
        """Fits on the training part. A second call refits from scratch."""

    @property
    def facts(self) -> dict[str, Any]:
        """What a fit has chosen, in plain containers; nothing unless overridden."""
        return {}


def interpolated(
    values: Float[np.ndarray, "*windows steps targets"], otherwise: Float[np.ndarray, " targets"]
) -> Float[np.ndarray, "*windows steps targets"]:
    """NaN replaced by linear interpolation over the steps; beyond the first and last values these are held.

    Args:
        values: One or more runs of steps, interpolated separately.
        otherwise: Value of a target that was never observed in a run.
    """
    if not np.isnan(values).any():
        return values
    runs = values.reshape(-1, *values.shape[-2:]).copy()
    steps = np.arange(runs.shape[1])
    for window, target in np.argwhere(np.isnan(runs).any(axis=1)):
        run = runs[window, :, target]
        seen = ~np.isnan(run)
        run[~seen] = np.interp(steps[~seen], steps[seen], run[seen]) if seen.any() else otherwise[target]
    return runs.reshape(values.shape)


@dataclass(frozen=True, eq=False)
class History:
    """The training part of a series in the data's unit, for baselines (NumPy, float64).

    Args:
        values: Targets on the training rows, NaN where nothing was observed, shape (rows, targets).
        hours: Times of the rows, hours since 1970-01-01 UTC, shape (rows,).
        starts: First row of each training window, int64, shape (windows,).
        context: Rows of a window that the forecast is made from. [steps]
        horizon: Rows after those, to forecast. [steps]
        past: Inputs observed up to the origin, at each row, as numbers, NaN where nothing was observed, shape (rows,
            inputs); None: none.
        known: Inputs known ahead, alike.
        season: Rows after which the series repeats itself (`data.season`); 1: none. [steps]
    """

    values: np.ndarray
    hours: np.ndarray
    starts: np.ndarray
    context: int
    horizon: int
    past: np.ndarray | None = None
    known: np.ndarray | None = None
    season: int = 1

    @property
    def step_hours(self) -> float:
        """The usual distance between rows in hours: the median of their differences in time.

        Raises:
            DataError: if there is no row after another.
        """
        differences = np.diff(self.hours)
        differences = differences[differences > 0]
        if not len(differences):
            raise DataError(f"{len(self.hours)} training rows: their distance in time needs two at least")
        return float(np.median(differences))

    def windows(self, batch: int = 1024) -> Iterator[tuple[Origins, np.ndarray]]:
        """The training windows batch by batch: the origins, and the truth of shape (batch, horizon, targets).

        Args:
            batch: Windows in memory at a time.
        """
        past, future = np.arange(self.context), np.arange(self.context, self.context + self.horizon)
        for first in range(0, len(self.starts), batch):
            start = self.starts[first : first + batch, np.newaxis]
            yield (
                Origins(
                    self.values[start + past],
                    self.hours[start + past],
                    self.hours[start + future],
                    None if self.past is None else self.past[start + past],
                    None if self.known is None else self.known[start + np.arange(self.context + self.horizon)],
                ),
                self.values[start + future],
            )

    def minus(self, values: np.ndarray) -> "History":
        """The same rows and windows with `values` subtracted.

        Args:
            values: What to subtract, shape (rows, targets).
        """
        return replace(self, values=self.values - values)


class Baseline(AnyBaseline[History]):
    """A forecaster without a network: fitted on the training part, forecasting from the same windows as a model.

    Missing values are interpolated linearly, over the training part and, separately, within each window.

    Attributes:
        reads_gaps: Whether it receives missing values as NaN.
    """

    reads_gaps: ClassVar[bool] = False
    _history_shape: tuple[int, int, int] | None = None

    def require_affordable(self, forecasts: int) -> None:
        """Raises MisfitError where that many forecasts of a target would take too long; nothing unless overridden."""
        del forecasts

    def fit(self, history: History) -> None:
        """Fits on the training part; must be called before `forecast`. A second call refits from scratch.

        Args:
            history: The training part.

        Raises:
            MisfitError: if an option does not fit the windows, or the training part is too small.
            DataError: if it has infinite values, or a target was never observed.
        """
        self._history_shape = None
        infinite = int(np.isinf(history.values).any(axis=1).sum())
        if infinite or np.isnan(history.values).all(axis=0).any():
            raise DataError(
                f"{type(self).__name__}: the training part has {len(history.values)} rows, {infinite} of them with "
                "infinite values; expected finite numbers, and at least one observation of each target"
            )
        self._otherwise = np.nanmean(history.values, axis=0)
        filled = history if self.reads_gaps else replace(history, values=interpolated(history.values, self._otherwise))
        try:
            self._fit(filled)
        except InputError as error:
            raise MisfitError(str(error)) from error
        self._history_shape = (history.context, history.horizon, history.values.shape[1])

    def forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        """The forecast from each origin, float64, in the data's unit.

        Args:
            origins: Windows of the same context, horizon and targets as those of the training part.

        Raises:
            RecastError: if the baseline has not been fitted.
            ConfigurationError: if the windows have other sizes than those it was fitted on.
        """
        name = type(self).__name__
        if self._history_shape is None:
            raise RecastError(f"{name}: not fitted yet; call fit(history) before forecast(origins)")
        _, context, targets = origins.context.shape
        found = (context, origins.future_hours.shape[1], targets)
        if found != self._history_shape:
            raise ConfigurationError(
                f"{name}: fitted on windows with (context, horizon, targets) = {self._history_shape}, "
                f"but asked to forecast windows with {found}; fit it on the same windows"
            )
        if not self.reads_gaps:
            origins = replace(origins, context=interpolated(origins.context, self._otherwise))
        return self._forecast(origins)

    @abstractmethod
    def _fit(self, history: History) -> None:
        """Fits on the training part."""

    @abstractmethod
    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        """Forecasts; called only after a fit, with windows of the same sizes."""
