"""Baselines of imputation: gaps filled without a network."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float, Float64, Int64

from recast.data.panel import Panel
from recast.errors import DataError, RecastError
from recast.scoring.baselines.baseline import AnyBaseline, interpolated


@dataclass(frozen=True, eq=False)
class GapWindows:
    """Windows to be filled.

    Args:
        values: What is left of them, NaN elsewhere, in the data's unit.
        times: Time of each step, since 1970-01-01 UTC. [ms]
    """

    values: Float[np.ndarray, "windows steps targets"]
    times: Int64[np.ndarray, "windows steps"]

    @classmethod
    def of(cls, values: np.ndarray, clock: np.ndarray) -> "GapWindows":
        """The same from stamps, shape (windows, steps)."""
        return cls(values, times_of(clock))

    def minus(self, course: Float64[np.ndarray, "windows steps targets"]) -> "GapWindows":
        """What a course leaves of them."""
        return replace(self, values=self.values - course)


def times_of(clock: np.ndarray) -> Int64[np.ndarray, "..."]:
    """Stamps in ms since 1970-01-01 UTC."""
    return clock.astype("datetime64[ms]").astype(np.int64)


class GapBaseline(AnyBaseline[Panel]):
    """Fills what is missing in windows, each from what is left in it and from the training part.

    A new baseline subclasses this and implements `_fill`, and `_fit` where it fits more than the means.
    """

    means: Float64[np.ndarray, " targets"] | None = None

    def fit(self, training: Panel) -> None:
        """Fits on the training part; must be called before `fill`.

        Args:
            training: The rows of the training part, in the data's unit.

        Raises:
            DataError: if a target was never observed in it.
            ConfigurationError: if an option does not fit the data.
        """
        never = np.isnan(training.targets).all(axis=0)
        if never.any():
            name = training.columns[int(never.argmax())].name
            raise DataError(f"{training.label}: {name!r} was never observed in the training part")
        self.means = np.nanmean(training.targets, axis=0)
        self._fit(training)

    def require_affordable(self, windows: int, targets: int) -> None:
        """Raises MisfitError if it would take too long; nothing unless overridden.

        Args:
            windows: Windows that are to be filled.
            targets: Targets of each.
        """

    def fill(self, windows: GapWindows) -> Float64[np.ndarray, "windows steps targets"]:
        """The windows with a number at each place.

        Raises:
            RecastError: if the baseline has not been fitted.
        """
        if self.means is None:
            raise RecastError(f"{type(self).__name__}: not fitted yet; call fit(training) before fill(windows)")
        return np.where(np.isnan(windows.values), self._fill(windows, self.means), windows.values)

    def _fit(self, training: Panel) -> None:
        """Fits more than the means."""

    @abstractmethod
    def _fill(self, windows: GapWindows, means: Float64[np.ndarray, " targets"]) -> np.ndarray:
        """Values for what is missing, whatever elsewhere; `means` are those of the training part."""


@final
class FillMean(GapBaseline):
    """The mean of each target over the training part."""

    def _fill(self, windows: GapWindows, means: Float64[np.ndarray, " targets"]) -> np.ndarray:
        return np.broadcast_to(means, windows.values.shape)


@final
class FillLast(GapBaseline):
    """The last value before the gap; at the beginning of a window the first one after it, without any the mean."""

    def _fill(self, windows: GapWindows, means: Float64[np.ndarray, " targets"]) -> np.ndarray:
        values = windows.values
        seen = ~np.isnan(values)
        steps = np.arange(values.shape[1])[:, None]
        last = np.maximum.accumulate(np.where(seen, steps, 0), axis=1)
        # Before the first value of a window, that.
        place = np.maximum(last, seen.argmax(axis=1, keepdims=True))
        found = np.take_along_axis(values, place, axis=1)
        return np.where(np.isnan(found), means, found)


@final
class FillLinear(GapBaseline):
    """The line between the values on both sides of a gap; beyond the outermost these are held, without any the mean."""

    def _fill(self, windows: GapWindows, means: Float64[np.ndarray, " targets"]) -> np.ndarray:
        return interpolated(windows.values, means)
